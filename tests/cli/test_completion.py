"""What the shell offers when the tab key is pressed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from vlp_rvos.cli import completion
from vlp_rvos.data.benchmarks import benchmark_names
from vlp_rvos.evaluation.submission import LAYOUTS
from vlp_rvos.models.checkpoint import shipped_models
from vlp_rvos.models.model_config import PRESETS
from vlp_rvos.training.train_config import shipped_recipes


def test_all_names_are_offered() -> None:
    assert completion.complete_model("") == shipped_models() == ["mini"]
    assert completion.complete_preset("") == sorted(PRESETS)
    assert completion.complete_recipe("") == sorted(shipped_recipes())
    assert completion.complete_dataset("") == sorted(benchmark_names())
    assert completion.complete_submission("") == sorted(LAYOUTS)
    assert completion.complete_ablation("") == ["mini"]
    assert completion.complete_device("") == ["auto", "cpu", "cuda", "mps"]


def test_names_that_begin_so() -> None:
    assert completion.complete_recipe("mini-f") == ["mini-further"]
    assert completion.complete_dataset("m") == ["mevis"]
    assert completion.complete_model("./my-") == []


def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = f"import sys; from vlp_rvos.cli.app import main\ntry: {code}\nfinally: print('torch' in sys.modules)"
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, env=os.environ | environment
    )


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("vlp-rvos seg", ["segment"]),
        ("vlp-rvos segment v x --model m", ["mini"]),
        ("vlp-rvos train refcoco-c", ["refcoco-clip-l14"]),
        ("vlp-rvos evaluate ref-d", ["ref-davis17"]),
        ("vlp-rvos data check mev", ["mevis"]),
        ("vlp-rvos segment v --memory-f", ["--memory-frames"]),
        ("vlp-rvos segment v --legend b", ["below"]),
        ("vlp-rvos segment v --style o", ["outline"]),
        ("vlp-rvos segment v --plo", ["--plot"]),
        ("vlp-rvos models --quie", ["--quiet"]),
    ],
)
def test_the_shell_gets_them_without_torch(words: str, offered: list[str]) -> None:
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1), "_VLP_RVOS_COMPLETE": "complete_bash"}
    done = run("main([])", **asked)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [*offered, "False"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_installation(shell: str, tmp_path: Path) -> None:
    # Typer asks the operating system for the shell that runs it, or takes the name.
    environment = {"HOME": str(tmp_path), "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    shown = run(f"main(['--show-completion', '{shell}'])", **environment)
    assert shown.returncode == 0
    assert "_VLP_RVOS_COMPLETE=complete_" in shown.stdout
    assert run(f"main(['--install-completion', '{shell}'])", **environment).returncode == 0
    assert any("vlp" in file.name for file in tmp_path.rglob("*") if file.is_file())
