from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from clips import cut, frames, noise, write_folder, write_sound, write_video
from PIL import Image as PillowImage
from pointed_squares import SquaresRuntime, picture
from pycocotools import mask as coco_mask
from stubs import tiny_model

from vlp_rvos import Segmenter, __version__, read_masks
from vlp_rvos.cli import app as cli
from vlp_rvos.errors import VLPRVOSError
from vlp_rvos.media import mask_png
from vlp_rvos.media import overlay_video as writers
from vlp_rvos.media.image_files import read_object_ids
from vlp_rvos.results import label_map
from vlp_rvos.utils import progress

pytestmark = pytest.mark.usefixtures("tiny_default_model")

OUTPUTS = ["masks", "masks.json", "overlay.mp4"]


@pytest.fixture(autouse=True)
def no_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, a run counts as a short one, which says nothing of its progress."""
    monkeypatch.setattr(progress, "SILENT_SECONDS", 3600.0)
    monkeypatch.setattr(progress, "LINE_SECONDS", 3600.0)
    monkeypatch.setattr(progress, "LONGEST_SILENCE", 3600.0)


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "dog.mp4", frames(7))


def run(*arguments: object) -> int:
    return cli.main(list(map(str, arguments)))


def names(folder: Path) -> list[str]:
    return sorted(x.name for x in folder.iterdir())


# --- the main job --------------------------------------------------------------------------------------------------
def test_segment_writes_everything(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "new/out"
    assert run("segment", video, "the dog", "-e", "a red car", "-o", out) == 0
    assert names(out) == OUTPUTS
    assert names(out / "masks") == [f"{i:05d}.png" for i in range(7)]
    with av.open(str(out / "overlay.mp4")) as container:
        decoded = list(container.decode(video=0))
        assert [x.time for x in decoded] == pytest.approx([i / 10 for i in range(7)], abs=1e-3)
        assert (decoded[0].width, decoded[0].height) == (64, 48)
    data = json.loads((out / "masks.json").read_text())
    assert data["expressions"] == ["the dog", "a red car"]
    assert data["model"] == {"name": "mini", "version": __version__}
    assert data["video"] == {"name": "dog.mp4", "width": 64, "height": 48, "fps": 10.0}
    assert data["truncated"] is None
    expected = list(Segmenter(tiny_model()).segment(video, ["the dog", "a red car"]))
    assert [x["time"] for x in data["frames"]] == pytest.approx([x.time for x in expected])
    for result, frame in zip(expected, data["frames"], strict=True):
        decoded_masks = [coco_mask.decode(x["segmentation"]) for x in frame["objects"]]
        assert np.array_equal(np.stack(decoded_masks), result.masks)
        with PillowImage.open(out / "masks" / f"{frame['name']}.png") as image:
            assert np.array_equal(np.asarray(image), label_map(result.masks, result.scores))
    printed = capsys.readouterr()
    first, dog, car, last = printed.out.splitlines()
    assert re.fullmatch(r"7 frames in [\d.]+ s \([\d.]+ frames/s\)", first)
    assert dog.startswith('"the dog"    ')
    assert car.startswith('"a red car"  ')
    assert last == f"wrote {out}/overlay.mp4, {out}/masks, {out}/masks.json"
    assert [one["expression"] for one in data["found"]] == ["the dog", "a red car"]
    assert printed.err == ""


def test_json_summary(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    options = ["--every", 2, "--start", 0.2, "--end", 0.7, "--no-overlay", "--size", 32, "--device", "cpu", "--json"]
    assert run("segment", video, "-e", "the dog", "-o", out, *options) == 0
    assert names(out) == ["masks", "masks.json"]
    summary = json.loads(capsys.readouterr().out)
    assert summary["frames"] == 3
    assert summary["frames_per_second"] == pytest.approx(3 / summary["seconds"], rel=0.1)
    assert summary["outputs"] == {"masks": str(out / "masks"), "masks_json": str(out / "masks.json")}
    assert (summary["warnings"], summary["truncated"]) == ([], None)
    objects = [x["objects"][0] for x in json.loads((out / "masks.json").read_text())["frames"]]
    areas = [coco_mask.area(x["segmentation"]) / (64 * 48) for x in objects]
    found = json.loads((out / "masks.json").read_text())["found"][0]
    assert summary["expressions"] == [
        {
            **found,
            "mean_score": pytest.approx(np.mean([x["score"] for x in objects]), abs=1e-5),
            "mean_presence": pytest.approx(np.mean([x["presence"] for x in objects]), abs=1e-5),
            "mean_area": pytest.approx(np.mean(areas), abs=1e-5),
            "present_share": pytest.approx(np.mean([x > 0 for x in areas]), abs=1e-5),
        }
    ]


def test_a_folder_keeps_its_names_and_takes_a_frame_rate(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", frames(3), "jpg", "img{}")
    assert run("segment", folder, "the dog", "-o", tmp_path / "out", "--fps", 5) == 0
    assert names(tmp_path / "out/masks") == ["img0.png", "img1.png", "img2.png"]
    data = json.loads((tmp_path / "out/masks.json").read_text())
    assert [x["time"] for x in data["frames"]] == [0, 0.2, 0.4]


def test_presence_threshold(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("segment", video, "the dog", "-o", tmp_path / "out", "--presence-threshold", 1, "--json")
    summary = json.loads(capsys.readouterr().out)
    assert summary["expressions"][0]["present_share"] == summary["expressions"][0]["mean_score"] == 0


def test_earlier_results_are_replaced(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    assert run("segment", video, "the dog", "-o", out, "--no-overlay") == 0
    assert "masks.json\n" in capsys.readouterr().out
    assert run("segment", video, "the cat", "-o", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["replaced"] == ["masks", "masks_json"]
    assert run("segment", video, "the cat", "-o", out, "--every", 3) == 0
    assert "masks.json in place of earlier results\n" in capsys.readouterr().out
    assert names(out) == OUTPUTS
    assert names(out / "masks") == ["00000.png", "00003.png", "00006.png"]
    assert json.loads((out / "masks.json").read_text())["expressions"] == ["the cat"]


def test_an_earlier_overlay_that_stays_is_named(
    tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert run("segment", video, "the dog", "-o", out) == 0
    capsys.readouterr()
    assert run("segment", video, "the cat", "-o", out, "--no-overlay") == 0
    warning = f"warning: {out}/overlay.mp4 is left from an earlier run and does not show these masks\n"
    assert capsys.readouterr().err == warning
    # A video of the user's own is nothing that was expected to change.
    write_video(out / "overlay.mp4", frames(2))
    assert run("segment", video, "the cat", "-o", out, "--no-overlay") == 0
    assert capsys.readouterr().err == ""


def test_a_cut_video_keeps_what_came_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = cut(write_video(tmp_path / "a.mkv", noise(20)), 0.5)
    out = tmp_path / "out"
    assert run("segment", video, "the dog", "-o", out, "--json") == 0
    printed = capsys.readouterr()
    summary = json.loads(printed.out)
    assert re.fullmatch(r"warning: cut\.mkv: stopped at frame \d+ \([\d.]+ s\): .*\n", printed.err)
    assert summary["warnings"] == [printed.err.removeprefix("warning: ").strip()]
    data = json.loads((out / "masks.json").read_text())
    assert data["truncated"] == summary["truncated"]
    assert data["truncated"].startswith(f"stopped at frame {len(data['frames'])}")
    assert len(names(out / "masks")) == len(data["frames"]) == summary["frames"]


def test_an_odd_size_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    video = write_video(tmp_path / "a.gif", frames(2, (63, 47)))
    assert run("segment", video, "the dog", "-o", tmp_path / "out") == 0
    assert capsys.readouterr().err == "warning: the picture in overlay.mp4 is 64x48: H.264 needs even sizes\n"
    with PillowImage.open(tmp_path / "out/masks/00000.png") as image:
        assert image.size == (63, 47)


def test_a_long_expression_is_cut_with_a_warning(
    tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("segment", video, "very " * 30 + "long", "-o", tmp_path / "out") == 0
    assert re.fullmatch(r"warning: .* cut .*\n", capsys.readouterr().err)


# --- the folder of the results -------------------------------------------------------------------------------------
def test_without_a_folder_a_new_one_is_made_beside_the_video(
    tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for folder in ("dog-masks", "dog-masks-2"):
        assert run("segment", video, "the dog", "--json", "-q") == 0
        summary = json.loads(capsys.readouterr().out)
        assert summary["outputs"]["masks"] == str(tmp_path / folder / "masks")
        assert summary["replaced"] == []
        assert names(tmp_path / folder) == OUTPUTS


def test_a_failure_leaves_no_new_folder(
    tmp_path: Path, video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("segment", video, "the dog", "--device", "tpu") == 2
    assert names(tmp_path) == ["dog.mp4"]
    capsys.readouterr()

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert run("segment", video, "the dog") == 2
    line = f"error: cannot make the folder {tmp_path}/dog-masks for the results (Permission denied): name an output "
    assert capsys.readouterr().err == line + "folder with -o\n"


# --- the overlay, the plot and the messages --------------------------------------------------------------------------
def test_a_legend_below_and_a_plot(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    look = ["--legend", "below", "--style", "fill", "--colour", "the dog=#fff", "--plot"]
    assert run("segment", video, "the dog", "-o", out, *look) == 0
    assert names(out) == ["masks", "masks.json", "overlay.mp4", "plot.png"]
    with av.open(str(out / "overlay.mp4")) as container:
        frame = next(container.decode(video=0))
    assert (frame.width, frame.height % 2) == (64, 0)
    assert 48 < frame.height <= 72
    capsys.readouterr()
    assert run("segment", video, "the dog", "-o", out) == 0
    assert (
        capsys.readouterr().err
        == f"warning: {out}/plot.png is left from an earlier run and does not show these masks\n"
    )
    (out / "plot.png").write_bytes(b"mine")
    assert run("segment", video, "the dog", "-o", out, "--plot") == 2
    assert "plot.png is not a plot that vlp-rvos wrote" in capsys.readouterr().err
    assert (out / "plot.png").read_bytes() == b"mine"


def test_a_plot_without_an_overlay_has_the_colours(
    tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    look = ["--no-overlay", "--plot", "--colours", "#0000ff"]
    assert run("segment", video, "the dog", "-o", tmp_path / "out", *look) == 0
    assert names(tmp_path / "out") == ["masks", "masks.json", "plot.png"]
    with PillowImage.open(tmp_path / "out" / "plot.png") as plot:
        assert (np.asarray(plot.convert("RGB")) == (0, 0, 255)).all(-1).any()
    capsys.readouterr()
    assert run("segment", video, "the dog", "-o", tmp_path / "out", *look, "--colour", "cat=#0f0") == 2
    assert "a colour for 'cat', which is not one of the expressions" in capsys.readouterr().err


def test_quiet_and_verbose(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("segment", video, "the dog", "-o", tmp_path / "out", "-q") == 0
    assert capsys.readouterr() == ("", "")
    assert run("segment", video, "the dog", "-o", tmp_path / "out", "-v") == 0
    printed = capsys.readouterr()
    log = printed.err.splitlines()
    assert log[0] == "dog.mp4: about 7 frames of 64x48, 10 frames/s"
    assert re.fullmatch(r"vlp-rvos \S+, Python \S+, PyTorch \S+, PyAV \S+", log[1])
    assert "device cpu, number format " in log[2]
    assert re.fullmatch(r"clip 1, frames 0 to \d+: [\d.]+ s", log[4])
    assert [line.partition(" took ")[0] for line in log if " took " in line] == [
        "loading",
        "segmenting",
        "completing the files",
    ]
    assert "\x1b" not in printed.err + printed.out
    assert "\r" not in printed.err + printed.out
    assert run("segment", video, "the dog", "-o", tmp_path / "out") == 0
    assert capsys.readouterr().err == ""


# --- what bad input gets -------------------------------------------------------------------------------------------
def _make_bad_inputs(folder: Path) -> None:
    write_video(folder / "good.mp4", frames(2))
    (folder / "empty.mp4").touch()
    (folder / "text.mp4").write_text("not a video\n" * 100)
    (folder / "file").touch()
    (folder / "nothing").mkdir()
    write_sound(folder / "sound.mp4")
    cut(write_video(folder / "whole.mp4", noise(10)))
    write_folder(folder / "sizes", [*frames(1), *frames(1, (32, 48))], pattern="{}")
    PillowImage.fromarray(frames(1, (32, 48))[0]).save(folder / "sizes/1.png")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("missing.mp4 dog", "no such file or folder: .*missing.mp4"),
        ("empty.mp4 dog", "empty.mp4 is empty"),
        ("text.mp4 dog", "text.mp4 cannot be read as a video"),
        ("cut.mp4 dog", "cut.mp4 cannot be read as a video"),
        ("sound.mp4 dog", "sound.mp4 has no video"),
        ("nothing dog", "no frames .* in folder"),
        ("sizes dog", "differ in size"),
        ("good.mp4", "no expression"),
        ("good.mp4 -e dog -e _", "an expression is empty"),
        ("good.mp4 _", "an expression is empty"),
        ("good.mp4 \u200d", "an expression is empty"),
        ("good.mp4 dog --every 0", "every must be from 1"),
        ("good.mp4 dog --every x", "Invalid value for '--every'"),
        ("good.mp4 dog --start 2 --end 1", "end .* must be later than start"),
        ("good.mp4 dog --start 9", "no frame between 9 s and the end"),
        ("good.mp4 dog --start nan", "start must be"),
        ("good.mp4 dog --size 0", "size must be from 1 to 2048, not 0"),
        ("good.mp4 dog --threshold 1", "threshold must be greater than 0 and less than 1"),
        ("good.mp4 dog --presence-threshold 2", "presence_threshold must be from 0 to 1"),
        ("good.mp4 dog --device tpu", "unknown device 'tpu'"),
        ("good.mp4 dog --device cuda:77", "device 'cuda:77': "),
        ("good.mp4 dog --precision fp8", "Invalid value for '--precision'"),
        ("good.mp4 dog --runtime jit", "Invalid value for '--runtime'"),
        ("sizes dog --fps 0", "fps must be from 0.001"),
        ("good.mp4 dog --legend left", "Invalid value for '--legend'"),
        ("good.mp4 dog --style dots", "Invalid value for '--style'"),
        ("good.mp4 dog --colours red", "'red' is no colour"),
        ("good.mp4 dog --colours #f00,#0f0", "2 colours for 1 expression"),
        ("good.mp4 dog --colour cat=#f00", "a colour for 'cat', which is not one of the expressions"),
        ("good.mp4 dog --colour #f00", "write EXPRESSION=#rrggbb"),
        ("good.mp4 dog -q -v", "--quiet and --verbose exclude each other"),
        ("good.mp4 dog --unknown", "No such option"),
    ],
)
def test_mistakes_get_one_line_and_leave_nothing(
    arguments: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _make_bad_inputs(tmp_path)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    assert run("segment", *(" " if x == "_" else x for x in arguments.split()), "-o", "deep/out") == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert re.fullmatch(rf"error: [^\n]*{words}[^\n]*\n", printed.err)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ("file", r"cannot write into file \(it is a file\)"),
        ("file/below", "cannot write into file/below"),
        ("/proc/version/out", "cannot write into /proc/version/out"),
        ("loop", "the result would replace the input loop/overlay.mp4"),
    ],
)
def test_unusable_output_folders(
    output: str, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Segmenter, "from_pretrained", lambda *_: pytest.fail("loaded"))
    Path("file").touch()
    Path("loop").mkdir()
    video = write_video(Path("loop/overlay.mp4"), frames(1))
    before = sorted(tmp_path.rglob("*"))
    assert run("segment", video, "dog", "-o", output) == 2
    assert re.fullmatch(rf"error: {words}.*\n", capsys.readouterr().err)
    assert sorted(tmp_path.rglob("*")) == before


def test_unknown_model(tmp_path: Path, video: Path) -> None:
    code = subprocess.run(
        [
            sys.executable,
            "-m",
            "vlp_rvos",
            "segment",
            video,
            "dog",
            "-o",
            tmp_path / "out",
            "--model",
            "no-such",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (code.returncode, code.stdout) == (2, "")
    assert re.fullmatch(r"(loading no-such\n)?error: .*no-such.*\n", code.stderr)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (
            RuntimeError("two\nlines"),
            1,
            "internal error: RuntimeError: two lines (set VLP_RVOS_DEBUG=1 for the traceback)",
        ),
        (VLPRVOSError("the model broke"), 1, "error: the model broke"),
        (OSError(28, "No space left on device", "x.png"), 1, "error: no space left on the disk: x.png"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_a_failure_in_the_middle_leaves_earlier_results(
    error: BaseException,
    code: int,
    line: str,
    tmp_path: Path,
    video: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    run("segment", video, "the dog", "-o", out)
    capsys.readouterr()
    before = {x: x.stat().st_ino for x in sorted(out.rglob("*"))}
    write = writers.OverlayWriter.write

    def break_at_the_fifth(self: writers.OverlayWriter, result: writers.FrameResult) -> None:
        if result.index == 4:
            raise error
        write(self, result)

    monkeypatch.setattr(writers.OverlayWriter, "write", break_at_the_fifth)
    assert run("segment", video, "the cat", "-o", out) == code
    assert capsys.readouterr().err == line + "\n"
    assert {x: x.stat().st_ino for x in sorted(out.rglob("*"))} == before
    assert run("segment", video, "the cat", "-o", tmp_path / "fresh") == code
    assert not (tmp_path / "fresh").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interruption_keeps_the_frames_so_far(
    number: signal.Signals,
    tmp_path: Path,
    video: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write = mask_png.PaletteMaskWriter.write

    def interrupt_at_the_fifth(self: mask_png.PaletteMaskWriter, result: writers.FrameResult) -> None:
        write(self, result)
        if result.index == 4:
            os.kill(os.getpid(), number)

    handler = signal.getsignal(number)
    monkeypatch.setattr(mask_png.PaletteMaskWriter, "write", interrupt_at_the_fifth)
    assert run("segment", video, "the dog", "-o", tmp_path / "out", "--json") == 128 + number
    assert signal.getsignal(number) == handler
    assert names(tmp_path / "out") == OUTPUTS
    assert len(names(tmp_path / "out/masks")) == 5
    data = json.loads((tmp_path / "out/masks.json").read_text())
    assert len(data["frames"]) == 5
    assert data["truncated"] == "interrupted after frame 4 (0.40 s)"
    assert json.loads(capsys.readouterr().out)["frames"] == 5
    with av.open(str(tmp_path / "out/overlay.mp4")) as container:
        assert len(list(container.decode(video=0))) == 5


# --- names and words that are not UTF-8, or that a terminal would obey ----------------------------------------------
def test_names_and_words_that_are_not_utf8(tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]) -> None:
    odd = video.rename(tmp_path / os.fsdecode(b"caf\xe9.mp4"))
    out = tmp_path / os.fsdecode(b"out\xe9")
    assert run("segment", odd, "the dog", "-e", os.fsdecode(b"le caf\xe9"), "-o", out, "--json") == 0
    assert names(out) == OUTPUTS
    data = json.loads((out / "masks.json").read_text("utf-8"))
    assert data["video"]["name"] == r"caf\xe9.mp4"
    assert data["expressions"] == ["the dog", r"le caf\xe9"]
    summary = json.loads(capsys.readouterr().out)
    json.dumps(summary, ensure_ascii=False).encode()
    assert [x["expression"] for x in summary["expressions"]] == ["the dog", r"le caf\xe9"]


def test_frames_whose_names_are_not_utf8(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "in", frames(2), "png", "{}")
    for file in folder.iterdir():
        file.rename(folder / os.fsdecode(b"fr\xe9" + file.name.encode()))
    assert run("segment", folder, "the dog", "-o", tmp_path / "out") == 0
    assert names(tmp_path / "out/masks") == [os.fsdecode(b"fr\xe9%d.png" % i) for i in range(2)]
    data = json.loads((tmp_path / "out/masks.json").read_text("utf-8"))
    assert [x["name"] for x in data["frames"]] == [r"fr\xe90", r"fr\xe91"]


@pytest.mark.parametrize("name", ["\x1b[31mred.mp4", "\u202e4pm.exe", "\x9b2J"])
def test_a_name_cannot_steer_the_terminal(
    name: str, tmp_path: Path, video: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("segment", video, "the dog", "-o", tmp_path / name) == 0
    assert run("segment", tmp_path / "no" / name, "the dog", "-o", tmp_path / name) == 2
    assert run("segment", video, "the dog", "-o", tmp_path / "out", "--model", tmp_path / name) == 2
    printed = capsys.readouterr()
    assert name not in printed.out + printed.err
    assert name[0] not in printed.out + printed.err


@pytest.fixture
def squares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of frames with squares, and a model that finds them."""
    folder = tmp_path / "squares"
    folder.mkdir()
    for number in range(5):
        PillowImage.fromarray(picture(red=(4 * number, 0), green=(40, 40))).save(folder / f"{number}.png")

    def load(model: str, options: object) -> Segmenter:
        return Segmenter(SquaresRuntime(), model)

    monkeypatch.setattr(Segmenter, "from_pretrained", load)
    return folder


def test_pointed_things_are_among_the_outputs(
    squares: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    drawn = np.zeros((64, 64), np.uint8)
    drawn[40:56, 40:56] = 255
    PillowImage.fromarray(drawn).save(tmp_path / "drawn.png")
    out = tmp_path / "out"
    points = ["--point", "red=16,8@0.1", "--mask", f"{tmp_path}/drawn.png@0.05"]
    assert run("segment", squares, "everything", *points, "-o", out, "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    found = [(one["expression"], one.get("pointed"), one["present_share"]) for one in summary["expressions"]]
    assert found == [("everything", None, 1.0), ("red", True, 1.0), ("thing 1", True, 1.0)]
    assert sorted(names(out)) == OUTPUTS
    written = read_masks(out / "masks.json")
    assert written.expressions == ("everything", "red", "thing 1")
    assert written.pointed == (False, True, True)
    assert [abs(int(np.nonzero(frame.masks[1])[1].min()) - 4 * t) <= 3 for t, frame in enumerate(written)] == [True] * 5
    assert set(np.unique(read_object_ids(out / "masks" / "0.png"))) == {1, 2, 3}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--point", "here"], "--point 'here': give it as"),
        (["--point", "64,1"], "outside of the frame, which is 64 pixels wide and 64 high"),
        (["--point", "1,1@9"], "the last frame of the video is at 0.16"),
        (["--point", "1,1@0.1", "--start", "0.15"], "not between start and end"),
        (["--point", "not:1,1"], "first point at the thing itself"),
        (["--mask", "none.png@0"], "no such image: none.png"),
    ],
)
def test_wrong_points_are_one_line(
    squares: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert run("segment", squares, *arguments, "-o", tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert message in error
    assert len([line for line in error.splitlines() if "error" in line]) == 1
    assert not (tmp_path / "out").exists() or names(tmp_path / "out") == []


def test_a_model_without_candidates_cannot_follow_points(
    video: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("segment", video, "--point", "1,1", "-o", tmp_path / "out") == 2
    assert "use mini" in capsys.readouterr().err
