"""What `segment` replaces is what it wrote; everything else is refused before a model is loaded."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import av
import pytest
from clips import frames, write_folder, write_video
from PIL import Image

from vlp_rvos import Segmenter
from vlp_rvos.cli import app as cli
from vlp_rvos.cli.segment_outputs import Wanted, check_outputs
from vlp_rvos.errors import UserError
from vlp_rvos.media import png_mark
from vlp_rvos.media.overlay_style import OverlayStyle
from vlp_rvos.utils.staging import PREFIX

pytestmark = pytest.mark.usefixtures("tiny_default_model")

OUTPUTS = ["masks", "masks.json", "overlay.mp4"]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "dog.mp4", frames(3))


@pytest.fixture
def out(tmp_path: Path, video: Path) -> Path:
    """The outputs of an earlier run."""
    assert run(video, tmp_path / "out") == 0
    return tmp_path / "out"


def run(video: Path, out: Path, *options: str, words: str = "the dog") -> int:
    return cli.main(["segment", str(video), words, "-o", str(out), *options])


def content(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder, following links."""
    paths = [Path(base) / name for base, folders, files in os.walk(folder) for name in (*folders, *files)]
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in paths}


def put_file(name: str, data: bytes = b"mine") -> Callable[[Path], None]:
    def put(out: Path) -> None:
        if (out / name).is_dir():
            shutil.rmtree(out / name)
        (out / name).write_bytes(data)

    return put


def draw_in_a_mask(out: Path) -> None:
    with Image.open(out / "masks/00001.png") as image:
        image.putpixel((3, 3), 1)
        image.save(out / "masks/00001.png")


def put_folder(name: str) -> Callable[[Path], None]:
    def put(out: Path) -> None:
        (out / name).unlink()
        (out / name).mkdir()

    return put


def link(name: str, target: str, data: bytes | None = None) -> Callable[[Path], None]:
    def put(out: Path) -> None:
        shutil.rmtree(out / name) if (out / name).is_dir() else (out / name).unlink()
        if data is not None:
            (out / target).write_bytes(data)
        (out / name).symlink_to(target)

    return put


def make_own_video(out: Path) -> None:
    write_video(out / "own.mp4", frames(5))
    os.replace(out / "own.mp4", out / "overlay.mp4")


FOREIGN: dict[str, tuple[Callable[[Path], None], str]] = {
    "notes": (put_file("masks/notes.txt"), "masks holds 'notes.txt' that vlp-rvos did not write"),
    "picture": (lambda out: Image.new("L", (9, 9)).save(out / "masks/hand.png"), "masks holds 'hand.png'"),
    "corrected mask": (draw_in_a_mask, "masks holds '00001.png' that vlp-rvos did not write, or that were changed"),
    "folder": (lambda out: (out / "masks/better").mkdir(), "masks holds 'better'"),
    "hidden": (put_file("masks/.notes"), "masks holds '.notes'"),
    "file for folder": (put_file("masks"), "masks is not a folder"),
    "folder for json": (put_folder("masks.json"), "masks.json is not a file"),
    "folder for overlay": (put_folder("overlay.mp4"), "overlay.mp4 is not a file"),
    "other json": (put_file("masks.json", b'{"mine": 1}'), "masks.json is not a masks.json"),
    "no json": (put_file("masks.json", b"mine"), "masks.json is not a masks.json"),
    "own video": (make_own_video, "overlay.mp4 is not an overlay"),
    "text as video": (put_file("overlay.mp4"), "overlay.mp4 is not an overlay"),
    "link to nothing": (link("masks", "nowhere"), "masks is a link that leads nowhere"),
    "json link to nothing": (link("masks.json", "nowhere"), "masks.json is a link that leads nowhere"),
    "link to a file of the user": (link("masks.json", "mine", b'{"a": 1}'), "masks.json is not a masks.json"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_what_no_run_wrote_is_refused_before_the_model_is_loaded(
    name: str, out: Path, video: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Segmenter, "from_pretrained", lambda *_: pytest.fail("loaded"))
    change, words = FOREIGN[name]
    change(out)
    before = content(out)
    capsys.readouterr()
    assert run(video, out) == 2
    assert re.fullmatch(rf"error: [^\n]*{re.escape(words)}[^\n]*\n", capsys.readouterr().err)
    assert content(out) == before


def test_without_overlay_an_own_video_of_that_name_stays(out: Path, video: Path) -> None:
    make_own_video(out)
    before = (out / "overlay.mp4").read_bytes()
    assert run(video, out, "--no-overlay") == 0
    assert (out / "overlay.mp4").read_bytes() == before


def as_version_0_1_0(out: Path) -> None:
    """Take the marks away from outputs, which version 0.1.0 did not write."""
    for path in (out / "masks").iterdir():
        chunks = [(name, data) for name, data in png_mark.read_chunks(path.read_bytes()) if name != b"tEXt"]
        path.write_bytes(png_mark.SIGNATURE + b"".join(png_mark.png_chunk(*chunk) for chunk in chunks))
    with av.open(str(out / "overlay.mp4")) as old, av.open(str(out / "new.mp4"), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    os.replace(out / "new.mp4", out / "overlay.mp4")


def test_outputs_of_version_0_1_0_are_replaced(out: Path, video: Path) -> None:
    as_version_0_1_0(out)
    assert run(video, out, words="the cat") == 0
    assert json.loads((out / "masks.json").read_text())["expressions"] == ["the cat"]


@pytest.mark.parametrize(
    "change", [lambda out: (out / "masks/00001.png").rename(out / "masks/x.png"), draw_in_a_mask, make_own_video]
)
def test_other_outputs_without_marks_are_refused(change: Callable[[Path], object], out: Path, video: Path) -> None:
    as_version_0_1_0(out)
    change(out)
    before = content(out)
    assert run(video, out) == 2
    assert content(out) == before


@pytest.mark.parametrize("full", [False, True])
def test_links_stay_and_lead_to_the_new_outputs(full: bool, out: Path, video: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    os.replace(out / "masks.json", disk / "file")
    (out / "masks.json").symlink_to("../disk/file")
    if full:
        os.replace(out / "masks", disk / "folder")
    else:
        shutil.rmtree(out / "masks")
        (disk / "folder").mkdir()
    (out / "masks").symlink_to(disk / "folder")
    assert run(video, out, "--every", "2", words="the cat") == 0
    assert (out / "masks").is_symlink()
    assert (out / "masks.json").is_symlink()
    assert sorted(os.listdir(disk / "folder")) == ["00000.png", "00002.png"]
    assert json.loads((disk / "file").read_text())["expressions"] == ["the cat"]
    assert sorted(os.listdir(disk)) == ["file", "folder"]
    assert sorted(os.listdir(out)) == OUTPUTS


def inside_masks(out: Path) -> Path:
    (out / "masks").mkdir(parents=True)
    return write_video(out / "masks/v.mp4", frames(2))


def linked_to_masks(out: Path) -> Path:
    (out.parent / "link.mp4").symlink_to(inside_masks(out))
    return out.parent / "link.mp4"


def hard_link_of_overlay(out: Path) -> Path:
    out.mkdir()
    os.link(write_video(out.parent / "v.mp4", frames(2)), out / "overlay.mp4")
    return out.parent / "v.mp4"


def frames_in_masks(out: Path) -> Path:
    return write_folder(out / "masks", frames(2))


def frames_below_masks(out: Path) -> Path:
    return write_folder(out / "masks/frames", frames(2))


def frames_in_a_linked_folder(out: Path) -> Path:
    out.mkdir()
    (out / "masks").symlink_to(write_folder(out.parent / "frames", frames(2)))
    return out.parent / "frames"


def frames_by_dots(out: Path) -> Path:
    return frames_in_masks(out) / ".." / "masks"


@pytest.mark.parametrize(
    "place",
    [
        inside_masks,
        linked_to_masks,
        hard_link_of_overlay,
        frames_in_masks,
        frames_below_masks,
        frames_in_a_linked_folder,
        frames_by_dots,
    ],
)
def test_the_input_is_never_replaced(
    place: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Segmenter, "from_pretrained", lambda *_: pytest.fail("loaded"))
    source = place(tmp_path / "out")
    before = content(tmp_path)
    assert run(source, tmp_path / "out") == 2
    assert "the result would replace the input" in capsys.readouterr().err
    assert content(tmp_path) == before


def test_our_own_masks_as_input_are_not_replaced(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = content(out)
    assert run(out / "masks", out) == 2
    assert run(out / "overlay.mp4", out) == 2
    assert capsys.readouterr().err.count("the result would replace the input") == 2
    assert content(out) == before


# --- what killed runs leave ----------------------------------------------------------------------------------------
DEAD = 2**22 + 1


def test_what_killed_runs_of_version_0_1_0_left_is_removed(out: Path, video: Path) -> None:
    for number in (DEAD, os.getpid()):
        (out / f".masks.{number}.part").mkdir()
        (out / f".masks.json.{number}.part").write_text('{"video": {"name": "dog.mp4", "wid')
        (out / f".overlay.mp4.{number}.part").touch()
    shutil.copytree(out / "masks", out / f".masks.{DEAD + 1}.part")
    as_version_0_1_0(out)
    shutil.copytree(out / "masks", out / f".masks.{DEAD + 2}.part")
    next((out / f".masks.{DEAD + 2}.part").iterdir()).write_bytes(b"\x89PNG")
    shutil.copytree(out / "masks", out / f".masks.{DEAD + 3}.old")
    (out / f".masks.{DEAD + 4}.old").symlink_to("masks")
    assert run(video, out) == 0
    # Marked masks in a place of that version are not its own.
    assert sorted(os.listdir(out)) == [f".masks.{DEAD + 1}.part", *OUTPUTS]


def test_what_only_has_such_a_name_stays(out: Path, video: Path) -> None:
    names = [f".masks.{DEAD}.part", f".masks.json.{DEAD}.part", f".overlay.mp4.{DEAD}.part", f".notes.{DEAD}.part"]
    (out / names[0]).mkdir()
    (out / names[0] / "notes.txt").touch()
    for name in names[1:]:
        (out / name).write_text("notes, notes, notes")
    assert run(video, out) == 0
    assert sorted(os.listdir(out)) == sorted([*names, *OUTPUTS])


def test_a_living_run_of_version_0_1_0_is_left_alone(out: Path, video: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        part = out / f".masks.{process.pid}.part"
        part.mkdir()
        assert run(video, out) == 0
        assert part.exists() == Path("/proc").exists()
        process.communicate(b"\n")


def test_earlier_outputs_that_a_killed_run_moved_away_come_back(
    out: Path, video: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = content(out)
    os.replace(out / "masks", out / f".masks.{DEAD}.old")

    def fail(*_: object) -> None:
        raise UserError("no such model")

    monkeypatch.setattr(Segmenter, "from_pretrained", fail)
    assert run(video, out) == 2
    assert content(out) == before


def test_kills_at_random_times_leave_the_old_or_the_new_outputs(out: Path, video: Path, tmp_path: Path) -> None:
    tests = str(Path(__file__).parents[1])
    code = f"""
import sys
sys.path.insert(0, {tests!r})
from stubs import tiny_model
from vlp_rvos.cli import app
from vlp_rvos.models import checkpoint
checkpoint.load_model = lambda *_: tiny_model()
import vlp_rvos.inference.segmenter
print("ready", flush=True)
for _ in range(100):
    app.main(["segment", {str(video)!r}, "the cat", "-o", {str(out)!r}, "--every", "2"])
"""
    old, choice = content(out), random.Random(0)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(choice.uniform(0.0, 0.5))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert run(video, tmp_path / "other") == 0
        # The check alone, as the next run begins with it.
        assert run(video, out, "--model", "missing.safetensors", "--every", "2") in (0, 2)
        assert not [name for name in os.listdir(out) if name.startswith(PREFIX)]
        found = content(out)
        expressions = json.loads((out / "masks.json").read_text())["expressions"]
        assert (found.keys() == old.keys()) == (expressions == ["the dog"] and "masks/00001.png" in found)
        assert run(video, out) == 0
        assert content(out).keys() == old.keys()


def test_a_folder_of_frames_takes_masks_but_no_plot(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "frames", frames(2))
    assert check_outputs(folder, folder, Wanted(False, False, OverlayStyle())) == set()
    with pytest.raises(UserError, match=r"plot\.png would be one of the frames of the input"):
        check_outputs(folder, folder, Wanted(False, True, OverlayStyle()))
