"""What is written is read by the libraries of the other tools. Those that are not installed are skipped."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools.coco import COCO
from segmented import TEXTS, make_video, write_out

from vlp_rvos.formats.conversion import convert
from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.segmented_video import SegmentedVideo
from vlp_rvos.results import FrameResult, label_map

LABELS = ["the dog / that jumps", 'a "red" <car> & more']


@pytest.fixture
def made(tmp_path: Path) -> list[FrameResult]:
    return write_out(tmp_path / "out", make_video(tmp_path / "dog.mp4"))


def write(tmp_path: Path, name: str, **options: bool) -> Path:
    opened = SegmentedVideo(tmp_path / "out", tmp_path / "dog.mp4")
    convert(opened, name, tmp_path / name, FormatOptions(**options))  # type: ignore[arg-type]
    return tmp_path / name


def test_pycocotools(tmp_path: Path, made: list[FrameResult]) -> None:
    coco = COCO(str(write(tmp_path, "coco") / "instances.json"))
    assert [category["name"] for category in coco.loadCats(coco.getCatIds())] == LABELS
    for result in made:
        found = coco.loadAnns(coco.getAnnIds([result.index + 1]))
        assert len(found) == (0 if result.index == 2 else 2)
        for one in found:
            track = one["attributes"]["track_id"]
            assert np.array_equal(coco.annToMask(one), result.masks[track - 1])
            assert one["score"] == pytest.approx(result.scores[track - 1])
            ys, xs = np.nonzero(result.masks[track - 1])
            box = [xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1]
            assert (one["bbox"], one["area"]) == (box, len(ys))


def test_supervision(tmp_path: Path, made: list[FrameResult]) -> None:
    sv = pytest.importorskip("supervision")
    folder = write(tmp_path, "coco")
    dataset = sv.DetectionDataset.from_coco(str(folder / "images"), str(folder / "instances.json"), force_masks=True)
    assert dataset.classes == LABELS
    for (path, image, detections), result in zip(dataset, made, strict=True):
        assert Path(path).stem == result.name
        assert image.shape == result.image.shape
        assert len(detections) == (0 if result.index == 2 else 2)
        for mask, number in zip(detections.mask if len(detections) else [], detections.class_id, strict=True):
            assert np.array_equal(mask, result.masks[number])


def test_datumaro(tmp_path: Path, made: list[FrameResult]) -> None:
    pytest.importorskip("datumaro")
    from datumaro.components.annotation import AnnotationType
    from datumaro.components.dataset import Dataset

    for name, form, overlaps in (
        ("datumaro", "datumaro", True),
        ("cvat-coco", "coco_instances", True),
        ("cvat-mots", "mots", False),
    ):
        folder = write(tmp_path, name)
        if name.startswith("cvat"):
            import zipfile

            zipfile.ZipFile(folder / f"{name}.zip").extractall(tmp_path / f"{name}-unpacked")
            folder = tmp_path / f"{name}-unpacked"
        dataset = Dataset.import_from(str(folder), form)
        assert [x.name for x in dataset.categories()[AnnotationType.label].items] == LABELS
        items = sorted(dataset, key=lambda item: item.id)
        assert len(items) == len(made)
        for item, result in zip(items, made, strict=True):
            assert item.id == (result.name if name == "datumaro" else f"frame_{result.index:06d}")
            ids = label_map(result.masks, result.scores)
            masks = {one.label: np.asarray(one.image) for one in item.annotations if one.type == AnnotationType.mask}
            for i in range(2):
                expected = result.masks[i] if overlaps else ids == i + 1
                assert np.array_equal(masks.get(i, np.zeros_like(expected)), expected), (name, item.id, i)
            for one in item.annotations:
                assert int(one.attributes["track_id"]) in (1, 2)


def test_label_studio(tmp_path: Path, made: list[FrameResult]) -> None:
    brush = pytest.importorskip("label_studio_sdk.converter.brush")
    from label_studio_sdk.label_interface import LabelInterface

    folder = write(tmp_path, "label-studio-brush")
    interface = LabelInterface((folder / "labeling_config.xml").read_text("utf-8"))
    interface.validate()
    tasks = json.loads((folder / "tasks.json").read_text("utf-8"))
    for task, result in zip(tasks, made, strict=True):
        (prediction,) = task["predictions"]
        assert interface.validate_prediction(prediction)
        for region in prediction["result"]:
            shape = region["original_height"], region["original_width"], 4
            mask = brush.decode_rle(region["value"]["rle"]).reshape(shape)[..., 3] > 0
            number = LABELS.index(region["value"]["brushlabels"][0])
            assert np.array_equal(mask, result.masks[number])
    for vector in (False, True):
        folder = write(tmp_path, "label-studio", vector=vector)
        interface = LabelInterface((folder / "labeling_config.xml").read_text("utf-8"))
        if not vector:
            interface.validate()
        (task,) = json.loads((folder / "tasks.json").read_text("utf-8"))
        assert interface.validate_task({"data": task["data"]})
        if not vector:
            assert interface.validate_prediction(task["predictions"][0])


def test_fiftyone(tmp_path: Path, made: list[FrameResult]) -> None:
    pytest.importorskip("fiftyone")
    from eta.core.video import VideoLabels
    from fiftyone.utils.data.importers import FiftyOneVideoLabelsDatasetImporter

    importer = FiftyOneVideoLabelsDatasetImporter(str(write(tmp_path, "fiftyone")))
    importer.setup()
    ((_, _, _, frames),) = list(importer)
    assert isinstance(VideoLabels.from_json(str(tmp_path / "fiftyone/labels/dog.json")), VideoLabels)
    assert sorted(frames) == [1, 2, 3, 4, 5]
    for result in made:
        detections = frames[result.index + 1].get("detections")
        found = detections.detections if detections is not None else []
        assert len(found) == (0 if result.index == 2 else 2)
        for one in found:
            assert one.label == LABELS[one.index - 1]
            left, top, width, height = one.bounding_box
            whole = np.zeros((48, 64), bool)
            whole[round(top * 48) : round((top + height) * 48), round(left * 64) : round((left + width) * 64)] = (
                one.mask
            )
            assert np.array_equal(whole, result.masks[one.index - 1])


def test_expressions_become_labels() -> None:
    assert list(TEXTS) == LABELS
