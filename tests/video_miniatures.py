"""Miniatures of Ref-YouTube-VOS, Ref-DAVIS17 and MeViS in the official formats: squares that move to the right."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

WIDTH, HEIGHT = 64, 48
SIDE = 12
COLOURS = ((30, 60, 30), (220, 40, 40), (40, 40, 220), (230, 220, 60))
"""Colour of the background, and of the objects 1 to 3."""

TEXTS = {1: "the red square on top", 2: "the blue square below it", 3: "the yellow square at the bottom"}


def ids_of(number: int, objects: int) -> NDArray[np.uint8]:
    """Object ids (HEIGHT, WIDTH) of frame `number`; of three objects, the second enters with the second frame."""
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    for i in range(1, objects + 1):
        if i == 2 and objects > 2 and number == 0:
            continue
        top, left = 2 + (i - 1) * (SIDE + 3), 3 + 6 * number
        ids[top : top + SIDE, left : left + SIDE] = i
    return ids


def write_frame(path: Path, ids: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(COLOURS, np.uint8)[np.minimum(ids, 3)]).save(path, quality=95)


def write_palette(path: Path, ids: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(ids).convert("L")
    # Of 256 colours, as published: with fewer, the file could not hold the void of DAVIS, 255.
    image.putpalette(bytes(value for colour in COLOURS for value in colour).ljust(3 * 256, b"\xc8"))
    image.save(path)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_ref_youtube_vos(folder: Path, frames: int = 4) -> Path:
    """Two training videos; validation expressions of four, two of which are test videos."""
    names = [f"{5 * i:05}" for i in range(frames)]
    train = {"003234408d": 2, "0043f083b5": 1}
    for video, objects in train.items():
        for number, name in enumerate(names):
            write_frame(folder / "train" / "JPEGImages" / video / f"{name}.jpg", ids_of(number, objects))
            write_palette(folder / "train" / "Annotations" / video / f"{name}.png", ids_of(number, objects))
    meta = {
        video: {"objects": {str(i): {"category": "others", "frames": names} for i in range(1, objects + 1)}}
        for video, objects in train.items()
    }
    write_json(folder / "train" / "meta.json", {"videos": meta})
    expressions = {
        video: {
            "expressions": {"0": {"exp": TEXTS[1], "obj_id": "1"}, "1": {"exp": "a square moving", "obj_id": "1"}},
            "frames": names,
        }
        for video in train
    }
    write_json(folder / "meta_expressions" / "train" / "meta_expressions.json", {"videos": expressions})

    mixed = ["0062f687f1", "00f88c4f0a", "01c88b5b60", "0390fabe58"]
    of_valid = {
        video: {"expressions": {"0": {"exp": TEXTS[1]}, "1": {"exp": TEXTS[2]}}, "frames": names} for video in mixed
    }
    write_json(folder / "meta_expressions" / "valid" / "meta_expressions.json", {"videos": of_valid})
    of_test = {video: of_valid[video] for video in mixed[1:3]}
    write_json(folder / "meta_expressions" / "test" / "meta_expressions.json", {"videos": of_test})
    for video in mixed:
        for number, name in enumerate(names):
            write_frame(folder / "valid" / "JPEGImages" / video / f"{name}.jpg", ids_of(number, 2))
    return folder


def write_ref_davis17(
    folder: Path, frames: int = 4, annotations: Sequence[str] = ("Annotations_unsupervised", "Annotations")
) -> Path:
    """Two training videos and one validation video with two objects; the second annotator writes with accents."""
    davis = folder / "DAVIS"
    sets = {"train": {"bear": 1, "classic-car": 3}, "val": {"bmx-trees": 2}}
    for split, videos in sets.items():
        file = davis / "ImageSets" / "2017" / f"{split}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"{video}\n" for video in videos))
        for video, objects in videos.items():
            for number in range(frames):
                ids = ids_of(number, objects)
                write_frame(davis / "JPEGImages" / "480p" / video / f"{number:05}.jpg", ids)
                for kind in annotations:
                    truth = ids.copy()
                    if kind == "Annotations_unsupervised":
                        truth[:, -2:] = 255
                    write_palette(davis / kind / "480p" / video / f"{number:05}.png", truth)
    texts = folder / "davis_text_annotations"
    texts.mkdir()
    for annotator in ("1", "2"):
        for view in ("", "_full_video"):
            lines = []
            for video, objects in {**sets["train"], **sets["val"]}.items():
                called = "clasic-car" if video == "classic-car" else video
                extra = " passing a café" if annotator == "2" else ""
                lines += [f'{called} {i} "{TEXTS[i]}{extra}{view[:5]}"\n' for i in range(1, objects + 1)]
            encoding = "utf-8" if annotator == "1" else "latin-1"
            (texts / f"Davis17_annot{annotator}{view}.txt").write_bytes("".join(lines).encode(encoding))
    return folder


def write_mevis(folder: Path, frames: int = 4) -> Path:
    """One video a split; an expression of two objects, one of a single object, one of nothing."""
    names = [f"{i:05}" for i in range(frames)]
    for n, (split, video) in enumerate(
        {"train": "2aab4cd8f1d6", "valid_u": "9f429af409c9", "valid": "0ab4afe7fb46"}.items()
    ):
        for number, name in enumerate(names):
            write_frame(folder / split / "JPEGImages" / video / f"{name}.jpg", ids_of(number, 3))
        expressions: dict[str, dict[str, Any]] = {
            "0": {"exp": "The two squares that move together", "obj_id": [0, 1], "anno_id": [10 * n, 10 * n + 1]},
            "1": {"exp": TEXTS[3], "obj_id": [2], "anno_id": [10 * n + 2]},
            "2": {"exp": "The square jumping backwards", "obj_id": [], "anno_id": []},
        }
        if split == "valid":
            expressions = {key: {"exp": value["exp"]} for key, value in expressions.items()}
        else:
            masks = {str(10 * n + i): [encode(ids_of(f, 3) == i + 1) for f in range(frames)] for i in range(3)}
            write_json(folder / split / "mask_dict.json", masks)
        meta = {"expressions": expressions, "vid_id": n, "frames": names}
        write_json(folder / split / "meta_expressions.json", {"videos": {video: meta}})
    return folder


def encode(mask: NDArray[np.bool_]) -> dict[str, Any] | None:
    """COCO RLE as JSON has it; None of an empty mask."""
    if not mask.any():
        return None
    runs = coco_mask.encode(np.asfortranarray(mask, dtype=np.uint8))
    return {"size": [int(x) for x in runs["size"]], "counts": runs["counts"].decode("ascii")}
