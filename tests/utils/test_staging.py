"""Staging folders: no run touches another one that lives, and every run removes what killed ones left."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from killed import left_by_a_killed_process

from vlp_rvos.utils.staging import LOCK, PREFIX, Staging, is_staging, lock_folder, remove_stale, stale_stagings


def test_a_staging_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    staging = Staging.create(tmp_path)
    (staging.new / "file").touch()
    assert is_staging(staging.path)
    remove_stale(tmp_path)
    assert list(stale_stagings(tmp_path)) == []
    assert (staging.new / "file").exists()
    staging.remove()
    assert os.listdir(tmp_path) == []


def test_each_has_a_name_of_its_own(tmp_path: Path) -> None:
    stagings = [Staging.create(tmp_path) for _ in range(5)]
    assert len(os.listdir(tmp_path)) == 5
    for staging in stagings:
        staging.remove()
    assert os.listdir(tmp_path) == []


def test_what_a_killed_process_left_is_removed(tmp_path: Path) -> None:
    left_by_a_killed_process(tmp_path, "(staging.new / 'a').mkdir(); (staging.new / 'a/b').touch()")
    left_by_a_killed_process(tmp_path, "os.truncate(staging.path / 'staging.json', 0)")
    (tmp_path / f"{PREFIX}empty").mkdir()
    assert len(os.listdir(tmp_path)) == 3
    remove_stale(tmp_path)
    assert os.listdir(tmp_path) == []


def test_what_only_has_the_name_stays(tmp_path: Path) -> None:
    names = [f"{PREFIX}notes", f"{PREFIX}file", f"{PREFIX}link", f"{PREFIX}other", f"{PREFIX}list"]
    (tmp_path / names[0]).mkdir()
    (tmp_path / names[0] / "notes.txt").touch()
    (tmp_path / names[1]).touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / LOCK).write_text(json.dumps({"format": "vlp-rvos-staging"}))
    (tmp_path / names[2]).symlink_to("elsewhere")
    for name, content in zip(names[3:], ({"format": "mine"}, [1]), strict=True):
        (tmp_path / name).mkdir()
        (tmp_path / name / LOCK).write_text(json.dumps(content))
    before = sorted(tmp_path.rglob("*"))
    remove_stale(tmp_path)
    assert sorted(tmp_path.rglob("*")) == before
    assert not any(is_staging(tmp_path / name) for name in names if name != names[2])


def test_a_complete_set_and_what_belongs_to_a_staging_folder_stay(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    left_by_a_killed_process(tmp_path / "a", "(staging.path / 'ready.json').touch()")
    (owner,) = (tmp_path / "a").iterdir()
    left_by_a_killed_process(tmp_path / "b", f"Staging.create(Path({str(tmp_path / 'b')!r}), {str(owner)!r})")
    assert len(os.listdir(tmp_path / "b")) == 2
    remove_stale(tmp_path / "a")
    remove_stale(tmp_path / "b")
    assert len(os.listdir(tmp_path / "a")) == len(os.listdir(tmp_path / "b")) == 1


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    remove_stale(tmp_path / "missing")
    with lock_folder(tmp_path / "missing"):
        pass
    with pytest.raises(FileNotFoundError):
        Staging.create(tmp_path / "missing")


def test_where_files_cannot_be_locked_nothing_counts_as_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    left_by_a_killed_process(tmp_path)

    def refuse(*_: object) -> None:
        raise OSError("not supported")

    monkeypatch.setattr("vlp_rvos.utils.staging.flock", refuse)
    remove_stale(tmp_path)
    assert len(os.listdir(tmp_path)) == 1
    Staging.create(tmp_path).remove()
    assert len(os.listdir(tmp_path)) == 1
