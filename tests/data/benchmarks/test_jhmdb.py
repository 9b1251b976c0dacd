"""JHMDB-Sentences, from a miniature in the official format and from the real list of scored frames."""

from __future__ import annotations

import collections
import json
import shutil
import sys
from pathlib import Path

import image_miniatures as mini
import numpy as np
import pytest
from data_checks import found_counts
from scipy.io import savemat

from vlp_rvos.data.benchmarks import jhmdb
from vlp_rvos.errors import UserError, VLPRVOSWarning


@pytest.fixture
def jhmdb_folder(tmp_path: Path) -> Path:
    return mini.write_jhmdb(tmp_path / "jhmdb_sentences")


def test_scores_the_shared_sample(jhmdb_folder: Path) -> None:
    dataset = jhmdb.open_split(jhmdb_folder, "test", "jhmdb-sentences")
    assert [video.name for video in dataset.videos] == list(mini.JHMDB_VIDEOS)
    for video in dataset.videos:
        _, frames, _, query, scored = mini.JHMDB_VIDEOS[video.name]
        assert list(video.frames) == [f"{i:05d}" for i in range(1, frames + 1)]
        (expression,) = video.expressions
        assert (expression.text, expression.object_ids) == (query, (1,))
        masks = {frame: dataset.load_mask(video.name, frame, expression) for frame in video.frames}
        assert tuple(int(frame) for frame, mask in masks.items() if mask is not None) == scored
        for number in scored:
            np.testing.assert_array_equal(masks[f"{number:05d}"], mini.rectangle(0, number))
    np.testing.assert_array_equal(dataset.load_frame(dataset.videos[1].name, "00004"), mini.picture((0,), 4))


def test_without_the_list_samples_three_frames_with_masks(tmp_path: Path) -> None:
    folder = mini.write_jhmdb(tmp_path / "jhmdb", samples=False)
    choices = []
    for _ in range(2):
        dataset = jhmdb.open_split(folder, "test", "jhmdb-sentences")
        choices.append(
            {
                video.name: [int(f) for f in video.frames if dataset.load_objects(video.name, f) is not None]
                for video in dataset.videos
            }
        )
    assert choices[0] == choices[1]
    for video, numbers in choices[0].items():
        assert len(numbers) == 3
        assert max(numbers) <= mini.JHMDB_VIDEOS[video][2]
        np.testing.assert_array_equal(
            dataset.load_objects(video, f"{numbers[0]:05d}")[1],  # type: ignore[index]
            mini.rectangle(0, numbers[0]),
        )


def test_sample_is_uniform() -> None:
    drawn = collections.Counter(n for i in range(2000) for n in jhmdb._sample(f"video {i}", 20))
    assert sum(drawn.values()) == 6000
    assert set(drawn) == set(range(1, 21))
    assert max(drawn.values()) < 1.25 * 300
    assert min(drawn.values()) > 0.75 * 300


def test_broken_files(jhmdb_folder: Path) -> None:
    def opened() -> jhmdb.JHMDBSentences:
        return jhmdb.open_split(jhmdb_folder, "test", "jhmdb-sentences")

    first, (kind, *_) = next(iter(mini.JHMDB_VIDEOS.items()))
    masks = jhmdb_folder / "puppet_mask" / kind / first / "puppet_mask.mat"
    savemat(masks, {"part_mask": np.zeros((48, 64, 2), np.uint8)})
    with pytest.raises(UserError, match=r"has 2 masks, but .* scores frame 3"):
        opened().load_objects(first, "00003")
    savemat(masks, {"other": np.zeros(3)})
    with pytest.raises(UserError, match=r"cannot read the masks of .*part_mask"):
        opened().load_objects(first, "00002")
    masks.write_bytes(b"MATLAB, but not really")
    with pytest.raises(UserError, match="cannot read the masks"):
        opened().load_objects(first, "00002")
    masks.unlink()
    with pytest.raises(UserError, match="no such file"):
        opened().load_objects(first, "00002")
    masks.parent.rmdir()
    with pytest.raises(UserError, match=f"no puppet masks of video '{first}'"):
        opened().load_objects(first, "00002")
    frames = jhmdb_folder / "Rename_Images" / kind / first
    (frames / "00002.png").unlink()
    with pytest.raises(UserError, match="no such image"):
        opened().load_frame(first, "00002")
    shutil.rmtree(frames)
    with pytest.raises(UserError, match=f"no frames of video '{first}'"):
        opened()


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("jhmdb_annotation.txt", "video_id,query\n../../x,a man\n", "plain name"),
        ("jhmdb_annotation.txt", "video_id,query\nx,a man\nx,a boy\n", "two sentences"),
        ("jhmdb_annotation.txt", "query\n", "must begin with"),
        ("jhmdb_sentences_samples_metadata.json", '[["..", "a/00001.png", "b", 4, "a man"]]', "plain name"),
        ("jhmdb_sentences_samples_metadata.json", '[["x", "a/first.png", "b", 4, "a man"]]', "must be a list of"),
        ("jhmdb_sentences_samples_metadata.json", '{"x": 1}', "must be a list of"),
        ("jhmdb_sentences_samples_metadata.json", "[", "cannot read"),
    ],
)
def test_broken_lists(jhmdb_folder: Path, file: str, content: str, message: str) -> None:
    (jhmdb_folder / file).write_text(content)
    with pytest.raises(UserError, match=message):
        jhmdb.open_split(jhmdb_folder, "test", "jhmdb-sentences")


def test_a_frame_before_the_first_has_no_mask(jhmdb_folder: Path) -> None:
    """Frames are numbered from 1; for 0, Python would take the last mask."""
    video, (class_name, *_) = next(iter(mini.JHMDB_VIDEOS.items()))
    frames = jhmdb_folder / "Rename_Images" / class_name / video
    (frames / "00001.png").rename(frames / "00000.png")
    samples = json.dumps([[video, f"{video}/00000.png", "", 4, ""]])
    (jhmdb_folder / "jhmdb_sentences_samples_metadata.json").write_text(samples)
    dataset = jhmdb.open_split(jhmdb_folder, "test", "jhmdb-sentences")
    with pytest.raises(UserError, match="scores frame 0"):
        dataset.load_objects(video, "00000")


def test_frames_are_in_the_order_of_their_numbers(jhmdb_folder: Path) -> None:
    video, (class_name, count, *_) = next(iter(mini.JHMDB_VIDEOS.items()))
    frames = jhmdb_folder / "Rename_Images" / class_name / video
    for number in range(1, count + 1):
        (frames / f"{number:05d}.png").rename(frames / f"{number + 7}.png")
    dataset = jhmdb.open_split(jhmdb_folder, "test", "jhmdb-sentences")
    assert list(dataset.videos[0].frames) == [str(number + 7) for number in range(1, count + 1)]


def test_videos_without_sentence_are_told(jhmdb_folder: Path) -> None:
    file = jhmdb_folder / "jhmdb_annotation.txt"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-1]))
    total = len(mini.JHMDB_VIDEOS)
    with pytest.warns(VLPRVOSWarning, match=f"1 of {total} videos have no expressions and are left out"):
        assert len(jhmdb.open_split(jhmdb_folder, "test", "jhmdb-sentences").videos) == total - 1


def test_check(jhmdb_folder: Path, tmp_path: Path) -> None:
    items = jhmdb.check(jhmdb_folder, "jhmdb-sentences")
    assert found_counts(items) == {"sentences": 2, "videos": 2, "videos with masks": 2, "scored frames": 6}
    assert [item.expected for item in items] == [928, 928, 928, 2784]
    assert all(item.found == 0 and item.hint for item in jhmdb.check(tmp_path / "nothing", "jhmdb-sentences"))


def test_real_sample(shared: Path, tmp_path: Path) -> None:
    file = shared / "data" / "text" / jhmdb.SAMPLES_FILE
    shutil.copy(file, tmp_path)
    sentences = {row[0]: row[4] for row in json.loads(file.read_text())}
    (tmp_path / "jhmdb_annotation.txt").write_text(
        "video_id,query\n" + "".join(f"{video},{query}\n" for video, query in sentences.items())
    )
    counts = found_counts(jhmdb.check(tmp_path, "jhmdb-sentences"))
    assert (counts["sentences"], counts["scored frames"]) == (928, 2784)


def test_a_missing_package_is_named(jhmdb_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = jhmdb.open_split(jhmdb_folder, "test", "jhmdb-sentences")
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    with pytest.raises(UserError, match=r"scipy is not installed.*vlp-rvos\[benchmarks\]"):
        dataset.load_objects(dataset.videos[0].name, "00002")
