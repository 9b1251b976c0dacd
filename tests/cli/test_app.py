"""The program `vlp-rvos`: its help, and what it says and returns when a command fails."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import typer
from clips import frames, write_video

from vlp_rvos import __version__
from vlp_rvos.cli import app as cli
from vlp_rvos.errors import UserError, VLPRVOSError, VLPRVOSWarning
from vlp_rvos.evaluation.protocols import PROTOCOLS
from vlp_rvos.utils.signals import Terminated

COMMANDS = ("segment", "web", "explain", "models", "doctor", "export", "train", "ablate", "pretrain", "submit")
GROUPS = {
    "evaluate": ("masks", "run", "grounding", "rle", "compare", *PROTOCOLS),
    "data": ("check", "preview"),
    "bench": ("overhead",),
}


def test_help_is_instant_and_needs_no_torch() -> None:
    seen = "print([name in sys.modules for name in ('torch', 'av', 'numpy', 'yaml')])"
    code = f"import sys; from vlp_rvos.cli import app; app.main(['--help']); {seen}"
    began = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - began
    assert done.stdout.splitlines()[-1] == "[False, False, False, False]"
    for command in (*COMMANDS, *GROUPS):
        assert command in done.stdout
    # Half a second on an idle machine; tests share theirs.
    assert seconds < 3


def test_mistakes_in_options_are_found_without_torch() -> None:
    arguments = ["evaluate", "run", "data", "--threshold", "2"]
    code = f"import sys; from vlp_rvos.cli import app; print(app.main({arguments}), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "2 False\n"
    assert done.stderr == "error: threshold must be greater than 0 and less than 1, not 2\n"


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        ([], 0, None),
        (["--version"], 0, None),
        (["segment", "--help"], 0, None),
        (["evaluate", "run", "--help"], 0, None),
        (["nonsense"], 2, "error: No such command 'nonsense'. (see 'vlp-rvos --help')"),
        (["evaluate"], 2, "error: Missing command. (see 'vlp-rvos evaluate --help')"),
        (
            ["segment", "x.mp4", "the dog", "-o", "out", "--precision", "q"],
            2,
            "error: Invalid value for '--precision': 'q' is not one of 'auto', 'fp32', 'bf16', 'fp16', 'int8'. "
            "(see 'vlp-rvos segment --help')",
        ),
        (["segment"], 2, "error: Missing argument 'VIDEO'. (see 'vlp-rvos segment --help')"),
    ],
)
def test_usage(arguments: list[str], code: int, line: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(arguments) == code
    printed = capsys.readouterr()
    assert printed.err == ("" if line is None else line + "\n")
    assert bool(printed.out) == (line is None)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"vlp-rvos {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [[command] for command in COMMANDS] + [[group, command] for group, names in GROUPS.items() for command in names],
)
def test_every_command_has_help(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([*arguments, "--help"]) == 0
    printed = capsys.readouterr().out
    assert f"Usage: vlp-rvos {' '.join(arguments)} " in printed
    # Paragraphs are wrapped by the terminal's width, not by the source's.
    assert "Args:" not in printed


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (UserError("no such file: x.mp4"), 2, "error: no such file: x.mp4"),
        (VLPRVOSError("the model broke"), 1, "error: the model broke"),
        (OSError(28, "No space left on device", "x.png"), 1, "error: no space left on the disk: x.png"),
        (OSError(errno.EACCES, "Permission denied", "x.png"), 2, "error: Permission denied: x.png"),
        (OSError(errno.EPERM, "Operation not permitted", "x"), 2, "error: Operation not permitted: x"),
        (OSError(errno.EROFS, "Read-only file system", "x"), 2, "error: Read-only file system: x"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x"), 2, "error: File name too long: x"),
        (OSError(errno.EIO, "Input/output error", "x"), 1, "error: Input/output error: x"),
        (OSError("the pipe broke"), 1, "error: the pipe broke"),
        (
            type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory"),
            1,
            "error: out of GPU memory; use a smaller --size or --device cpu",
        ),
        (
            RuntimeError("two\nlines"),
            1,
            "internal error: RuntimeError: two lines (set VLP_RVOS_DEBUG=1 for the traceback)",
        ),
        (RecursionError("maximum"), 2, "error: something in the input is nested too deeply to be read"),
        (MemoryError(), 1, "error: out of memory; use a smaller --size"),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
            1,
            "error: out of memory; use a smaller --size",
        ),
        (KeyboardInterrupt(), 130, "interrupted"),
        (Terminated(), 143, "terminated"),
        (Terminated(signal.SIGHUP), 129, "terminated: the terminal was closed"),
        (typer.Exit(143), 143, "terminated"),
        (typer.Exit(130), 130, "interrupted"),
        (typer.Exit(3), 3, None),
    ],
)
def test_failures_are_one_line_and_an_exit_code(
    error: BaseException,
    code: int,
    line: str | None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr("vlp_rvos.models.checkpoint.shipped_models", fail)
    assert cli.main(["models"]) == code
    assert capsys.readouterr() == ("", "" if line is None else line + "\n")


def test_debug_gives_the_traceback(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLP_RVOS_DEBUG", "1")
    monkeypatch.setattr("vlp_rvos.models.checkpoint.shipped_models", lambda: 1 / 0)
    assert cli.main(["models"]) == 1
    printed = capsys.readouterr().err
    assert "Traceback" in printed
    assert printed.splitlines()[-1] == "internal error: ZeroDivisionError: division by zero"


def test_warnings_are_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def warn() -> dict[str, Path]:
        warnings.warn("not the user's business", RuntimeWarning, stacklevel=1)
        warnings.warn(VLPRVOSWarning("two\nlines"), stacklevel=1)
        return {}

    monkeypatch.setattr("vlp_rvos.models.checkpoint.shipped_models", warn)
    assert cli.main(["models"]) == 0
    assert capsys.readouterr().err == "warning: two lines\n"


@pytest.mark.parametrize(
    "arguments",
    [
        "bench overhead --threads 0",
        "bench overhead --threads 1000000000",
        "bench overhead --rounds 0",
        "bench overhead --rounds 1e9",
        "data preview mevis folder --count 0",
        "data preview mevis folder --seed -1",
        f"data preview mevis folder --seed {10**30}",
        "evaluate grounding folder --pairs 0",
        "evaluate grounding folder --samples 1000000000",
        "evaluate mevis folder --workers 1000000000",
        "evaluate run folder --size 1000000000",
        "evaluate run folder --threshold nan",
        "evaluate run folder --presence-threshold inf",
        "evaluate run folder --min-part nan",
        "evaluate run folder --memory-frames 1000000000",
        f"evaluate run folder --memory-frames {'9' * 5000}",
        "ablate -o out --steps 0",
        f"ablate -o out --steps {10**30}",
        "ablate -o out --seeds -1",
        f"ablate -o out --seeds {10**30}",
        f"ablate -o out --seeds {'9' * 5000}",
        "train mini -o out --set steps=.inf",
        "train mini -o out --set lr=.nan",
        "train mini -o out --set data.clip_length=1000000000",
        f"train mini -o out --set threads={10**30}",
        "pretrain -o out --set minutes=.inf",
    ],
)
def test_every_number_has_a_range(
    arguments: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(arguments.split()) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert len(printed.err.splitlines()) == 1
    assert len(printed.err) < 1500
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "command",
    [
        "segment {} dog -o out",
        "segment frames dog -o out",
        "segment video.mp4 dog -o out --model {}",
        "train {}",
        "ablate {} -o out",
        "pretrain {} -o out",
        "evaluate rle {} {}",
        "evaluate compare {} {}",
        "evaluate grounding folder --config {}",
        "export {} -o out",
    ],
)
@pytest.mark.parametrize("kind", ["a named pipe", "a device"])
def test_pipes_and_devices_are_named_and_not_opened(
    command: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    special = Path("pipe.mp4") if kind == "a named pipe" else Path("/dev/zero")
    if kind == "a named pipe":
        os.mkfifo(special)
    Path("frames").mkdir()
    (Path("frames") / "0.png").symlink_to(special.absolute())
    write_video(tmp_path / "video.mp4", frames(1))
    assert cli.main(command.format(*[special] * 2).split()) == 2
    printed = capsys.readouterr()
    assert printed.err.count("\n") == 1
    assert f"is {kind}, not a file" in printed.err
    assert not Path("out").exists()
