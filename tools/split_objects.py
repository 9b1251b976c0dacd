"""Split objects that a data set marks as one ("a person on a bike") into parts, by outlines drawn for this project.

    python tools/split_objects.py write DATA/davis16/train -o PARTS
    python tools/split_objects.py sheet DATA/davis16/train bmx-bumps -o sheet.png --frames 00000 00006 --drawn

`write` makes a folder in the Ref-YouTube-VOS layout without pictures: annotations and expressions of the parts, for a
source of the mixture that takes its `images` from DATA/davis16/train. `sheet` shows frames with a grid of their pixels,
to draw outlines on; with `--drawn` it shows the parts that are drawn already.

For each of its videos, `tools/split_objects.json` holds the names of the parts, their expressions, and outlines in some
keyframes. An outline lies loosely around a part. Pixels of the object inside it belong to that part, to the first one
where outlines overlap; all pixels without an outline belong to the last part. Between keyframes the signed distances to
the outlines are blended and moved with the centre of the object. Where that would drift, as behind a pole, keyframes
are dense; most of those were moved there from a neighbour by matching the pictures.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import binary_erosion, distance_transform_edt, shift
from script_options import errors_in_one_line, script_parser

from vlp_rvos.data.sources.files import read_json
from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.errors import VLPRVOSError
from vlp_rvos.media.palette import davis_palette
from vlp_rvos.utils.atomic import replace_file, write_bytes

OUTLINES = Path(__file__).with_suffix(".json")
COLOURS = ((255, 60, 60), (60, 200, 255), (255, 220, 0), (120, 255, 90))
LINES = ((128, 128, 128), (255, 255, 255))

Mask = NDArray[np.bool_]
Outlines = dict[str, list[list[list[float]]]]


def signed_distances(outlines: Outlines, parts: list[str], size: tuple[int, int]) -> NDArray[np.float64]:
    """(P - 1, H, W) signed distances to the outlines of all parts but the last, in pixels, positive inside."""
    maps = []
    for part in parts[:-1]:
        canvas = Image.new("1", size[::-1])
        for outline in outlines.get(part, []):
            ImageDraw.Draw(canvas).polygon([(x, y) for x, y in outline], fill=1)
        inside = np.asarray(canvas)
        far = float(sum(size))
        within, outside = distance_transform_edt(inside), distance_transform_edt(~inside)
        maps.append(within - outside if inside.any() else np.full(size, -far))
    return np.stack(maps)


def centre(mask: Mask) -> NDArray[np.float64]:
    """(y, x) of the centre of a mask; the centre of the picture where the mask is empty."""
    return np.argwhere(mask).mean(0) if mask.any() else np.array(mask.shape) / 2


def split(distances: NDArray[np.float64], whole: Mask) -> NDArray[np.uint8]:
    """(H, W) ids 1 .. P of the parts of an object, 0 outside it."""
    last = len(distances) + 1
    ids = np.full(whole.shape, last, dtype=np.uint8)
    for k in range(last - 1, 0, -1):
        ids[distances[k - 1] > 0] = k
    return ids * whole


def interpolate(video: dict[str, Any], frames: list[str], wholes: dict[str, Mask]) -> dict[str, NDArray[np.uint8]]:
    """(H, W) ids of the parts in every frame."""
    parts = list(video["parts"])
    drawings = {frames.index(key): outlines for key, outlines in video["keyframes"].items()}
    keys = sorted(drawings)
    masks = [wholes[frame] for frame in frames]
    distances = {key: signed_distances(drawings[key], parts, masks[key].shape) for key in keys}
    found = {}
    for position, mask in enumerate(masks):
        before = max((key for key in keys if key <= position), default=keys[0])
        after = min((key for key in keys if key >= position), default=keys[-1])
        carried = _moved(distances[before], centre(mask) - centre(masks[before]))
        if before < after:
            share = (position - before) / (after - before)
            ahead = _moved(distances[after], centre(mask) - centre(masks[after]))
            carried = (1 - share) * carried + share * ahead
        found[frames[position]] = split(carried, mask)
    return found


def _moved(distances: NDArray[np.float64], by: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(shift(distances, (0, *by), order=1, mode="nearest"))


def frames_of(dataset: YTVOSDataset, name: str) -> list[str]:
    """The frames of a video.

    Raises:
        VLPRVOSError: there is no such video.
    """
    for video in dataset.videos:
        if video.name == name:
            return list(video.frames)
    raise VLPRVOSError(f"{dataset.folder} has no video {name}")


def write(dataset: YTVOSDataset, videos: dict[str, Any], output: Path) -> None:
    """Write annotations and expressions of the parts."""
    meta = {}
    for name, video in videos.items():
        frames = frames_of(dataset, name)
        wholes = {frame: dataset.load_ids(name, frame) > 0 for frame in frames}
        folder = output / "Annotations" / name
        folder.mkdir(parents=True, exist_ok=True)
        for frame, ids in interpolate(video, frames, wholes).items():
            image = Image.fromarray(ids)
            image.putpalette(davis_palette().tobytes())
            replace_file(folder / f"{frame}.png", partial(image.save, format="png"))
        said = [(k, text) for k, texts in enumerate(video["parts"].values(), 1) for text in texts]
        expressions = {str(i): {"exp": text, "obj_id": str(k)} for i, (k, text) in enumerate(said)}
        meta[name] = {"expressions": expressions, "frames": frames}
    write_bytes(output / "meta_expressions.json", json.dumps({"videos": meta}, indent=1).encode())


def sheet(dataset: YTVOSDataset, name: str, frames: list[str], video: dict[str, Any] | None, side: int) -> Image.Image:
    """Frames around their object, magnified, with a grid every 10 pixels and the object's (or its parts') outlines."""
    listed = frames_of(dataset, name)
    wholes = {frame: dataset.load_ids(name, frame) > 0 for frame in listed}
    if video:
        ids = interpolate(video, listed, wholes)
    else:
        ids = {frame: whole.astype(np.uint8) for frame, whole in wholes.items()}
    tiles = [_tile(dataset.load_frame(name, frame), ids[frame], f"{name} {frame}", side) for frame in frames]
    columns = min(2, len(tiles))
    result = Image.new("RGB", (columns * side, -(-len(tiles) // columns) * side))
    for k, tile in enumerate(tiles):
        result.paste(tile, (k % columns * side, k // columns * side))
    return result


def _tile(pixels: NDArray[np.uint8], ids: NDArray[np.uint8], title: str, side: int) -> Image.Image:
    shown = ids if ids.any() else np.ones_like(ids)
    rows, columns = np.flatnonzero(shown.any(1)), np.flatnonzero(shown.any(0))
    top, left = max(rows[0] - 8, 0), max(columns[0] - 8, 0)
    bottom, right = min(rows[-1] + 9, ids.shape[0]), min(columns[-1] + 9, ids.shape[1])
    zoom = side / max(bottom - top, right - left)
    size = (round((right - left) * zoom), round((bottom - top) * zoom))
    image = Image.fromarray(pixels[top:bottom, left:right]).resize(size, Image.Resampling.BICUBIC)
    big = np.asarray(Image.fromarray(ids[top:bottom, left:right]).resize(size, Image.Resampling.NEAREST))
    canvas = np.array(image)
    for k in range(1, int(ids.max()) + 1):
        canvas[(big == k) & ~binary_erosion(big == k, iterations=2)] = COLOURS[(k - 1) % len(COLOURS)]
    image = Image.fromarray(canvas)
    draw = ImageDraw.Draw(image)
    for x in range(left - left % 10 + 10, right, 10):
        at = (x - left) * zoom
        draw.line([(at, 0), (at, size[1])], fill=LINES[x % 50 == 0])
        draw.text((at + 2, 12), str(x), fill=(255, 255, 0))
    for y in range(top - top % 10 + 10, bottom, 10):
        at = (y - top) * zoom
        draw.line([(0, at), (size[0], at)], fill=LINES[y % 50 == 0])
        draw.text((2, at + 1), str(y), fill=(255, 255, 0))
    draw.text((2, 0), title, fill=(255, 255, 255))
    tile = Image.new("RGB", (side, side))
    tile.paste(image)
    return tile


@errors_in_one_line
def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("action", choices=("write", "sheet"))
    parser.add_argument("data", type=Path, help="folder of the videos, in the Ref-YouTube-VOS layout")
    parser.add_argument("video", nargs="?", help="name of the video of the sheet")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--outlines", type=Path, default=OUTLINES)
    parser.add_argument("--frames", nargs="+", default=[], help="names of the frames of the sheet")
    parser.add_argument("--drawn", action="store_true", help="show the parts, not the whole object")
    parser.add_argument("--side", type=int, default=546, help="side of a frame of the sheet in pixels")
    arguments = parser.parse_args()
    dataset = YTVOSDataset(arguments.data)
    videos = read_json(arguments.outlines) if arguments.outlines.exists() else {}
    if arguments.action == "write":
        write(dataset, videos, arguments.output)
    else:
        video = videos[arguments.video] if arguments.drawn else None
        sheet(dataset, arguments.video, arguments.frames, video, arguments.side).save(arguments.output)


if __name__ == "__main__":
    sys.exit(main())
