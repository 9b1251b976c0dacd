"""What all writers of formats share: they are closed after the last frame, and only let go after a failure."""

from __future__ import annotations

from pathlib import Path

import pytest
from written_formats import HEADER, RESULTS

from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.format_writer import FormatWriter
from vlp_rvos.media.frame_record import FrameRecord


class Recorder(FormatWriter):
    """Keeps what is called."""

    calls: list[str]

    def write(self, result: FrameRecord) -> None:
        self.calls.append(f"frame {result.index}")

    def close(self) -> None:
        self.calls.append("close")

    def discard(self) -> None:
        self.calls.append("discard")


def recorder(folder: Path) -> Recorder:
    writer = Recorder(folder, HEADER, FormatOptions())
    writer.calls = []
    return writer


def test_it_is_closed_after_the_last_frame(tmp_path: Path) -> None:
    with recorder(tmp_path) as writer:
        for one in RESULTS:
            writer.write(one)
    assert writer.calls == ["frame 0", "frame 1", "frame 2", "close"]


def test_after_a_failure_it_is_discarded_and_not_closed(tmp_path: Path) -> None:
    writer = recorder(tmp_path)
    with pytest.raises(KeyboardInterrupt), writer:
        raise KeyboardInterrupt
    assert writer.calls == ["discard"]


def test_a_format_takes_every_video_unless_it_says_otherwise(tmp_path: Path) -> None:
    for video in (None, tmp_path):
        Recorder.check(video, HEADER.expressions)


def test_a_writer_of_files_alone_needs_no_end_of_its_own(tmp_path: Path) -> None:
    class Plain(FormatWriter):
        def write(self, result: FrameRecord) -> None:
            (self.folder / result.name).write_text(self.header.name)

    with Plain(tmp_path, HEADER, FormatOptions()) as writer:
        writer.write(RESULTS[0])
    assert (tmp_path / "00000").read_text() == "dog"
