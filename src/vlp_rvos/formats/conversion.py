"""Convert what `vlp-rvos segment` wrote into the format of another tool."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vlp_rvos.errors import UserError
from vlp_rvos.formats.coco_writer import CocoWriter
from vlp_rvos.formats.converted_folder import ConvertedFolder, check_converted_folder
from vlp_rvos.formats.cvat_zips import CvatCocoWriter, CvatMotsWriter
from vlp_rvos.formats.datumaro_writer import DatumaroWriter
from vlp_rvos.formats.effect_videos import (
    BlurWriter,
    HighlightWriter,
    ProResWriter,
    RemoveBackgroundWriter,
    WebmAlphaWriter,
)
from vlp_rvos.formats.fiftyone_writer import FiftyOneWriter
from vlp_rvos.formats.file_names import frame_stem
from vlp_rvos.formats.format_names import FORMATS
from vlp_rvos.formats.format_options import FormatOptions
from vlp_rvos.formats.format_writer import FormatWriter
from vlp_rvos.formats.image_sequences import ExrWriter, PngAlphaWriter
from vlp_rvos.formats.label_studio import LabelStudioBrushWriter, LabelStudioVideoWriter
from vlp_rvos.formats.palette_folders import DavisWriter, RefYouTubeVosWriter
from vlp_rvos.formats.segmented_video import SegmentedVideo
from vlp_rvos.formats.ytvis_writer import YtvisWriter
from vlp_rvos.utils.output_files import keep_input, prepare_output

__all__ = ["WRITERS", "check_conversion", "convert"]

WRITERS: dict[str, type[FormatWriter]] = {
    "davis": DavisWriter,
    "ref-youtube-vos": RefYouTubeVosWriter,
    "ytvis": YtvisWriter,
    "coco": CocoWriter,
    "cvat-coco": CvatCocoWriter,
    "cvat-mots": CvatMotsWriter,
    "label-studio": LabelStudioVideoWriter,
    "label-studio-brush": LabelStudioBrushWriter,
    "fiftyone": FiftyOneWriter,
    "datumaro": DatumaroWriter,
    "png-alpha": PngAlphaWriter,
    "prores4444": ProResWriter,
    "webm-alpha": WebmAlphaWriter,
    "exr": ExrWriter,
    "highlight": HighlightWriter,
    "blur": BlurWriter,
    "remove-background": RemoveBackgroundWriter,
}
"""Name of a format -> its writer."""


def check_conversion(
    name: str, target: Path, options: FormatOptions, video: Path | None, expressions: Sequence[str]
) -> None:
    """Check all that can be known before the results are read.

    Args:
        name: Name of the format.
        target: The folder that will be written.
        options: What was chosen about the format.
        video: The video that was segmented; None where it is not given.
        expressions: The E expressions.

    Raises:
        UserError: There is no such format, it does not heed an option, it needs the video or cannot hold it, a package
            is missing, or the folder would replace the video or something that no conversion wrote.
    """
    options.check(name)
    if FORMATS[name].needs_video and video is None:
        raise UserError(f"the format {name} needs the pixels: name the video with --video VIDEO")
    WRITERS[name].check(video, expressions)
    if video is not None:
        keep_input(video, [target])
    check_converted_folder(target)


def convert(
    results: SegmentedVideo,
    name: str,
    target: Path,
    options: FormatOptions | None = None,
    *,
    on_frame: Callable[[int], None] | None = None,
) -> int:
    """Convert results into the format of another tool, as a folder.

    The folder appears when it is complete. An earlier one is replaced if nothing in it was changed. Memory does not
    grow with the length of the video.

    Args:
        results: The results, with the video where its pixels are needed or shall be stored too.
        name: Name of the format; see `FORMATS`.
        target: The folder to write. The folder that it lies in is made if there is none.
        options: What was chosen about the format; None for the defaults.
        on_frame: Called after every frame with the number of frames done.

    Returns:
        The number of frames.

    Raises:
        UserError: See `check_conversion`; or the results or the video are damaged, or two frames have one name.
        OSError: The disk is full.

    Example:
        >>> convert(SegmentedVideo(Path("out")), "coco", Path("out/coco"))         # doctest: +SKIP
    """
    options = options or FormatOptions()
    # "." and ".." name no folder that could be moved into place.
    target = target.resolve() if target.name in ("", "..") else target
    check_conversion(name, target, options, results.header.video, results.header.expressions)
    prepare_output(target.parent, folder=True)
    done, stems = 0, set[str]()
    with ConvertedFolder(target) as output, WRITERS[name](output.part, results.header, options) as writer:
        for result in results:
            if (stem := frame_stem(result)) in stems:
                raise UserError(
                    f"{results.masks.path} has two frames that would be called {stem!r}: rename one of them"
                )
            stems.add(stem)
            writer.write(result)
            done += 1
            if on_frame is not None:
                on_frame(done)
    return done
