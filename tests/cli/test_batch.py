"""`vlp-rvos batch`: what it refuses, and what its exit codes say. The engine is replaced by a loop here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from batches_of_videos import rows
from clips import noise, write_video

from vlp_rvos.batch import ray_engine
from vlp_rvos.batch.batch_report import Outcome
from vlp_rvos.batch.work_item import WorkItem
from vlp_rvos.cli.app import main


@pytest.fixture(autouse=True)
def done(monkeypatch: pytest.MonkeyPatch, tiny_default_model: None) -> Iterator[list[str]]:
    """The videos that are taken up."""
    taken: list[str] = []

    def outcomes(
        items: Sequence[WorkItem], make_runner: Callable[[], Callable[[WorkItem], Outcome]], *_: object
    ) -> Iterator[Outcome]:
        runner = make_runner()
        for item in items:
            taken.append(item.video_uri)
            yield runner(item)

    monkeypatch.setattr(ray_engine, "outcomes", outcomes)
    monkeypatch.setattr(ray_engine, "ray_session", lambda _: nullcontext())
    threads = torch.get_num_threads()
    yield taken
    torch.set_num_threads(threads)


def test_a_folder_and_a_restart(tmp_path: Path, done: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    videos, out = tmp_path / "videos", tmp_path / "out"
    videos.mkdir()
    write_video(videos / "a.mp4", noise(4))
    (videos / "b.mp4").write_bytes(b"broken")
    command = ["batch", str(videos), "-e", "the dog", "-e", "a car", "-o", str(out)]
    assert main(command) == 1
    shown = capsys.readouterr()
    assert shown.err.splitlines()[-1] == f"error: 1 of 2 videos failed: {out}/report.json says why"
    assert "cannot be read as a video" in json.loads((out / "report.json").read_text())["failures"][0]["cause"]
    assert len(rows(out)) == 8
    done.clear()
    write_video(videos / "b.mp4", noise(3))
    assert main(command) == 0
    assert [Path(name).name for name in done] == ["b.mp4"]
    assert len(rows(out)) == 14
    assert main(command) == 0
    assert "2 were done before" in capsys.readouterr().out
    assert json.loads((out / "report.json").read_text())["done_before"] == 2


def test_a_folder_called_like_the_model_does_not_matter(
    tmp_path: Path, done: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mini").mkdir()
    Path("videos").mkdir()
    write_video(Path("videos/a.mp4"), noise(1))
    assert main(["batch", "videos", "-e", "the dog", "-o", "out"]) == 0
    assert json.loads(Path("out/batch.json").read_text())["settings"]["model"] == "mini"
    Path("mini").rmdir()
    assert main(["batch", "videos", "-e", "the dog", "-o", "out"]) == 0
    assert len(done) == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["none.txt"], "is neither a manifest"),
        (["none.csv"], "cannot be read"),
        (["videos"], "no expression"),
        (["videos", "-e", " "], "column expression must be text"),
        (["videos", "-e", "\u200d"], "column expression must be text"),
        (["m.csv", "-e", "x"], "a manifest has expressions of its own"),
        (["m.csv", "--split-seconds", "0"], "split_seconds must be"),
        (["m.csv", "--workers", "0"], "'--workers'"),
        (["m.csv", "--threads", "0"], "'--threads'"),
        (["m.csv", "--gpus", "-1"], "gpus must be"),
        (["m.csv", "--model", "none"], "none"),
        (["ftp://host/m.csv"], "not a URL of a known kind"),
    ],
)
def test_what_is_refused(
    tmp_path: Path,
    arguments: list[str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("videos").mkdir()
    write_video(Path("videos/a.mp4"), noise(1))
    Path("m.csv").write_text("video_uri,expression\nvideos/a.mp4,x\n")
    assert main(["batch", *arguments, "-o", "out"]) == 2
    error = capsys.readouterr().err
    assert words in error
    assert error.count("\n") == 1
    assert not Path("out").exists()
