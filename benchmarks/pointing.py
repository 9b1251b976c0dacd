"""How well a thing is followed after one click on it, against the noun that describes it: J on videos with true masks.

    python benchmarks/pointing.py DATA --every 2
    python benchmarks/pointing.py DATA --video bear --video bus --no-words

DATA is a folder in the Ref-YouTube-VOS layout (`JPEGImages/`, `Annotations/`, `meta_expressions.json`). The click is on
the pixel of the true mask that lies deepest inside it: in the first annotated frame, and in the middle one, from which
the thing is followed both ways. The first expression of each thing is said of the same frames. The mean J of a thing is
that over its annotated frames but the clicked one, and the result is the mean over things.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from benchmark_options import benchmark_parser, parse_options, write_numbers
from scipy.ndimage import distance_transform_edt

from vlp_rvos.data.sources.files import read_json
from vlp_rvos.evaluation.davis import region_similarity
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.inference.pointing import Point
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.media.image_files import read_object_ids
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.utils.progress import announced

Mask = npt.NDArray[np.bool_]
#: What is compared, in the order of the masks of a run.
FORMS = ("words", "first", "middle")


@dataclass(frozen=True)
class Thing:
    """A thing of a video: its noun, and its true mask in the annotated frames, by name; (H, W) bool."""

    noun: str
    masks: dict[str, Mask]


def read_things(data: Path, video: str, entry: dict[str, Any], names: Sequence[str]) -> dict[str, Thing]:
    """The things of a video, by object id, that can be seen in one of the named frames."""
    files = {name: data / "Annotations" / video / f"{name}.png" for name in names}
    ids = {name: read_object_ids(file) for name, file in files.items() if file.exists()}
    nouns: dict[str, str] = {}
    for expression in entry["expressions"].values():
        nouns.setdefault(str(expression["obj_id"]), expression["exp"])
    things = {key: Thing(noun, {name: ids[name] == int(key) for name in ids}) for key, noun in nouns.items()}
    return {key: thing for key, thing in things.items() if any(mask.any() for mask in thing.masks.values())}


def deepest(mask: Mask) -> tuple[int, int]:
    """x and y of the pixel of a mask that is farthest from its outline."""
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(depth.argmax(), depth.shape)
    return int(column), int(row)


def measure(
    segmenter: Segmenter, folder: Path, things: dict[str, Thing], every: int, forms: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Mean J of each thing and form, by object id. All forms share one run, in which nothing else is pointed at."""
    times = {frame.name: frame.time for frame in open_video(folder, every=every)}
    clicked: dict[tuple[str, str], str] = {}
    points = []
    for form in forms:
        for key, thing in things.items():
            shown = [name for name in times if name in thing.masks and thing.masks[name].any()]
            # The frames that count for words are those that count for the click in the first frame.
            clicked[form, key] = name = shown[len(shown) // 2 if form == "middle" else 0]
            if form != "words":
                x, y = deepest(thing.masks[name])
                points.append(Point(x + 0.5, y + 0.5, times[name], name=f"{form} {key}"))
    words = [thing.noun for thing in things.values()] if "words" in forms else []
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    for result in segmenter.segment(open_video(folder, every=every), words, points=points):
        for (form, key), mask in zip(clicked, result.masks, strict=True):
            masks = things[key].masks
            if result.name in masks and result.name != clicked[form, key]:
                scores[form, key].append(float(region_similarity(mask, masks[result.name])))
    return {key: {form: float(np.mean(scores[form, key])) for form in forms if scores[form, key]} for key in things}


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("data", type=Path, metavar="DATA", help="folder in the Ref-YouTube-VOS layout")
    parser.add_argument("--video", action="append", help="measure on this video; repeat it (default: all)")
    parser.add_argument("--every", type=int, default=1, help="take every Nth frame only")
    parser.add_argument("--model", default="mini")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--no-words", action="store_true", help="leave out the expressions")
    arguments = parse_options(parser)
    forms = FORMS[1:] if arguments.no_words else FORMS
    segmenter = Segmenter.from_pretrained(arguments.model, InferenceOptions(device=arguments.device))
    videos = read_json(arguments.data / "meta_expressions.json")["videos"]
    measured = {}
    for video in sorted(arguments.video or videos):
        folder = arguments.data / "JPEGImages" / video
        names = [frame.name for frame in open_video(folder, every=arguments.every)]
        with announced(video):
            things = read_things(arguments.data, video, videos[video], names)
            found = measure(segmenter, folder, things, arguments.every, forms)
        measured |= {f"{video}/{key}": scores for key, scores in found.items()}
    means = {form: float(np.mean([scores[form] for scores in measured.values() if form in scores])) for form in forms}
    write_numbers({"things": len(measured), "mean_j": means, "videos": measured}, arguments.json)


if __name__ == "__main__":
    main()
