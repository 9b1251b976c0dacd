"""Which video codecs can be read and written here."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.codec.codec import UnknownCodecError

from vlp_rvos.diagnosis.finding import Finding
from vlp_rvos.media.video_reader import open_video
from vlp_rvos.media.video_writer import VideoWriter

__all__ = ["CODECS", "diagnose_codecs"]

#: Codec -> decoders and encoders in software, any of which will do.
CODECS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "H.264": (("h264",), ("libx264", "libopenh264")),
    "HEVC": (("hevc",), ("libx265",)),
    "VP9": (("vp9", "libvpx-vp9"), ("libvpx-vp9",)),
    "AV1": (("libdav1d", "libaom-av1"), ("libsvtav1", "libaom-av1", "librav1e")),
    "ProRes": (("prores",), ("prores_ks", "prores")),
}
ADVICE = "install PyAV from its wheel, which brings its own FFmpeg: pip install --force-reinstall --only-binary av av"


def diagnose_codecs() -> Iterator[Finding]:
    """Findings for the codecs, and for a video that is written and read back."""
    reads = {name: _has(decoders, "r") for name, (decoders, _) in CODECS.items()}
    writes = {name: _has(encoders, "w") for name, (_, encoders) in CODECS.items()}
    versions = {name: ".".join(map(str, version)) for name, version in av.library_versions.items()}
    lacking = [name for name, found in reads.items() if not found]
    text = f"reads {_list(reads)}; writes {_list(writes)} (libavcodec {versions.get('libavcodec', '?')})"
    data = {"decode": reads, "encode": writes, "libraries": versions}
    if lacking:
        yield Finding("codecs", f"{text}; cannot read {', '.join(lacking)}", "gap", ADVICE, data)
    else:
        yield Finding("codecs", text, data=data)
    yield _round_trip()


def _has(names: tuple[str, ...], mode: str) -> bool:
    for name in names:
        try:
            av.Codec(name, mode)  # type: ignore[arg-type]
            return True
        except UnknownCodecError:
            continue
    return False


def _list(found: dict[str, bool]) -> str:
    return ", ".join(name for name, there in found.items() if there) or "nothing"


def _round_trip() -> Finding:
    """Write a video as `segment` writes its overlay, and read it back."""
    frames = [np.full((32, 48, 3), 40 * t, np.uint8) for t in range(3)]
    try:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "test.mp4"
            with VideoWriter(file, 10.0) as writer:
                for t, frame in enumerate(frames):
                    writer.write(frame, t / 10)
            read = [frame.image for frame in open_video(file)]
    # Whatever goes wrong here goes wrong in the main job too.
    except Exception as error:
        text = f"a video cannot be written and read back ({type(error).__name__}: {error})"
        return Finding("overlay video", text, "failure", ADVICE)
    return Finding("overlay video", f"{len(read)} frames written and read back", data={"frames": len(read)})
