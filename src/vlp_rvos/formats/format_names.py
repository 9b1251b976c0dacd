"""The formats that results can be converted to: what each is for, what it needs, and which options it takes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FORMATS", "FormatEntry"]


@dataclass(frozen=True)
class FormatEntry:
    """One format.

    Attributes:
        summary: What is written, in half a sentence.
        needs_video: Whether the pixels of the video are needed. Formats that do not need them store the frames or the
            video too where they are given.
        options: Names of the fields of `FormatOptions` that the format heeds.
    """

    summary: str
    needs_video: bool = False
    options: tuple[str, ...] = ()


FORMATS = {
    "davis": FormatEntry("palette PNG folders of DAVIS 2017"),
    "ref-youtube-vos": FormatEntry("palette PNG folders and meta_expressions.json of Ref-YouTube-VOS"),
    "ytvis": FormatEntry("JSON of YouTube-VIS, one track for each expression"),
    "coco": FormatEntry("JSON of COCO, one image for each frame"),
    "cvat-coco": FormatEntry("zip file 'COCO 1.0' of CVAT"),
    "cvat-mots": FormatEntry("zip file 'MOTS PNG 1.0' of CVAT, with tracks"),
    "label-studio": FormatEntry("task of Label Studio with video rectangles or outlines", options=("vector",)),
    "label-studio-brush": FormatEntry("image tasks of Label Studio with brush masks"),
    "fiftyone": FormatEntry("video labels of FiftyOne with instance masks", needs_video=True),
    "datumaro": FormatEntry("JSON of Datumaro"),
    "png-alpha": FormatEntry("cut-outs as a sequence of transparent PNGs", needs_video=True, options=("each",)),
    "prores4444": FormatEntry("cut-outs as ProRes 4444 with alpha", needs_video=True, options=("each",)),
    "webm-alpha": FormatEntry("cut-outs as VP9 with alpha", needs_video=True, options=("each",)),
    "exr": FormatEntry("mattes as a sequence of OpenEXR files"),
    "highlight": FormatEntry("video in which all else is dimmed", needs_video=True, options=("each",)),
    "blur": FormatEntry("video in which the thing or all else is blurred", needs_video=True, options=("blur", "each")),
    "remove-background": FormatEntry(
        "video in which all else has one colour", needs_video=True, options=("colour", "each")
    ),
}
"""Name of a format -> what it is."""
