"""Miniatures of A2D-Sentences, JHMDB-Sentences and RefCOCO in the official formats, byte for byte.

Every object is a rectangle: `rectangle(object, frame)` is its mask, so that the truth needs no file.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image
from pycocotools import mask as coco_mask
from scipy.io import savemat

from vlp_rvos.media.video_writer import VideoWriter

SIZE = (48, 64)
"""Height and width of every frame and picture."""

COLOURS = ((220, 20, 20), (20, 200, 20), (20, 20, 220), (220, 220, 20))


def box(thing: int, frame: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of an object in a frame (numbers from 0 and 1): it moves to the right."""
    left, top = 4 + 14 * thing + frame, 6 + 7 * thing
    return left, top, left + 9, top + 13


def rectangle(thing: int, frame: int) -> np.ndarray:
    """Mask (H, W) bool."""
    left, top, right, bottom = box(thing, frame)
    mask = np.zeros(SIZE, bool)
    mask[top:bottom, left:right] = True
    return mask


def picture(things: Sequence[int], frame: int) -> np.ndarray:
    """(H, W, 3) uint8: objects on grey that brightens from frame to frame."""
    pixels = np.full((*SIZE, 3), 60 + 8 * frame, np.uint8)
    for thing in things:
        pixels[rectangle(thing, frame)] = COLOURS[thing]
    return pixels


# A2D-Sentences: video -> (usage, number of frames, {annotated frame: ids of its instances})
A2D_VIDEOS: dict[str, tuple[int, int, dict[int, list[int]]]] = {
    "--trainVid_1": (0, 12, {3: [0, 1], 9: [0]}),
    "testVideo-2": (1, 10, {2: [1, 0], 7: [0]}),
    "missedVid_3": (1, 4, {}),
}
A2D_SENTENCES = [
    ("--trainVid_1", "0", "a red box is moving"),
    ("--trainVid_1", "1", " green box  on the right"),
    ("testVideo-2", "0", "red box sliding"),
    ("testVideo-2", "1 (copy)", "a mistake of the annotators"),
    ("testVideo-2", "1", "Green box behind the red one"),
]


def write_instances(file: Path, ids: Sequence[int], masks: Sequence[np.ndarray]) -> None:
    """One frame's instances as MATLAB wrote them: reversed axes, and no axis of instances where there is one mask."""
    file.parent.mkdir(parents=True, exist_ok=True)
    stored = np.stack([mask.T for mask in masks]).astype(np.uint8)
    boxes = np.array([[1, 1, 10, 10]] * len(masks), np.float64).T
    with h5py.File(file, "w") as content:
        content["instance"] = np.array(ids, np.int64)
        content["reMask"] = stored[0] if len(masks) == 1 else stored
        content["reBBox"] = boxes[:, 0] if len(masks) == 1 else boxes
        content["id"] = np.full((1, len(masks)), 13.0)


def write_a2d(folder: Path) -> Path:
    """Two used videos, one for training and one for testing, and one that is to be left out."""
    text, clips = folder / "text_annotations", folder / "Release" / "clips320H"
    text.mkdir(parents=True)
    clips.mkdir(parents=True)
    height, width = SIZE
    rows = []
    for video, (usage, frames, annotated) in A2D_VIDEOS.items():
        rows.append(f"{video},13,0:00:01,0:00:05,{height},{width},{frames},{len(annotated)},{usage}\n")
        with VideoWriter(clips / f"{video}.mp4", fps=10) as writer:
            for i in range(frames):
                writer.write(picture((0, 1), i + 1), time=i / 10)
        for frame, ids in annotated.items():
            file = text / "a2d_annotation_with_instances" / video / f"{frame:05d}.h5"
            write_instances(file, ids, [rectangle(i, frame) for i in ids])
    (folder / "Release" / "videoset.csv").write_text("".join(rows))
    (text / "a2d_missed_videos.txt").write_text("missedVid_3\n")
    sentences = "".join(",".join(row) + "\n" for row in A2D_SENTENCES)
    (text / "a2d_annotation.txt").write_text("video_id,instance_id,query\n" + sentences)
    return folder


# JHMDB-Sentences: video -> (class, frames, frames with a mask, sentence, scored frames)
JHMDB_VIDEOS: dict[str, tuple[str, int, int, str, tuple[int, int, int]]] = {
    "Pull_ups_pullup_f_nm_np1_fr_med_1": ("pullup", 6, 6, "man in red pulling up", (2, 3, 6)),
    "catch_ball_catch_u_cm_np1_fr_goo_0": ("catch", 7, 5, "boy catching a ball", (1, 4, 5)),
}


def write_jhmdb(folder: Path, samples: bool = True) -> Path:
    """Two videos, the second with frames at its end that have no mask.

    Args:
        folder: of the data set.
        samples: also write the list of scored frames.
    """
    rows = []
    for video, (kind, frames, masks, query, scored) in JHMDB_VIDEOS.items():
        images = folder / "Rename_Images" / kind / video
        puppets = folder / "puppet_mask" / kind / video
        images.mkdir(parents=True)
        puppets.mkdir(parents=True)
        for frame in range(1, frames + 1):
            Image.fromarray(picture((0,), frame)).save(images / f"{frame:05d}.png")
        part_mask = np.stack([rectangle(0, frame) for frame in range(1, masks + 1)], axis=2).astype(np.uint8)
        savemat(puppets / "puppet_mask.mat", {"part_mask": part_mask}, do_compression=True)
        for frame in scored:
            rows.append(
                [
                    video,
                    f"./jhmdb_sentences/Rename_Images/{kind}/{video}/{frame:05d}.png",
                    f"./jhmdb_sentences/puppet_mask/{kind}/{video}/puppet_mask.mat",
                    masks,
                    query,
                ]
            )
    sentences = "".join(f"{video},{query}\n" for video, (_, _, _, query, _) in JHMDB_VIDEOS.items())
    (folder / "jhmdb_annotation.txt").write_text("video_id,query\n" + sentences)
    if samples:
        (folder / "jhmdb_sentences_samples_metadata.json").write_text(json.dumps(rows))
    return folder


# RefCOCO: (picture, annotation, object, split, sentences)
REFCOCO_SPLITS = {"refcoco": ("train", "val", "testA", "testB"), "refcocog": ("train", "val", "test")}
REFCOCO_SPLITS["refcoco+"] = REFCOCO_SPLITS["refcoco"]
REFCOCO_MAKERS = {"refcoco": "unc", "refcoco+": "unc", "refcocog": "umd"}


def refcoco_refs(name: str) -> list[dict[str, Any]]:
    """The content of `refs(<by>).p`: two pictures with three objects in the first split, one of one in each other."""
    refs: list[dict[str, Any]] = []
    sentences = 0
    for number, split in enumerate(REFCOCO_SPLITS[name]):
        for image, thing in ((10 * number + 1, 0), (10 * number + 1, 1), (10 * number + 2, 2))[: 1 if number else 3]:
            texts = [f"object {thing} of {split}", f"the café no {image}"]
            ours = []
            for text in texts:
                ours.append({"tokens": text.split(), "raw": text.upper(), "sent_id": sentences, "sent": text})
                sentences += 1
            annotation = 1_000_000 + 10 * image + thing
            refs.append(
                {
                    "sent_ids": [sentence["sent_id"] for sentence in ours],
                    "file_name": f"COCO_train2014_{image:012d}_{annotation}.jpg",
                    "ann_id": annotation,
                    "ref_id": len(refs),
                    "image_id": image,
                    "split": split,
                    "sentences": ours,
                    "category_id": 1,
                }
            )
    return refs


def _segmentation(thing: int) -> Any:
    """Polygons, run lengths and compressed run lengths, in turn."""
    if thing == 0:
        left, top, right, bottom = box(thing, 0)
        middle = (left + right) // 2
        halves = ((left, middle), (middle, right))
        return [[float(x) for x in (a, top, b, top, b, bottom, a, bottom)] for a, b in halves]
    encoded = coco_mask.encode(np.asfortranarray(rectangle(thing, 0).astype(np.uint8)))
    if thing == 1:
        return {"size": list(SIZE), "counts": encoded["counts"].decode()}
    flat = np.concatenate([[False], rectangle(thing, 0).ravel(order="F"), [True]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    return {"size": list(SIZE), "counts": np.diff(edges, prepend=0).tolist()}


def refcoco_instances(refs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The content of `instances.json`, with one object that no expression refers to."""
    images = sorted({ref["image_id"] for ref in refs})
    annotations = [
        {
            "segmentation": _segmentation(ref["ann_id"] % 10),
            "area": 117.0,
            "iscrowd": 0,
            "image_id": ref["image_id"],
            "bbox": [4.0, 6.0, 9.0, 13.0],
            "category_id": 1,
            "id": ref["ann_id"],
        }
        for ref in refs
    ]
    return {
        "info": {},
        "licenses": [],
        "images": [
            {"file_name": f"COCO_train2014_{i:012d}.jpg", "height": SIZE[0], "width": SIZE[1], "id": i, "license": 1}
            for i in images
        ],
        "annotations": [*annotations, {**annotations[0], "id": 7}],
        "categories": [{"supercategory": "person", "id": 1, "name": "person"}],
    }


def write_refcoco(folder: Path, name: str = "refcoco", converted: bool = False) -> Path:
    """One of the three data sets; the first picture is a gray one, as COCO has some.

    Args:
        folder: of the data set, `<name>` and `train2014` come into it.
        name: which of the three.
        converted: write the form that video projects share, instead of the original one.
    """
    refs = refcoco_refs(name)
    instances = refcoco_instances(refs)
    annotations, pictures = folder / name, folder / "train2014"
    annotations.mkdir(parents=True)
    pictures.mkdir(parents=True, exist_ok=True)
    for image in instances["images"]:
        pixels = Image.fromarray(picture((0, 1, 2), 0))
        (pixels.convert("L") if image["id"] == 1 else pixels).save(pictures / image["file_name"], quality=95)
    if converted:
        for split in REFCOCO_SPLITS[name]:
            content = _converted([ref for ref in refs if ref["split"] == split], instances, name)
            (annotations / f"instances_{name}_{split}.json").write_text(json.dumps(content))
    else:
        (annotations / f"refs({REFCOCO_MAKERS[name]}).p").write_bytes(python2_pickle(refs))
        (annotations / "instances.json").write_text(json.dumps(instances))
    return folder


def _converted(refs: Sequence[dict[str, Any]], instances: dict[str, Any], name: str) -> dict[str, Any]:
    """What the converter of ReferFormer makes of the original form: an image and an annotation for every sentence."""
    images = {image["id"]: image for image in instances["images"]}
    annotations = {annotation["id"]: annotation for annotation in instances["annotations"]}
    content: dict[str, Any] = {**instances, "images": [], "annotations": []}
    for ref in refs:
        image, annotation = images[ref["image_id"]], annotations[ref["ann_id"]]
        for sentence in ref["sentences"]:
            number = len(content["images"]) + 1
            content["images"].append(
                {
                    "file_name": image["file_name"],
                    "height": image["height"],
                    "width": image["width"],
                    "original_id": image["id"],
                    "id": number,
                    "caption": sentence["sent"],
                    "dataset_name": name,
                }
            )
            content["annotations"].append(
                {**annotation, "image_id": number, "id": number, "original_id": annotation["id"]}
            )
    return content


def python2_pickle(value: Any, encoding: str = "utf-8") -> bytes:
    """Protocol 2 as Python 2's cPickle wrote it: text as byte strings, and everything in the memo."""
    memo = 0
    out = bytearray(b"\x80\x02")

    def put() -> None:
        nonlocal memo
        out.extend(b"q" + struct.pack("<B", memo) if memo < 256 else b"r" + struct.pack("<I", memo))
        memo += 1

    def write(thing: Any) -> None:
        if isinstance(thing, int):
            out.extend(b"J" + struct.pack("<i", thing))
        elif isinstance(thing, str):
            data = thing.encode(encoding)
            out.extend(b"U" + struct.pack("<B", len(data)) + data)
            put()
        elif isinstance(thing, list):
            out.extend(b"]")
            put()
            out.extend(b"(")
            for item in thing:
                write(item)
            out.extend(b"e")
        else:
            out.extend(b"}")
            put()
            out.extend(b"(")
            for key, item in thing.items():
                write(key)
                write(item)
            out.extend(b"u")

    write(value)
    return bytes(out + b".")
