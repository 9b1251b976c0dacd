"""A script for SAM 3 of `transformers` runs with our objects; ids stay, prompts come later, frames stream."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scripts import ROOT
from stubs import tiny_model
from torch import Tensor

from vlp_rvos import Segmenter, VideoModel, VideoProcessor
from vlp_rvos.errors import UserError
from vlp_rvos.inference import video_session
from vlp_rvos.media.video_writer import VideoWriter
from vlp_rvos.models.pointed_things import Mark
from vlp_rvos.runtimes.runtime import ClipPrediction, Runtime

RED, GREEN = "the red square", "the green square"


class ColourRuntime(Runtime):
    """Finds what has the colour that an expression names; counts its clips."""

    def __init__(self) -> None:
        self.config = tiny_model().config.replace(memory_frames=0, small_size=0, presence_threshold=0.5)
        self.size_multiple, self.device = 16, torch.device("cpu")
        self.clips: list[tuple[int, tuple[str, ...]]] = []

    def encode_text(self, expressions: Sequence[str]) -> tuple[str, ...]:
        return tuple(expressions)

    def step(
        self,
        frames: Tensor | Sequence[Any],
        text: Any,
        state: Any = None,
        pointed: int = 0,
        marks: Sequence[Mark] = (),
    ) -> ClipPrediction:
        assert isinstance(frames, Tensor)
        self.clips.append((frames.shape[1], text))
        channels = [next(i for i, word in enumerate(("red", "green", "blue")) if word in one) for one in text]
        logits = 20 * (frames[0, :, channels] - 0.5).transpose(0, 1)
        present = (logits > 0).flatten(2).any(-1)
        return ClipPrediction(logits, torch.where(present, 3.0, -3.0), None)


def video(length: int = 9) -> list[np.ndarray[Any, Any]]:
    """Black frames; a red square moves to the right, a green one is there from frame 3 on."""
    frames = [np.zeros((48, 64, 3), np.uint8) for _ in range(length)]
    for i, frame in enumerate(frames):
        frame[8:24, 2 * i : 2 * i + 16, 0] = 255
        if i >= 3:
            frame[30:46, 40:56, 1] = 255
    return frames


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> ColourRuntime:
    runtime = ColourRuntime()
    monkeypatch.setattr(Segmenter, "from_pretrained", lambda *_, **__: Segmenter(runtime))
    return runtime


@pytest.fixture
def model(runtime: ColourRuntime) -> VideoModel:
    return VideoModel.from_pretrained("mini")


PROCESSOR = VideoProcessor()


def scripts() -> tuple[str, str]:
    """The scripts for `transformers` and for us, as the page about Python shows them."""
    page = (ROOT / "docs" / "python.md").read_text()
    blocks = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    theirs = next(block for block in blocks if "from transformers import" in block)
    ours = next(block for block in blocks if "VideoModel as Sam3VideoModel" in block)
    return theirs, ours


def test_the_script_of_transformers_runs_unchanged_but_for_its_import(runtime: ColourRuntime) -> None:
    theirs, ours = scripts()
    changed = [(a, b) for a, b in zip(theirs.splitlines(), ours.splitlines(), strict=True) if a != b]
    assert [a for a, _ in changed] == [
        "from transformers import Sam3VideoModel, Sam3VideoProcessor",
        'checkpoint = "facebook/sam3"',
    ]
    names: dict[str, Any] = {"video_frames": video(), "device": "cpu", "prompts": [RED, GREEN]}
    exec(ours, names)
    whole, streamed = names["outputs_per_frame"], names["streamed_outputs"]
    assert sorted(whole) == sorted(streamed) == list(range(9))
    for outputs in (whole, streamed):
        assert outputs[0]["prompt_to_obj_ids"] == {RED: [0]}
        assert outputs[5]["prompt_to_obj_ids"] == {RED: [0], GREEN: [1]}
        assert outputs[5]["object_ids"].tolist() == [0, 1]
        assert outputs[5]["masks"].shape == (2, 48, 64)
        assert torch.allclose(outputs[5]["boxes"], torch.tensor([[10.0, 8, 25, 23], [40, 30, 55, 45]]), atol=1)
        assert (outputs[5]["scores"] > 0.9).all()


@pytest.mark.slow
def test_the_arguments_have_the_names_that_transformers_gives_them() -> None:
    theirs = pytest.importorskip("transformers.models.sam3_video.modeling_sam3_video")
    processing = pytest.importorskip("transformers.models.sam3_video.processing_sam3_video")
    pairs: list[tuple[Any, Any]] = [
        (theirs.Sam3VideoModel.propagate_in_video_iterator, VideoModel.propagate_in_video_iterator),
        (processing.Sam3VideoProcessor.add_text_prompt, VideoProcessor.add_text_prompt),
        (processing.Sam3VideoProcessor.postprocess_outputs, VideoProcessor.postprocess_outputs),
    ]
    for other, own in pairs:
        assert list(inspect.signature(own).parameters) == list(inspect.signature(other).parameters)
    fields = set(theirs.Sam3VideoSegmentationOutput.__dataclass_fields__)
    assert fields == set(video_session.VideoOutput.__dataclass_fields__)


def test_nothing_found_gives_empty_tensors(model: VideoModel) -> None:
    session = PROCESSOR.add_text_prompt(PROCESSOR.init_video_session(video()[:2]), GREEN)
    outputs = [PROCESSOR.postprocess_outputs(session, one) for one in model.propagate_in_video_iterator(session)]
    assert [one["masks"].shape for one in outputs] == [(0, 48, 64)] * 2
    assert outputs[0]["boxes"].shape == (0, 4)
    assert outputs[0]["prompt_to_obj_ids"] == {}


def test_a_prompt_that_is_added_later_counts_from_the_next_clip(model: VideoModel) -> None:
    length = model.segmenter.config.clip_length
    session = PROCESSOR.add_text_prompt(PROCESSOR.init_video_session(video(2 * length)), RED)
    found = []
    for output in model.propagate_in_video_iterator(session):
        found.append(output.object_ids)
        PROCESSOR.add_text_prompt(session, [RED, GREEN])
    assert found[length - 1] == [0]
    assert found[length] == [0, 1]
    assert session.prompts == {0: RED, 1: GREEN}
    again = [output["object_ids"] for output in model.propagate_in_video_iterator(session)]
    assert again[3] == [0, 1]


def test_a_prompt_is_added_while_frames_stream(model: VideoModel) -> None:
    session = PROCESSOR.add_text_prompt(PROCESSOR.init_video_session(), RED)
    for number, frame in enumerate(video()):
        if number == 6:
            PROCESSOR.add_text_prompt(session, GREEN)
        output = model(inference_session=session, frame=PROCESSOR(images=frame).pixel_values[0])
        assert output.frame_idx == number
        assert output.object_ids == ([0] if number < 6 else [0, 1])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"start_frame_idx": 3}, [3, 4]),
        # As in transformers, one frame more than is said.
        ({"max_frame_num_to_track": 2}, [0, 1, 2]),
        ({"start_frame_idx": 3, "reverse": True}, [2, 1, 0]),
        ({"start_frame_idx": 3, "max_frame_num_to_track": 2, "reverse": True}, [2, 1]),
        ({"start_frame_idx": 9}, []),
    ],
)
def test_which_frames(model: VideoModel, arguments: dict[str, Any], expected: list[int]) -> None:
    session = PROCESSOR.add_text_prompt(PROCESSOR.init_video_session(np.stack(video(5))), RED)
    outputs = list(model.propagate_in_video_iterator(session, **arguments))
    assert [output.frame_idx for output in outputs] == expected
    for output in outputs:
        columns = output.obj_id_to_mask[0][0].any(0).nonzero()
        assert abs(int(columns[0]) - 2 * output.frame_idx) <= 1


def test_a_file_is_read_clip_by_clip(model: VideoModel, runtime: ColourRuntime, tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "squares.mp4", 25) as writer:
        for number, frame in enumerate(video(2 * runtime.config.clip_length + 1)):
            writer.write(frame, number / 25)
    session = PROCESSOR.add_text_prompt(PROCESSOR.init_video_session(tmp_path / "squares.mp4"), RED)
    assert (session.video_height, session.video_width, session.num_frames) == (48, 64, None)
    outputs = model.propagate_in_video_iterator(session, start_frame_idx=1, max_frame_num_to_track=2)
    assert [output.frame_idx for output in outputs] == [1, 2, 3]
    first = next(model.propagate_in_video_iterator(session))
    assert first.object_ids == [0]
    assert runtime.clips[-1][0] == runtime.config.clip_length
    with pytest.raises(UserError, match="read forwards"):
        next(model.propagate_in_video_iterator(session, reverse=True))


def test_masks_of_another_size(model: VideoModel) -> None:
    session = PROCESSOR.add_text_prompt(PROCESSOR.init_video_session(video(1)), RED)
    output = model(inference_session=session, frame_idx=0)
    masks = PROCESSOR.postprocess_outputs(session, output, original_sizes=[[96, 128]])["masks"]
    assert masks.shape == (1, 96, 128)
    assert abs(int(masks.sum()) - 4 * int(output.obj_id_to_mask[0].sum())) == 0


def test_images_of_all_kinds() -> None:
    from PIL import Image

    frame = video(1)[0]
    tensor = torch.from_numpy(frame)
    for image in (frame, Image.fromarray(frame), tensor, tensor.permute(2, 0, 1), tensor.permute(2, 0, 1)[None]):
        inputs = PROCESSOR(images=image, device="cpu", return_tensors="pt")
        assert torch.equal(inputs["pixel_values"][0].permute(1, 2, 0), tensor)
        assert inputs.original_sizes == [[48, 64]]
    for wrong in (frame.astype(np.float32), frame[..., 0], np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ValueError, match="uint8 RGB"):
            PROCESSOR(images=wrong)
    with pytest.raises(ValueError, match="of one size"):
        PROCESSOR(images=[frame, frame[:9]])


def test_mistakes_have_one_line(model: VideoModel) -> None:
    empty = PROCESSOR.init_video_session(video(1))
    with pytest.raises(UserError, match="no prompt"):
        next(model.propagate_in_video_iterator(empty))
    with pytest.raises(UserError, match="empty prompt"):
        PROCESSOR.add_text_prompt(empty, " \u200d")
    PROCESSOR.add_text_prompt(empty, RED)
    with pytest.raises(UserError, match="has no frame 7"):
        model(inference_session=empty, frame_idx=7)
    with pytest.raises(UserError, match="counted from 0, not from -1"):
        model(inference_session=empty, frame_idx=-1)
    streaming = PROCESSOR.add_text_prompt(PROCESSOR.init_video_session(), RED)
    with pytest.raises(UserError, match="has no video"):
        next(model.propagate_in_video_iterator(streaming))
    with pytest.raises(UserError, match="pass frame"):
        model(inference_session=streaming)
    with pytest.raises(UserError, match="generator"):
        PROCESSOR.init_video_session(iter(video()))
    with pytest.raises(UserError, match="float64"):
        model.to(dtype=torch.float64)
    with pytest.raises(KeyError, match="frame_idx"):
        model(inference_session=empty, frame_idx=0)["masks"]


def test_a_session_begins_anew(model: VideoModel) -> None:
    session = PROCESSOR.add_text_prompt(PROCESSOR.init_video_session(), RED)
    frame = video(1)[0]
    assert [model(session, frame=frame).frame_idx for _ in range(2)] == [0, 1]
    session.reset_inference_session()
    assert model(session, frame=frame[:32]).frame_idx == 0
    session.reset_state()
    assert session.prompts == {}
