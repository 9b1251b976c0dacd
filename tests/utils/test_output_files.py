"""Places for results are checked, and made, before there are results."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.utils.output_files import (
    distinct_outputs,
    keep_frames,
    keep_input,
    new_output_folder,
    output_folder,
    prepare_output,
)


def refuse_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests may run as a user who may do everything, so the operating system's refusal is played."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)


def test_folders_are_made(tmp_path: Path) -> None:
    prepare_output(tmp_path / "a" / "b" / "scores.json")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]
    assert not list((tmp_path / "a" / "b").iterdir())
    prepare_output(tmp_path / "c" / "masks", folder=True)
    assert (tmp_path / "c" / "masks").is_dir()


def test_what_is_there_is_left(tmp_path: Path) -> None:
    (tmp_path / "scores.json").write_text("old")
    prepare_output(tmp_path / "scores.json")
    prepare_output(tmp_path, folder=True)
    assert (tmp_path / "scores.json").read_text() == "old"


def test_unwritable_outputs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot write into .*file \(it is a file\)"):
        prepare_output(tmp_path / "file" / "scores.json")
    with pytest.raises(UserError, match=r"cannot write into .*file \(it is a file\)"):
        prepare_output(tmp_path / "file", folder=True)
    with pytest.raises(UserError, match="is a folder"):
        prepare_output(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refuse_files(monkeypatch)
    with pytest.raises(UserError, match=r"cannot write into .* \(Permission denied\); choose another output folder"):
        prepare_output(tmp_path / "scores.json")


def test_the_input_is_kept_whatever_it_is_called(tmp_path: Path) -> None:
    video, out = tmp_path / "out" / "data" / "dog.mp4", tmp_path / "out"
    video.parent.mkdir(parents=True)
    video.touch()
    (tmp_path / "link.mp4").symlink_to(video)
    os.link(video, tmp_path / "hard.mp4")
    for source in (video, tmp_path / "link.mp4", out / ".." / "out" / "data" / "dog.mp4"):
        for output in (video, tmp_path / "hard.mp4", video.parent, out):
            with pytest.raises(UserError, match=r"would replace the input .*\.mp4: choose another output folder"):
                keep_input(source, [tmp_path / "free", output])
    for output in (out, video.parent, video):
        with pytest.raises(UserError, match="would replace the input"):
            keep_input(video.parent, [output])


def test_what_does_not_hold_the_input_may_be_replaced(tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    (frames / "coco").mkdir(parents=True)
    (frames / "0.png").touch()
    (tmp_path / "other").mkdir()
    keep_input(frames, [tmp_path / "other", tmp_path / "free", frames / "coco", frames / "free.json"])


def test_no_output_becomes_a_frame_of_the_input(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"explain\.png would be one of the frames of the input"):
        keep_frames(tmp_path, [tmp_path / "explain.json", tmp_path / "." / "explain.png"])


def test_outputs_are_different_files(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "a")
    distinct_outputs([tmp_path / "a", tmp_path / "b"])
    with pytest.raises(UserError, match="link is named for two outputs"):
        distinct_outputs([tmp_path / "a", tmp_path / "link"])


def test_a_folder_that_had_to_be_made_is_removed_after_a_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(folder: Path, write: Callable[[], object]) -> None:
        with output_folder(folder):
            write()
            raise ZeroDivisionError

    (tmp_path / "old").mkdir()
    for folder in (tmp_path / "new" / "out", tmp_path / "old" / "out", tmp_path / "old"):
        with pytest.raises(ZeroDivisionError):
            fail(folder, lambda: None)
        assert [path.name for path in tmp_path.rglob("*")] == ["old"]
    with pytest.raises(ZeroDivisionError):
        fail(tmp_path / "new" / "out", (tmp_path / "new" / "out" / "masks.json").touch)
    assert (tmp_path / "new" / "out" / "masks.json").exists()
    with output_folder(tmp_path / "good"):
        pass
    assert (tmp_path / "good").is_dir()
    refuse_files(monkeypatch)
    with pytest.raises(UserError, match="cannot write into"), output_folder(tmp_path / "refused"):
        pass
    assert not (tmp_path / "refused").exists()


def test_a_new_folder_takes_a_free_name(tmp_path: Path) -> None:
    video = tmp_path / "a.dog.mp4"
    (tmp_path / "a.dog-masks").touch()
    (tmp_path / "a.dog-masks-2").symlink_to("nowhere")
    with new_output_folder(video, "-masks") as folder:
        assert folder == tmp_path / "a.dog-masks-3"
        (folder / "kept").touch()
    with new_output_folder(tmp_path, "-masks") as folder:
        assert folder == tmp_path.parent / f"{tmp_path.name}-masks"
    with pytest.raises(ValueError, match="stop"), new_output_folder(video, "-masks"):
        raise ValueError("stop")
    assert sorted(x.name for x in tmp_path.iterdir()) == ["a.dog-masks", "a.dog-masks-2", "a.dog-masks-3"]


def test_the_working_folder_as_input_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "frames").mkdir()
    monkeypatch.chdir(tmp_path / "frames")
    with new_output_folder(Path("."), "-masks") as folder:
        assert folder == tmp_path / "frames-masks"


def test_where_no_new_folder_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        pytest.raises(UserError, match="name an output folder with -o"),
        new_output_folder(tmp_path / ("x" * 250), "-masks"),
    ):
        pass
    refuse_files(monkeypatch)
    with (
        pytest.raises(UserError, match=r"\(Permission denied\): name an output"),
        new_output_folder(tmp_path / "a", "-masks"),
    ):
        pass
    assert not list(tmp_path.iterdir())
