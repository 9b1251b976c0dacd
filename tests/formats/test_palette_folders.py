"""Palette PNG folders."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from frame_results import result
from PIL import Image as PillowImage
from written_formats import BARE, HEADER, RESULTS, files_in, json_of, written

from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.palette_folders import DavisWriter, RefYouTubeVosWriter
from vlp_rvos.media.frame_record import label_map


@pytest.mark.parametrize("size", [(48, 64), (27, 33), (1, 1)])
def test_ids_are_those_of_the_best_scores(tmp_path: Path, size: tuple[int, int]) -> None:
    one = replace(result(height=size[0], width=size[1]), image=BARE[0].image)
    folder = written(tmp_path / "a", DavisWriter, [one])
    image = PillowImage.open(folder / "Annotations" / "Full-Resolution" / "dog" / "00000.png")
    assert image.mode == "P"
    assert np.array_equal(np.asarray(image), label_map(one.masks, one.scores))


def test_davis_lists_the_video_and_its_objects(tmp_path: Path) -> None:
    results = [replace(one, expressions=("a\tred\n car", "\ud800 dog")) for one in RESULTS]
    folder = written(tmp_path / "a", DavisWriter, results)
    assert (folder / "objects.txt").read_text("utf-8") == "1\ta red car\n2\t\\ud800 dog\n"
    assert {(folder / "ImageSets" / "2017" / f"{split}.txt").read_text() for split in ("train", "val")} == {"dog\n"}
    expected = {
        f"{kind}/Full-Resolution/dog/0000{i}.{end}"
        for i in range(3)
        for kind, end in (("Annotations", "png"), ("JPEGImages", "jpg"))
    }
    assert {path for path in files_in(folder) if "Full" in path} == expected


def test_ref_youtube_vos_says_what_means_which_object(tmp_path: Path) -> None:
    folder = written(tmp_path / "a", RefYouTubeVosWriter, BARE)
    expressions = {str(i): {"exp": text, "obj_id": i + 1} for i, text in enumerate(HEADER.expressions)}
    expected = {"videos": {"dog": {"expressions": expressions, "frames": ["00000", "00001", "00002"]}}}
    assert json_of(folder / "meta_expressions.json") == expected
    assert files_in(folder) == {"meta_expressions.json", *(f"Annotations/dog/0000{i}.png" for i in range(3))}


def test_two_frames_of_one_name_are_no_dataset(tmp_path: Path) -> None:
    with DavisWriter(tmp_path, HEADER, FormatOptions()) as writer:
        writer.write(BARE[0])
        with pytest.raises(FileExistsError):
            writer.write(BARE[0])
