"""The whole `vlp-rvos segment` command on a generated clip or a video, against the model alone on the same frames.

    python benchmarks/segment_command.py --threads 2 --json segment.json --plot segment.png
    python benchmarks/segment_command.py --video dog.mp4
    python benchmarks/segment_command.py --runtime onnx --runtime openvino      # the command on these, against PyTorch

The command decodes, resizes, runs the model, makes masks at the size of the video, and writes overlay and files. It
takes turns with the model alone, whose inputs are ready. Everything runs in one process with loaded models; loading is
timed apart. Where the command embeds frames ahead (`vlp_rvos.inference.pipeline`), it is also timed without that.

The generated clip lasts ten seconds. Work before the first clip of the model and after its last one is the same for any
length, so it weighs more in a shorter video (`--frames 48`).

Processor times tell how small the ratio can become: the time of the model, and of FFmpeg alone, which decodes the
video, scales it for the network and encodes it again with nothing drawn.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from unittest.mock import patch

import torch
from benchmark_options import benchmark_parser, build_model, parse_options
from memory_length import make_clip

from vlp_rvos.arrays import Size
from vlp_rvos.cli.segment import segment
from vlp_rvos.export.writer import export_model
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.media.overlay_style import OverlayStyle
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_writer import VideoWriter
from vlp_rvos.media.yuv import copy_yuv_frame
from vlp_rvos.profiling.measurement_report import Measurement, write_report
from vlp_rvos.profiling.timing import time_alternately

WORDS = "the square"


def network_inputs(segmenter: Segmenter, video: Path) -> list[torch.Tensor]:
    """The network inputs of every clip, (1, T, 3, h, w) in [0, 1]."""
    source = open_video(video)
    size = segmenter.config.frame_size(source.info.height, source.info.width, segmenter.runtime.size_multiple)
    frames = source.read(size)
    clips = []
    while clip := list(itertools.islice(frames, segmenter.config.clip_length)):
        clips.append(torch.stack([torch.from_numpy(x.image).permute(2, 0, 1) / 255 for x in clip])[None].contiguous())
    return clips


def decode_and_encode(video: Path, size: Size, output: Path | None) -> None:
    """Do only what the command asks of FFmpeg; without an output, only decode and scale."""
    source = open_video(video)
    with contextlib.ExitStack() as stack:
        writer = None if output is None else stack.enter_context(VideoWriter(output, source.info.fps))
        for frame in source.read(size):
            if writer is not None:
                assert frame.yuv_frame is not None
                writer.write_yuv(copy_yuv_frame(frame.yuv_frame), frame.time, frame.yuv_frame)


def processor_seconds(run: Callable[[], object], rounds: int) -> float:
    """Median processor time of all threads in seconds."""
    seconds = []
    for _ in range(rounds):
        begun = time.process_time()
        run()
        seconds.append(time.process_time() - begun)
    return statistics.median(seconds)


def main() -> None:
    parser = benchmark_parser(__doc__, rounds=5, threads=2, plot=True)
    parser.add_argument("--model", default="mini")
    parser.add_argument("--video", type=Path, help="instead of a generated clip")
    parser.add_argument("--width", type=int, default=1920)
    parser.add_argument("--height", type=int, default=1080)
    parser.add_argument("--frames", type=int, default=250, help="frames of the generated clip, 25 a second")
    parser.add_argument("--runtime", action="append", default=[], choices=["onnx", "openvino"], help="beside PyTorch")
    arguments = parse_options(parser)
    began = time.perf_counter()
    network = build_model(arguments.model)
    loading = time.perf_counter() - began
    # One input size, whatever the size of the objects.
    side = network.config.input_size
    segmenter = Segmenter(network, arguments.model, size=side)
    segmenters = {"torch": segmenter}
    with tempfile.TemporaryDirectory() as name:
        # Not into the user's cache, whose content decides what commands run on.
        for runtime in arguments.runtime:
            export_model(network, Path(name) / runtime, runtime)
            segmenters[runtime] = Segmenter.from_pretrained(Path(name) / runtime, size=side)
        video, output = arguments.video or Path(name) / "clip.mp4", Path(name) / "out"
        if arguments.video is None:
            make_clip(video, arguments.frames / 25, arguments.width, arguments.height, 25)
        info = open_video(video).info
        clips = network_inputs(segmenter, video)
        text = segmenter.runtime.encode_text([WORDS])

        def model() -> None:
            state: object = None
            with torch.inference_mode():
                for clip in clips:
                    state = segmenter.runtime.step(clip, text, state).state

        def command(runtime: str = "torch", overlay: bool = True, ahead: bool = True) -> None:
            taken = segmenters[runtime].runtime
            with (
                contextlib.redirect_stdout(io.StringIO()),
                patch.object(Segmenter, "from_pretrained", lambda *_, **__: segmenters[runtime]),
                patch.object(taken, "embedding_cost", taken.embedding_cost if ahead else 0.0),
            ):
                segment(video, WORDS, output=output, overlay=overlay, look=OverlayStyle(), options=InferenceOptions())
            shutil.rmtree(output)

        forms = {"model": model, "command": command, "command, no overlay": partial(command, overlay=False)}
        if segmenter.runtime.embedding_cost:
            forms["command, without pipelined embedding"] = partial(command, ahead=False)
        forms |= {f"command, {runtime}": partial(command, runtime) for runtime in arguments.runtime}
        seconds = time_alternately(forms, arguments.rounds)
        height, width = clips[0].shape[-2:]
        copying = {
            "model": model,
            "decode and encode": partial(decode_and_encode, video, (height, width), Path(name) / "copy.mp4"),
            "decode": partial(decode_and_encode, video, (height, width), None),
        }
        processor = {form: processor_seconds(run, arguments.rounds) for form, run in copying.items()}
    ours = seconds["command"]
    bare = seconds["command, no overlay"]
    rows = [
        Measurement(
            f"{arguments.model}: whole segment command, {info.width}x{info.height} / model alone",
            ours / seconds["model"],
            1.15,
        ),
        Measurement(f"{arguments.model}: the same without overlay", bare / seconds["model"], 1.15),
        Measurement(
            f"{arguments.model}: the least, processor time of model, decoding and encoding / of the model",
            1 + processor["decode and encode"] / processor["model"],
        ),
        Measurement(f"{arguments.model}: the same without encoding", 1 + processor["decode"] / processor["model"]),
    ]
    if (behind := seconds.get("command, without pipelined embedding")) is not None:
        rows.append(Measurement(f"{arguments.model}: the command, with pipelined embedding / without", ours / behind))
    for runtime in arguments.runtime:
        what = f"{arguments.model}: whole segment command, {runtime} / PyTorch"
        rows.append(Measurement(what, seconds[f"command, {runtime}"] / ours))
    details = {
        "frames": sum(clip.shape[1] for clip in clips),
        "input": list(clips[0].shape[-2:]),
        "rounds": arguments.rounds,
        "median_seconds": seconds,
        "processor_seconds": processor,
        "loading_seconds": loading,
    }
    write_report(rows, details, arguments.json, arguments.plot)


if __name__ == "__main__":
    main()
