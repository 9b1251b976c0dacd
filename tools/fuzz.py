"""Feed mutated files to every reader, and see that each is read or refused in one line.

    python tools/fuzz.py                                  # the table of docs/reliability.md
    python tools/fuzz.py --only video --count 200
    python tools/fuzz.py --only video --number 4711       # one mutation once more, with its traceback

A mutation is a function of its number, so a finding can be repeated. Each reader runs in a process of its own with a
limit on time and memory: a crash and a hang are findings like any other exception. Right are a result, warnings, and a
`UserError` of one line; everything else is a failure, and makes the script end with 1.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import multiprocessing
import os
import random
import re
import resource
import sys
import tempfile
import traceback
import warnings
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

from vlp_rvos.errors import UserError

SECONDS, MEMORY = 20.0, 6 << 30
FRAMES, SIZE = 12, (64, 48)
PNG_START = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Seed:
    """A valid file that mutations start from."""

    name: str
    data: bytes


def each_form(*readers: Callable[[], object]) -> None:
    """Call every reader; where some refuse the file, raise the first refusal at the end."""
    refusal = None
    for reader in readers:
        try:
            reader()
        except UserError as error:
            refusal = refusal or error
    if refusal is not None:
        raise refusal


def video_seeds() -> list[Seed]:
    """The same short clip in the usual containers and codecs."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (SIZE[1], SIZE[0] + FRAMES, 3), dtype=np.uint8)
    forms = {
        "h264.mp4": ("libx264", "yuv420p"),
        "h264.mkv": ("libx264", "yuv420p"),
        "h264.mov": ("libx264", "yuv420p"),
        "vp8.webm": ("libvpx", "yuv420p"),
        "mpeg4.avi": ("mpeg4", "yuv420p"),
        "mjpeg.avi": ("mjpeg", "yuvj420p"),
        "mpeg2.ts": ("mpeg2video", "yuv420p"),
        "gif.gif": ("gif", "rgb8"),
    }
    seeds = []
    for name, (codec, pixels) in forms.items():
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / name
            with av.open(str(file), "w") as container:
                stream = container.add_stream(codec, rate=Fraction(24))
                stream.width, stream.height, stream.pix_fmt = *SIZE, pixels
                for i in range(FRAMES):
                    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(texture[:, i : i + SIZE[0]]), "rgb24")
                    container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
            seeds.append(Seed(name, file.read_bytes()))
    photo = Image.fromarray(np.ascontiguousarray(texture[:, : SIZE[0]]))
    for suffix in ("jpg", "png", "webp", "bmp"):
        buffer = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        photo.save(buffer, {"jpg": "JPEG"}.get(suffix, suffix.upper()), **({} if suffix == "bmp" else {"exif": exif}))
        seeds.append(Seed(f"photo.{suffix}", buffer.getvalue()))
    return seeds


def read_video(file: Path) -> None:
    """Read all frames, once whole and once at another size and from a later start."""
    from vlp_rvos.media.video_reader import open_video

    times = [frame.time for frame in open_video(file)]
    if any(later <= earlier for earlier, later in itertools.pairwise(times)):
        raise AssertionError(f"times do not grow: {times}")
    for _ in open_video(file, every=2, start=0.1).read((24, 32)):
        pass


def png_seeds() -> list[Seed]:
    """Masks and pictures as PNG: palette, gray in 1, 8 and 16 bits, colour, and one with EXIF data."""
    mask = np.zeros((40, 60), np.uint8)
    mask[5:20, 10:40] = 1
    palette = Image.fromarray(mask, "P")
    palette.putpalette(list(range(256)) * 3)
    pictures = {
        "palette": palette,
        "gray": Image.fromarray(mask * 255),
        "gray16": Image.fromarray(mask.astype(np.uint16) * 65535),
        "bits": Image.fromarray(mask > 0),
        "colour": Image.fromarray(np.stack([mask * 200] * 3, -1)),
        "exif": Image.fromarray(mask),
    }
    seeds = []
    for name, picture in pictures.items():
        buffer = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.save(buffer, "PNG", **({"exif": exif} if name == "exif" else {}))
        seeds.append(Seed(f"{name}.png", buffer.getvalue()))
    return seeds


def with_right_checksums(data: bytes) -> bytes:
    """A PNG whose chunks have the checksums of their content, so that a reader looks at the content."""
    place, parts = len(PNG_START), [data[: len(PNG_START)]]
    while len(data) - place >= 12:
        length = min(int.from_bytes(data[place : place + 4], "big"), len(data) - place - 12)
        content = data[place + 4 : place + 8 + length]
        parts += [length.to_bytes(4, "big"), content, zlib.crc32(content).to_bytes(4, "big")]
        place += 12 + length
    return b"".join(parts) + data[place:]


def read_png(file: Path) -> None:
    """Read a PNG as a folder of frames, and as a true and a predicted mask; then again with right checksums."""
    from vlp_rvos.evaluation.mask_folders import score_mask_folders
    from vlp_rvos.media.video_reader import open_video

    readers: list[Callable[[], object]] = []
    for name, data in (("as-it-is", file.read_bytes()), ("mended", with_right_checksums(file.read_bytes()))):
        truth, prediction = file.parent / name / "truth", file.parent / name / "prediction"
        for folder in (truth / "video", prediction / "video"):
            folder.mkdir(parents=True)
            (folder / "00000.png").write_bytes(data)
        readers += [
            partial(score_mask_folders, prediction, truth, workers=1),
            partial(score_mask_folders, prediction, truth, objects=True, workers=1),
            partial(lambda folder: list(open_video(folder)), truth / "video"),
        ]
    each_form(*readers)


def rle_seeds() -> list[Seed]:
    """Predictions and truths in COCO's form: compressed and plain run lengths, and polygons."""
    forms: dict[str, Any] = {
        "plain": {"size": [20, 30], "counts": [105, 5, 490]},
        "compressed": {"size": [20, 30], "counts": "Y35?00000000000000000W9"},
        "polygon": [[2, 3, 20, 4, 18, 17, 5, 15]],
    }
    return [Seed(f"{name}.json", json.dumps(form).encode()) for name, form in forms.items()]


def read_rle(file: Path) -> None:
    """Score a mask as prediction and as truth."""
    from vlp_rvos.evaluation.coco_metrics import evaluate_rle, read_rle_files

    try:
        form = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        form = file.read_bytes().decode("latin-1")
    good = {"size": [20, 30], "counts": [105, 5, 490]}
    forms: list[Callable[[], object]] = []
    for i, (truth, prediction) in enumerate(((good, form), (form, good))):
        gt, pred = file.parent / f"gt{i}.json", file.parent / f"pred{i}.json"
        images = [{"id": 1, "width": 30, "height": 20}]
        gt.write_text(json.dumps({"images": images, "annotations": [{"id": 1, "image_id": 1, "segmentation": truth}]}))
        pred.write_text(json.dumps([{"image_id": 1, "segmentation": prediction, "score": 0.9}]))
        forms.append(partial(lambda gt, pred: evaluate_rle(*read_rle_files(gt, pred)), gt, pred))
    each_form(*forms)


def json_seeds() -> list[Seed]:
    """Score files, COCO files, and the expressions and masks of data sets."""
    scores = {
        "dataset": "d",
        "model": "m",
        "videos": {
            "v": {
                "0": {
                    "expression": "the cat",
                    "kind": "noun",
                    "J": [0.5, 0.6],
                    "F": [0.1, 0.2],
                    "J_mean": 0.55,
                    "F_mean": 0.15,
                    "presence": 0.9,
                }
            }
        },
    }
    coco = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 30, "height": 20}],
        "categories": [{"id": 1, "name": "cat", "supercategory": "animal"}],
        "annotations": [
            {
                "id": 1,
                "image_id": 1,
                "category_id": 1,
                "segmentation": {"size": [20, 30], "counts": [105, 5, 490]},
                "bbox": [1, 2, 3, 4],
                "area": 5,
                "iscrowd": 0,
            }
        ],
    }
    expressions = {"videos": {"v": {"expressions": {"0": {"exp": "the cat", "obj_id": "1"}}, "frames": ["00000"]}}}
    refcoco = {
        "images": [{"id": 1, "file_name": "a.jpg", "height": 20, "width": 30, "caption": "the cat"}],
        "annotations": [{"id": 1, "image_id": 1, "original_id": 7, "segmentation": [[2, 3, 20, 4, 18, 17]]}],
    }
    contents = {"scores": scores, "coco": coco, "expressions": expressions, "refcoco": refcoco}
    contents["mevis"] = {"videos": {"v": {"expressions": {"0": {"exp": "x", "anno_id": [3]}}, "frames": ["0", "1"]}}}
    contents["masks"] = {"3": [{"size": [20, 30], "counts": [105, 5, 490]}, None]}
    return [Seed(f"{name}.json", json.dumps(content).encode()) for name, content in contents.items()]


def read_json_file(file: Path) -> None:
    """Read a JSON file as each of the forms that the package knows."""
    from vlp_rvos.data.benchmarks import open_benchmark
    from vlp_rvos.data.sources.coco import CocoFolder
    from vlp_rvos.data.sources.ytvos import YTVOSDataset
    from vlp_rvos.evaluation.html_report import report_page
    from vlp_rvos.evaluation.score_rows import read_score_file, to_csv, to_rows

    def scores() -> None:
        report = read_score_file(file)
        to_csv(to_rows(report))
        report_page(report)

    def coco() -> None:
        (file.parent / "instances.json").write_bytes(file.read_bytes())
        folder = CocoFolder(file.parent)
        for image in folder.images:
            each_form(
                lambda image=image: folder.load_image(image),
                *(partial(folder.mask, x) for x in folder.annotations_of(image)),
            )

    def expressions() -> None:
        (file.parent / "meta_expressions.json").write_bytes(file.read_bytes())
        dataset = YTVOSDataset(file.parent)
        for video in dataset.videos:
            for frame in video.frames:
                dataset.load_frame(video.name, frame)

    def mevis(replaced: str) -> None:
        folder = file.parent / f"mevis with {replaced}" / "valid_u"
        folder.mkdir(parents=True)
        valid = {seed.name: seed.data for seed in json_seeds()}
        for name, seed in (("meta_expressions.json", "mevis.json"), ("mask_dict.json", "masks.json")):
            (folder / name).write_bytes(file.read_bytes() if name == replaced else valid[seed])
        dataset = open_benchmark("mevis", folder.parent, "valid_u")
        for video in dataset.videos:
            for frame in video.frames:
                dataset.load_objects(video.name, frame)

    def refcoco() -> None:
        (file.parent / "instances_refcoco_val.json").write_bytes(file.read_bytes())
        dataset = open_benchmark("refcoco", file.parent, "val")
        for video in dataset.videos:
            dataset.load_objects(video.name, "00000")

    each_form(
        scores,
        coco,
        expressions,
        partial(mevis, "meta_expressions.json"),
        partial(mevis, "mask_dict.json"),
        refcoco,
    )


def yaml_seeds() -> list[Seed]:
    """Training configurations: the shipped ones, and one with every kind of value."""
    from vlp_rvos.training.train_config import shipped_recipes

    shipped = [Seed(f"{name}.yaml", file.read_bytes()) for name, file in list(shipped_recipes().items())[:6]]
    own = (
        b"name: x\nseed: 3\nlr: 1.0e-4\nmodel: {preset: mini, overrides: {history: false}}\n"
        b"data: {root: d, hold_out: [a, b]}\n"
    )
    return [*shipped, Seed("own.yaml", own)]


def read_yaml(file: Path) -> None:
    """Read a training configuration."""
    from vlp_rvos.training.train_config import load_config

    load_config(file)


def _small_model() -> Any:
    from vlp_rvos.models.backbones.clip import ClipBackbone, ClipConfig
    from vlp_rvos.models.model_config import ModelConfig
    from vlp_rvos.models.vlp_rvos import VLPRVOS

    sizes = ClipConfig(
        image_size=32,
        patch_size=16,
        vision_width=32,
        vision_layers=2,
        vision_heads=2,
        vision_mlp_width=32,
        text_width=32,
        text_layers=2,
        text_heads=2,
        text_mlp_width=32,
        context=8,
        vocab=64,
        shared_width=16,
    )
    config = ModelConfig(
        width=16, prompt_width=8, shallow_layers=(1,), str_blocks=1, str_heads=2, head_width=16, prompt_heads=2
    )
    return VLPRVOS(ClipBackbone(sizes, "clip-b16").freeze(), config)


def checkpoint_seeds() -> list[Seed]:
    """A checkpoint of a very small model."""
    import torch

    from vlp_rvos.models.checkpoint import save_trained

    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.safetensors"
        save_trained(file, _small_model(), {"steps": 1, "seconds": 1.0, "seed": 0, "validation": {}})
        return [Seed("model.safetensors", file.read_bytes())]


def read_checkpoint(file: Path) -> None:
    """Read a checkpoint's header, and load it into a model."""
    import torch

    from vlp_rvos.models.checkpoint import load_trained, peek

    torch.manual_seed(0)
    model = _small_model()
    each_form(lambda: peek(file), lambda: load_trained(model, file))
    if not all(bool(torch.isfinite(tensor).all()) for tensor in model.parameters()):
        raise AssertionError("weights that are not finite were loaded")


#: Reader -> (seeds, function that reads a file, share of mutations that treat the file as text, how many to try).
READERS: dict[str, tuple[Callable[[], list[Seed]], Callable[[Path], None], float, int]] = {
    "video": (video_seeds, read_video, 0.0, 6000),
    "json": (json_seeds, read_json_file, 0.8, 4000),
    "yaml": (yaml_seeds, read_yaml, 0.8, 4000),
    "rle": (rle_seeds, read_rle, 0.8, 4000),
    "png": (png_seeds, read_png, 0.0, 4000),
    "checkpoint": (checkpoint_seeds, read_checkpoint, 0.3, 4000),
}
#: What stands in the place of a value: numbers out of range, other types, control characters, deep nesting.
ODD = (
    *("-1", "0", "1e999", "-1e999", "NaN", "1.5", "99999999999999999999", "2147483648", "1000000000", "null", "true"),
    *(
        '""',
        "[]",
        "[[]]",
        "{}",
        '"\\u0000"',
        '"\\u001b[31m"',
        '"../../x"',
        '"\\ud800"',
        "2026-99-99",
        "!!int x",
        "&a [*a]",
    ),
    *("[" * 3000, '{"a":' * 3000, "'", "\ufeff", '"<script>"', "- x", "? y"),
)


def mutate(data: bytes, rng: random.Random, text: bool) -> bytes:
    """One to four changes to a file."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        data = _odd_value(data, rng) if text else _changed_bytes(data, rng)
    return data


def _odd_value(data: bytes, rng: random.Random) -> bytes:
    """A number, a quoted text or a word is replaced by something odd."""
    places = list(re.finditer(rb'"[^"]*"|-?\d[\d.eE+-]*|[A-Za-z_]\w+', data[: 1 << 16]))
    if not places:
        return data + rng.choice(ODD).encode("utf-8", "surrogatepass")
    place = rng.choice(places)
    return data[: place.start()] + rng.choice(ODD).encode("utf-8", "surrogatepass") + data[place.end() :]


def _changed_bytes(data: bytes, rng: random.Random) -> bytes:
    """Cut, flipped, removed, repeated, zeroed or random bytes."""
    if not data:
        return bytes([rng.randrange(256)])
    at = rng.randrange(len(data))
    if rng.random() < 0.3:
        at = rng.randrange(min(len(data), 256))  # headers are where it hurts
    length = min(len(data) - at, rng.choice((1, 2, 4, 16, 64, 1024)))
    kind = rng.randrange(7)
    if kind == 0:
        return data[:at]
    if kind == 1:
        return data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
    if kind == 2:
        return data[:at] + data[at + length :]
    if kind == 3:
        return data[:at] + data[at : at + length] * 2 + data[at + length :]
    if kind == 4:
        return data[:at] + bytes(length) + data[at + length :]
    if kind == 5:
        return data[:at] + rng.randbytes(length) + data[at + length :]
    return data[:at] + b"\xff" * length + data[at + length :]


def mutation(reader: str, seeds: Sequence[Seed], number: int) -> tuple[str, bytes]:
    """File name and content of one mutation."""
    rng = random.Random(f"{reader} {number}")
    seed = seeds[number % len(seeds)]
    return seed.name, mutate(seed.data, rng, rng.random() < READERS[reader][2])


def outcome(reader: str, name: str, data: bytes) -> tuple[str, str]:
    """("read" | "warned" | "refused" | "failed", what was said or the traceback)."""
    read = READERS[reader][1]
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        file = Path(folder) / name
        file.write_bytes(data)
        try:
            read(file)
        except UserError as error:
            message = str(error)
            unclear = "\n" in message or len(message) > 2000 or any(ord(c) < 32 or 127 <= ord(c) < 160 for c in message)
            return ("failed", f"not one clear line: {message[:300]!r}") if unclear else ("refused", message)
        except BaseException:
            return "failed", traceback.format_exc().replace(folder, "FOLDER")
        return ("warned" if caught else "read"), ""


def _serve(connection: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    # What is imported before the first file does not count as its time.
    import vlp_rvos.data.sources.coco
    import vlp_rvos.evaluation.html_report
    import vlp_rvos.evaluation.mask_folders
    import vlp_rvos.models.checkpoint
    import vlp_rvos.training.train_config  # noqa: F401

    connection.send("ready")
    while (job := connection.recv()) is not None:
        connection.send(outcome(*job))


class Worker:
    """A process that reads mutated files, and is replaced when one kills or stops it."""

    def __init__(self) -> None:
        self.context = multiprocessing.get_context("spawn")
        self._start()

    def _start(self) -> None:
        self.connection, theirs = self.context.Pipe()
        self.process = self.context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.connection.recv()

    def run(self, reader: str, name: str, data: bytes) -> tuple[str, str]:
        """The outcome for one file; a crash and a hang are outcomes too."""
        try:
            self.connection.send((reader, name, data))
            if self.connection.poll(SECONDS):
                return self.connection.recv()  # type: ignore[no-any-return]
            found = "failed", f"hangs for more than {SECONDS:g} s"
        except (EOFError, OSError):
            self.process.join()
            found = "failed", f"the process died ({self.process.exitcode})"
        self.process.kill()
        self._start()
        return found

    def stop(self) -> None:
        """End the process."""
        self.process.kill()


def main() -> int:
    """Try mutations, print a table, and every failure with the command that repeats it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=READERS, action="append", help="only this reader; repeatable")
    parser.add_argument("--count", type=int, help="mutations of each reader")
    parser.add_argument("--number", type=int, help="only this mutation, in this process")
    options = parser.parse_args()
    failed = 0
    print(
        "| reader | mutations | read | read with a warning | refused in one line | failed |\n|---|---|---|---|---|---|"
    )
    for reader in options.only or READERS:
        seeds, _, _, count = READERS[reader]
        files = seeds()
        if options.number is not None:
            print(*outcome(reader, *mutation(reader, files, options.number)), sep="\n")
            continue
        counts: Counter[str] = Counter()
        causes: dict[str, list[int]] = {}
        worker = Worker()
        for number in range(options.count or count):
            kind, said = worker.run(reader, *mutation(reader, files, number))
            counts[kind] += 1
            if kind == "failed":
                causes.setdefault(said.strip().rpartition("\n")[2][:200], []).append(number)
        worker.stop()
        total = sum(counts.values())
        cells = (reader, total, counts["read"], counts["warned"], counts["refused"], counts["failed"])
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
        for cause, numbers in causes.items():
            print(f"    {len(numbers)} x {cause}; python tools/fuzz.py --only {reader} --number {numbers[0]}")
        failed += counts["failed"]
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
