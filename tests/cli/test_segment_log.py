from __future__ import annotations

import logging

import pytest
from frame_results import INFO, result
from stubs import tiny_model

from vlp_rvos import Segmenter
from vlp_rvos.cli.segment_log import RunLogger
from vlp_rvos.utils.progress import ANNOUNCEMENTS


def test_stages_and_clips_are_told(caplog: pytest.LogCaptureFixture) -> None:
    segmenter = Segmenter(tiny_model(), device="cpu")
    length = segmenter.config.clip_length
    with caplog.at_level(logging.DEBUG, ANNOUNCEMENTS):
        log = RunLogger()
        log.opened(INFO)
        log.loaded(segmenter)
        for index in range(length + 2):
            log.frame(result(index))
        log.finished()
        log.done("completing the files")
    lines = caplog.messages
    assert lines[0] == "dog.mp4: about 10 frames of 64x48, 10 frames/s"
    assert "PyTorch" in lines[1]
    assert "device cpu, number format " in lines[2]
    starts = [line.rpartition(": ")[0] or line.partition(" took ")[0] for line in lines[3:]]
    clips = [f"clip 1, frames 0 to {length - 1}", f"clip 2, frames {length} to {length + 1}"]
    assert starts == ["loading", *clips, "segmenting", "completing the files"]
