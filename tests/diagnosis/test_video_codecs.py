from __future__ import annotations

import pytest

from vlp_rvos.diagnosis import video_codecs
from vlp_rvos.diagnosis.video_codecs import diagnose_codecs


def test_codecs_and_a_round_trip() -> None:
    codecs, video = diagnose_codecs()
    assert codecs.data["decode"]["H.264"]
    assert codecs.data["decode"].keys() == {"H.264", "HEVC", "VP9", "AV1", "ProRes"}
    assert (video.status, video.data) == ("ok", {"frames": 3})


def test_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_codecs, "CODECS", {"Odd": (("no_such_codec",), ("no_such_codec",))})

    def fail(*_: object) -> None:
        raise ValueError("no encoder")

    monkeypatch.setattr(video_codecs, "VideoWriter", fail)
    codecs, video = diagnose_codecs()
    assert codecs.status == "gap"
    assert codecs.text.startswith("reads nothing; writes nothing")
    assert codecs.advice
    assert (video.status, video.text) == ("failure", "a video cannot be written and read back (ValueError: no encoder)")
