"""What the benchmarks share: options, models and the form of their results."""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vlp_rvos.errors import UserError
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.models import checkpoint
from vlp_rvos.models.backbones import random_backbone
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.utils.atomic import write_json
from vlp_rvos.utils.output_files import prepare_output


def benchmark_parser(
    description: str | None, *, rounds: int | None = None, threads: int | None = None, plot: bool = False
) -> argparse.ArgumentParser:
    """A parser with `--json`, and with the other options that are asked for.

    Args:
        description: The docstring of the script.
        rounds: Default of `--rounds`; None for no such option.
        threads: Default of `--threads`; None for no such option.
        plot: Whether there is `--plot`.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    if rounds is not None:
        parser.add_argument("--rounds", type=int, default=rounds, help="timed runs of each form")
    if threads is not None:
        parser.add_argument("--threads", type=int, default=threads, help="threads of PyTorch")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers to this file")
    if plot:
        parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the numbers into this PNG file")
    return parser


def parse_options(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """Parse the command line, check what its outputs would replace, and set the number of PyTorch's threads.

    An output may replace numbers or a picture, as an earlier run leaves them, and nothing else.
    """
    arguments = parser.parse_args()
    try:
        for name, is_ours in (("json", _is_json), ("plot", _is_png)):
            if (path := getattr(arguments, name, None)) is not None:
                prepare_output(path, is_ours=is_ours)
    except UserError as error:
        parser.error(str(error))
    if getattr(arguments, "threads", None) is not None:
        torch.set_num_threads(arguments.threads)
    return arguments


def _is_json(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except (ValueError, RecursionError):
        return False


def _is_png(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8) == b"\x89PNG\r\n\x1a\n"


def has_weights(name: str) -> bool:
    """Whether this is a shipped model or a checkpoint file; other presets have a config only."""
    return name in checkpoint.shipped_models() or Path(name).is_file()


def build_model(name: str) -> VLPRVOS:
    """A model with its weights, or where it has none with random ones, which change no cost.

    Raises:
        UserError: An unknown model.
    """
    if has_weights(name):
        return checkpoint.load_model(name)
    torch.manual_seed(0)
    return VLPRVOS(random_backbone(name), ModelConfig.preset(name)).eval()


def read_clips(
    video: Path, config: ModelConfig, multiple: int, number: int = 2, *, size: tuple[int, int] | None = None
) -> list[Tensor]:
    """The first clips of a video, (1, T, 3, h, w) each, at the size that the model wants.

    Args:
        video: Video file.
        config: Config of the model, which says how long a clip is.
        multiple: `Backbone.size_multiple`.
        number: Number of clips.
        size: (h, w) in pixels; None for that of the config.

    Raises:
        UserError: The video cannot be read.
    """
    pictures = [frame.image for frame in itertools.islice(open_video(video), number * config.clip_length)]
    pixels = torch.stack([torch.from_numpy(picture.copy()) for picture in pictures]).permute(0, 3, 1, 2) / 255
    size = size or config.frame_size(*pixels.shape[-2:], multiple)
    frames = F.interpolate(pixels, size=size, mode="bilinear", align_corners=False, antialias=True)
    return [clip[None] for clip in frames.split(config.clip_length)]


def write_numbers(numbers: Mapping[str, Any], json_file: Path | None) -> None:
    """Print numbers as JSON, and write them to a file.

    Raises:
        UserError: The file cannot be written.
    """
    print(json.dumps(numbers, indent=1))
    if json_file is not None:
        write_json(json_file, numbers)
