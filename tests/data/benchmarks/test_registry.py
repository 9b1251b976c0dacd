"""What all benchmarks have in common."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import video_miniatures as miniatures

from vlp_rvos.data.benchmarks import (
    benchmark_names,
    check_benchmark,
    open_benchmark,
    splits,
)
from vlp_rvos.errors import UserError

BUILDERS: dict[str, Callable[[Path], Path]] = {
    "ref-youtube-vos": miniatures.write_ref_youtube_vos,
    "ref-davis17": miniatures.write_ref_davis17,
    "mevis": miniatures.write_mevis,
}


def test_names_and_splits() -> None:
    assert benchmark_names()[:3] == tuple(BUILDERS)
    assert splits("ref-youtube-vos") == ("train", "valid")
    assert splits("ref-davis17") == ("train", "val")
    assert splits("mevis") == ("train", "valid_u", "valid")


def test_unknown_names_and_splits_list_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="unknown data set 'mevs'; known are ref-youtube-vos, ref-davis17, mevis, a2d"):
        open_benchmark("mevs", tmp_path, "train")
    with pytest.raises(UserError, match="mevis has no split 'val'; it has train, valid_u, valid"):
        open_benchmark("mevis", tmp_path, "val")
    for mistake in (lambda: open_benchmark("mevis", tmp_path / "no", "valid"), lambda: check_benchmark("mevis", "no")):
        with pytest.raises(UserError, match="no such data set folder"):
            mistake()


@pytest.mark.parametrize("name", BUILDERS)
def test_every_split_opens_reads_and_survives_pickling(name: str, tmp_path: Path) -> None:
    folder = BUILDERS[name](tmp_path / name)
    for split in splits(name):
        dataset = pickle.loads(pickle.dumps(open_benchmark(name, folder, split)))
        assert (dataset.name, dataset.split) == (name, split)
        for video in dataset.videos:
            for frame in video.frames:
                image = dataset.load_frame(video.name, frame)
                assert image.shape == (miniatures.HEIGHT, miniatures.WIDTH, 3)
                assert image.dtype == np.uint8
                for expression in video.expressions:
                    mask = dataset.load_mask(video.name, frame, expression)
                    assert (mask is None) == (split == "valid")


@pytest.mark.parametrize("name", BUILDERS)
def test_a_missing_frame_is_named(name: str, tmp_path: Path) -> None:
    folder = BUILDERS[name](tmp_path / name)
    dataset = open_benchmark(name, folder, "train")
    video = dataset.videos[0]
    (path,) = folder.glob(f"**/JPEGImages/**/{video.name}/{video.frames[1]}.jpg")
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(UserError, match=f"cannot read the image .*{video.frames[1]}.jpg"):
        dataset.load_frame(video.name, video.frames[1])
    path.unlink()
    with pytest.raises(UserError, match=f"no such image: .*{video.frames[1]}.jpg"):
        dataset.load_frame(video.name, video.frames[1])


def test_the_registry_is_light() -> None:
    code = "import sys, vlp_rvos.data.benchmarks as b; b.splits('mevis'); print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"


@pytest.mark.parametrize("name", benchmark_names())
def test_checking_an_empty_folder_says_how_to_get_everything(name: str, tmp_path: Path) -> None:
    for item in check_benchmark(name, tmp_path):
        assert not item.complete
        assert "get " in item.hint, item
