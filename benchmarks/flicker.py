"""Flicker of masks on videos without true masks: their mean IoU with the masks of the frame before, warped by motion.

    python benchmarks/flicker.py street.mp4 "the red car" "the dog" --model mini --model runs/new/model.safetensors

A larger number is steadier. Frames in which a mask and the one before are both empty do not count, so an expression
that a model rarely finds says little: `pairs` is the number of pairs of frames that count.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmark_options import benchmark_parser, parse_options, write_numbers

from vlp_rvos.evaluation.flicker import FlickerMeter
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.inference.segmenter import Segmenter


def measure(model: str, video: Path, expressions: list[str], options: InferenceOptions, every: int) -> dict[str, Any]:
    """Mean IoU of all counted pairs of frames, and of each expression."""
    meter, frames = FlickerMeter(len(expressions)), 0
    segmenter = Segmenter.from_pretrained(model, options)
    for frame in segmenter.segment(video, expressions, every=every):
        meter.add(frame.image, frame.masks)
        frames += 1
    pairs = [iou for ious in meter.ious for iou in ious]
    return {
        "frames": frames,
        "mean_iou": sum(pairs) / len(pairs) if pairs else None,
        "expressions": {
            text: {"mean_iou": mean, "pairs": len(ious)}
            for text, mean, ious in zip(expressions, meter.means, meter.ious, strict=True)
        },
    }


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("video", type=Path, help="video file or folder of frames")
    parser.add_argument("expressions", nargs="+", metavar="EXPRESSION")
    parser.add_argument("--model", action="append", help="model to measure; repeat it to compare (default: mini)")
    parser.add_argument("--every", type=int, default=1, help="take every Nth frame only")
    parser.add_argument("--presence-threshold", type=float, help="presence below which a mask is left empty")
    parser.add_argument("--memory-frames", type=int, help="number of earlier frames whose masks are carried along")
    parser.add_argument("--device", default="auto")
    arguments = parse_options(parser)
    options = InferenceOptions(
        device=arguments.device,
        presence_threshold=arguments.presence_threshold,
        memory_frames=arguments.memory_frames,
    )
    measured = {
        model: measure(model, arguments.video, arguments.expressions, options, arguments.every)
        for model in dict.fromkeys(arguments.model or ["mini"])
    }
    write_numbers({"video": arguments.video.name, "models": measured}, arguments.json)


if __name__ == "__main__":
    main()
