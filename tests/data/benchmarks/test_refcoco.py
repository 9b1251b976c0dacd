"""RefCOCO, RefCOCO+ and RefCOCOg, from miniatures in both forms."""

from __future__ import annotations

from pathlib import Path

import image_miniatures as mini
import numpy as np
import pytest
from data_checks import found_counts

from vlp_rvos.data.benchmarks import refcoco
from vlp_rvos.errors import UserError


@pytest.mark.parametrize("form", ["original", "converted"])
@pytest.mark.parametrize("name", ["refcoco", "refcoco+", "refcocog"])
def test_forms_agree(tmp_path: Path, name: str, form: str) -> None:
    folder = mini.write_refcoco(tmp_path, name, converted=form == "converted")
    for split in mini.REFCOCO_SPLITS[name]:
        refs = [ref for ref in mini.refcoco_refs(name) if ref["split"] == split]
        dataset = refcoco.open_split(folder, split, name)
        assert (dataset.name, dataset.split) == (name, split)
        wanted: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
        for ref in refs:
            texts = wanted.setdefault(f"COCO_train2014_{ref['image_id']:012d}", [])
            texts += [(sentence["sent"], (ref["ann_id"],)) for sentence in ref["sentences"]]
        ours = {v.name: [(x.text, x.object_ids) for x in v.expressions] for v in dataset.videos}
        assert ours == wanted
        for video in dataset.videos:
            assert list(video.frames) == ["00000"]
            assert len({expression.id for expression in video.expressions}) == len(video.expressions)
            assert dataset.load_frame(video.name, "00000").shape == (*mini.SIZE, 3)
            objects = dataset.load_objects(video.name, "00000")
            assert set(objects) == {x for _, ids in wanted[video.name] for x in ids}
            for key, mask in objects.items():
                np.testing.assert_array_equal(mask, mini.rectangle(key % 10, 0))


def test_the_split_test_is_all_test_splits(tmp_path: Path) -> None:
    dataset = refcoco.open_split(mini.write_refcoco(tmp_path), "test", "refcoco")
    assert [video.name[-2:] for video in dataset.videos] == ["21", "31"]


def test_an_expression_refers_to_its_object_only(tmp_path: Path) -> None:
    dataset = refcoco.open_split(mini.write_refcoco(tmp_path), "train", "refcoco")
    video = dataset.videos[0]
    np.testing.assert_array_equal(dataset.load_mask(video.name, "00000", video.expressions[0]), mini.rectangle(0, 0))
    np.testing.assert_array_equal(dataset.load_mask(video.name, "00000", video.expressions[2]), mini.rectangle(1, 0))


def test_folder_itself_and_the_places_of_the_original_programs(tmp_path: Path) -> None:
    folder = mini.write_refcoco(tmp_path)
    (folder / "images" / "mscoco" / "images").mkdir(parents=True)
    (folder / "train2014").rename(folder / "images" / "mscoco" / "images" / "train2014")
    for place in (folder, folder / "refcoco"):
        dataset = refcoco.open_split(place, "val", "refcoco")
        assert dataset.load_frame(dataset.videos[0].name, "00000").shape == (*mini.SIZE, 3)


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"neither 'refs\(unc\)\.p' nor 'instances_refcoco_val\.json'"):
        refcoco.open_split(tmp_path, "val", "refcoco")
    folder = mini.write_refcoco(tmp_path)
    dataset = refcoco.open_split(folder, "val", "refcoco")
    picture = folder / "train2014" / f"{dataset.videos[0].name}.jpg"
    picture.unlink()
    with pytest.raises(UserError, match="no such image"):
        dataset.load_frame(dataset.videos[0].name, "00000")
    (folder / "refcoco" / "instances.json").unlink()
    with pytest.raises(UserError, match="no such file"):
        refcoco.open_split(folder, "val", "refcoco")


def test_image_of_another_size(tmp_path: Path) -> None:
    folder = mini.write_refcoco(tmp_path)
    file = folder / "refcoco" / "instances.json"
    file.write_text(file.read_text().replace('"height": 48', '"height": 47'))
    dataset = refcoco.open_split(folder, "train", "refcoco")
    with pytest.raises(UserError, match="64x48, its annotations say 64x47"):
        dataset.load_frame(dataset.videos[0].name, "00000")


@pytest.mark.parametrize("form", ["original", "converted"])
def test_check(tmp_path: Path, form: str) -> None:
    folder = mini.write_refcoco(tmp_path, "refcocog", converted=form == "converted")
    items = refcoco.check(folder, "refcocog")
    assert found_counts(items) == {
        "train expressions": 6,
        "train objects": 3,
        "train images": 2,
        "val expressions": 2,
        "val objects": 1,
        "val images": 1,
        "test expressions": 2,
        "test objects": 1,
        "test images": 1,
        "image files": 4,
    }
    assert {item.what: item.expected for item in items}["image files (train2014)"] == 25799


def test_check_of_nothing_and_of_broken_files(tmp_path: Path) -> None:
    for item in refcoco.check(tmp_path, "refcoco+"):
        assert item.found == 0
        assert item.hint
    folder = mini.write_refcoco(tmp_path)
    (folder / "refcoco" / "refs(unc).p").write_bytes(b"\x80\x02")
    items = refcoco.check(folder, "refcoco")
    assert all(item.found == 0 for item in items)
    assert "is not a whole pickle" in items[0].hint


def test_google_splits_have_no_official_counts(tmp_path: Path) -> None:
    folder = mini.write_refcoco(tmp_path, "refcocog")
    (folder / "refcocog" / "refs(umd).p").rename(folder / "refcocog" / "refs(google).p")
    items = refcoco.check(folder, "refcocog")
    assert all(item.expected is None and item.complete for item in items)
    assert refcoco.open_split(folder, "val", "refcocog").videos


def test_official_counts_add_up() -> None:
    totals = {
        key: [sum(column) for column in zip(*splits.values(), strict=True)] for key, splits in refcoco.OFFICIAL.items()
    }
    assert totals == {
        ("refcoco", "unc"): [142210, 50000, 19994],
        ("refcoco+", "unc"): [141564, 49856, 19992],
        ("refcocog", "umd"): [95010, 49822, 25799],
    }
