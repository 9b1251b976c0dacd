from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from batches_of_videos import EXPRESSIONS
from clips import noise
from segmenters import WORDS
from stubs import tiny_model

from vlp_rvos import Segmenter
from vlp_rvos.batch import part_outputs
from vlp_rvos.batch.part_outputs import MaskZipWriter, ShardWriter
from vlp_rvos.media.image_files import open_image


def test_shards_are_written_in_groups(tmp_path: Path, monkeypatch: object) -> None:
    results = list(Segmenter(tiny_model(), presence_threshold=0.0).segment(noise(5), WORDS))
    part_outputs.GROUP_ROWS, kept = 4, part_outputs.GROUP_ROWS
    try:
        with ShardWriter(tmp_path / "x.parquet", "v", EXPRESSIONS) as writer:
            for result in results:
                writer.write(result)
    finally:
        part_outputs.GROUP_ROWS = kept
    file = pq.ParquetFile(tmp_path / "x.parquet")
    assert [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)] == [4, 4, 2]
    assert [row["frame"] for row in file.read().to_pylist()] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]


def test_masks_of_a_zip(tmp_path: Path) -> None:
    results = list(Segmenter(tiny_model(), presence_threshold=0.0).segment(noise(2), WORDS))
    for name in ("a.zip", "b.zip"):
        with MaskZipWriter(tmp_path / name) as writer:
            for result in results:
                writer.write(result)
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as file:
        assert file.namelist() == ["00000.png", "00001.png"]
        file.extractall(tmp_path)
    labels = np.zeros((48, 64), np.uint8)
    labels[results[1].box] = results[1].labels
    assert np.array_equal(np.asarray(open_image(tmp_path / "00001.png")), labels)
