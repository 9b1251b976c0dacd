"""How long segmenting a real video takes, beside the bare frozen networks alone.

    python benchmarks/frozen_share.py rhino "the rhino" "the bird" --threads 1 --json frozen-share.json

The first expression is timed alone, then all of them together. The frames are read and brought to the size of the
network input before; masks are made at that size. "stem" is the image stem without its classifier; the "frozen
networks" are the stem with it and the detector. Both see every frame, though the model runs the detector in key frames
only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from benchmark_options import benchmark_parser, parse_options
from PIL import Image
from torch import Tensor

from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.models.backbones.mini import MiniBackbone
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.profiling.measurement_report import Measurement, write_report
from vlp_rvos.profiling.timing import time_alternately
from vlp_rvos.runtimes.torch_runtime import TorchRuntime
from vlp_rvos.training.candidate_stage import picture_frames

Frames = list[npt.NDArray[np.uint8]]


def read_frames(video: Path, number: int, segmenter: Segmenter) -> Frames:
    """The first frames of a video, at the size of the network input."""
    frames = [frame.image for frame in islice(open_video(video).read(), number)]
    assert isinstance(segmenter.runtime, TorchRuntime)
    multiple = segmenter.runtime.model.backbone.size_multiple
    height, width = segmenter.config.frame_size(*frames[0].shape[:2], multiple)
    return [np.array(Image.fromarray(frame).resize((width, height))) for frame in frames]


def frozen(segmenter: Segmenter, frames: Frames, *, everything: bool) -> Callable[[], None]:
    """A run of the frozen networks over the frames, one by one, as the model does it; or of the stem alone."""
    runtime = segmenter.runtime
    assert isinstance(runtime, TorchRuntime)
    model, images = runtime.model, [picture_frames(runtime.model, frame)[0] for frame in frames]

    def run() -> None:
        with torch.inference_mode(), runtime.autocast():
            for image in images:
                _see(model, image, everything)

    return run


def _see(model: VLPRVOS, image: Tensor, everything: bool) -> None:
    assert isinstance(model.backbone, MiniBackbone)
    assert model.candidate_path is not None
    normalized = model.backbone.normalize(image).contiguous(memory_format=torch.channels_last)
    if everything:
        model.backbone.stem_maps(normalized)
        model.candidate_path.detect(image)
    else:
        model.backbone.stem.forward_features(normalized)


def whole(segmenter: Segmenter, frames: Frames, expressions: Sequence[str]) -> Callable[[], None]:
    """A run of the whole model over the frames."""

    def run() -> None:
        for _ in segmenter.segment(frames, list(expressions)):
            pass

    return run


def main() -> None:
    parser = benchmark_parser(__doc__, rounds=5, threads=1)
    parser.add_argument("video", type=Path, help="video file or folder of frames")
    parser.add_argument("expressions", nargs="+", metavar="EXPRESSION")
    parser.add_argument("--frames", type=int, default=24, help="number of frames, from the start of the video")
    arguments = parse_options(parser)
    own = Segmenter.from_pretrained("mini", device="cpu")
    dense = Segmenter.from_pretrained("mini", device="cpu", overrides={"candidates": 0})
    frames = read_frames(arguments.video, arguments.frames, own)
    one, every = arguments.expressions[:1], arguments.expressions
    seconds = time_alternately(
        {
            "stem": frozen(own, frames, everything=False),
            "frozen networks": frozen(own, frames, everything=True),
            "dense head": whole(dense, frames, one),
            "model": whole(own, frames, one),
            "model, all expressions": whole(own, frames, every),
        },
        arguments.rounds,
    )
    rows = [
        Measurement("without candidates, one expression / stem", seconds["dense head"] / seconds["stem"]),
        Measurement("one expression / stem", seconds["model"] / seconds["stem"]),
        Measurement("one expression / frozen networks", seconds["model"] / seconds["frozen networks"], 1.6),
    ]
    if more := len(every) - 1:
        further = (seconds["model, all expressions"] - seconds["model"]) / more
        rows.append(Measurement("each further expression / the first", further / seconds["model"], 0.15))
    write_report(rows, {"frames": len(frames), "seconds": seconds}, arguments.json, None)


if __name__ == "__main__":
    main()
