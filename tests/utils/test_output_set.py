"""Outputs of one run take their places together, whenever the run is killed."""

from __future__ import annotations

import os
import threading
import warnings
from contextlib import suppress
from pathlib import Path

import pytest
from killed import killed_at_rename

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.utils.output_set import Check, OutputSet, finish_earlier_sets


def check_old_or_new(path: Path) -> None:
    """Ours are files of the letters "old" or "new"."""
    if path.exists():
        for file in path.iterdir() if path.is_dir() else [path]:
            if not file.name.startswith(".") and file.read_text() not in ("old", "new"):
                raise UserError(f"{path} holds something else")


CHECKS: dict[str, Check] = dict.fromkeys(("list.txt", "folder"), check_old_or_new)
OLD = {"folder/a": "old", "folder/c": "old", "list.txt": "old"}
NEW = {"folder/a": "new", "folder/b": "new", "list.txt": "new"}


def write_set(folder: Path, text: str, files: tuple[str, ...] = ("a", "b")) -> None:
    with OutputSet(folder, CHECKS) as outputs:
        outputs.part("list.txt").write_text(text)
        outputs.part("folder").mkdir()
        for file in files:
            (outputs.part("folder") / file).write_text(text)


def read_set(folder: Path) -> dict[str, str]:
    found = {f"folder/{name}": (folder / "folder" / name).read_text() for name in sorted(os.listdir(folder / "folder"))}
    return found | {"list.txt": (folder / "list.txt").read_text()}


def test_a_set_replaces_an_earlier_one(tmp_path: Path) -> None:
    write_set(tmp_path, "old", ("a", "c"))
    assert read_set(tmp_path) == OLD
    write_set(tmp_path, "new")
    assert read_set(tmp_path) == NEW
    assert sorted(os.listdir(tmp_path)) == ["folder", "list.txt"]


def test_a_failure_leaves_the_earlier_set(tmp_path: Path) -> None:
    write_set(tmp_path, "old", ("a", "c"))
    with suppress(ZeroDivisionError), OutputSet(tmp_path, CHECKS) as outputs:
        outputs.part("list.txt").write_text("new")
        _ = 1 / 0
    assert read_set(tmp_path) == OLD
    assert sorted(os.listdir(tmp_path)) == ["folder", "list.txt"]


def test_an_output_that_is_not_written_leaves_the_earlier_one(tmp_path: Path) -> None:
    write_set(tmp_path, "old", ("a", "c"))
    with OutputSet(tmp_path, CHECKS) as outputs:
        outputs.part("list.txt").write_text("new")
    assert read_set(tmp_path) == OLD | {"list.txt": "new"}


@pytest.mark.parametrize("linked", [False, True])
def test_a_run_that_is_killed_leaves_the_old_or_the_new_set(tmp_path: Path, linked: bool) -> None:
    outcomes = []
    for number in range(1, 20):
        room = tmp_path / str(number)
        out, disk = room / "out", room / "disk"
        out.mkdir(parents=True)
        disk.mkdir()
        if linked:
            (disk / "files").mkdir()
            (disk / "list").write_text("old")
            (out / "folder").symlink_to("../disk/files")
            (out / "list.txt").symlink_to("../disk/list")
        write_set(out, "old", ("a", "c"))
        was_killed = killed_at_rename(
            number,
            f"""
            from pathlib import Path
            from utils.test_output_set import write_set
            write_set(Path({str(out)!r}), "new")
            """,
        )
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            finish_earlier_sets(out, CHECKS)
        assert read_set(out) in (OLD, NEW)
        outcomes.append(read_set(out) == NEW)
        # Something was finished, so something is said.
        assert bool(said) == (was_killed and outcomes[-1])
        assert sorted(os.listdir(out)) == ["folder", "list.txt"]
        assert sorted(os.listdir(disk)) == (["files", "list"] if linked else [])
        assert (out / "folder").is_symlink() == (out / "list.txt").is_symlink() == linked
        if not was_killed:
            break
    assert not was_killed
    assert outcomes[0] is False
    assert len(outcomes) > 5


def test_what_has_taken_a_place_meanwhile_stays(tmp_path: Path) -> None:
    write_set(tmp_path, "old", ("a", "c"))
    message = "folder holds something else .the new results are complete: they lie in .*"
    outputs = OutputSet(tmp_path, CHECKS)
    outputs.part("list.txt").write_text("new")
    outputs.part("folder").mkdir()
    (outputs.part("folder") / "b").write_text("new")
    (tmp_path / "folder/a").write_text("drawn by hand")
    with pytest.raises(UserError, match=message), outputs:
        pass
    assert (tmp_path / "folder/a").read_text() == "drawn by hand"
    with pytest.raises(UserError, match=message):
        finish_earlier_sets(tmp_path, CHECKS)
    (tmp_path / "folder").rename(tmp_path / "mine")
    with pytest.warns(VLPRVOSWarning, match="they are complete now"):
        finish_earlier_sets(tmp_path, CHECKS)
    assert read_set(tmp_path) == {"folder/b": "new", "list.txt": "new"}
    assert (tmp_path / "mine/a").read_text() == "drawn by hand"


def test_two_runs_at_once_do_not_mix(tmp_path: Path) -> None:
    write_set(tmp_path, "old", ("a", "c"))

    def run(text: str) -> None:
        for _ in range(10):
            write_set(tmp_path, text)

    threads = [threading.Thread(target=run, args=(text,)) for text in ("old", "new")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(read_set(tmp_path).values())) == 1
    assert sorted(os.listdir(tmp_path)) == ["folder", "list.txt"]


def test_a_set_of_other_outputs_is_left_to_its_own_command(tmp_path: Path) -> None:
    outputs = OutputSet(tmp_path, CHECKS)
    outputs.part("list.txt").write_text("new")
    (tmp_path / "list.txt").write_text("mine")
    with pytest.raises(UserError, match="the next run moves them"), outputs:
        pass
    (tmp_path / "list.txt").unlink()
    finish_earlier_sets(tmp_path, {"other": check_old_or_new})
    assert not (tmp_path / "list.txt").exists()
    with pytest.warns(VLPRVOSWarning, match="they are complete now"):
        finish_earlier_sets(tmp_path, CHECKS)
    assert (tmp_path / "list.txt").read_text() == "new"
