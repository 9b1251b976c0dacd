from __future__ import annotations

import pytest

from vlp_rvos.data.picture_config import PictureSource


def test_values_out_of_range_and_collections_of_videos_are_refused() -> None:
    with pytest.raises(ValueError, match="foreign must be from 0 to 1"):
        PictureSource("pictures", foreign=1.5)
    with pytest.raises(ValueError, match="collections of clips"):
        PictureSource("clips", "videos", collections=("COCO",))
    with pytest.raises(ValueError, match="line_ups of clips"):
        PictureSource("clips", "videos", line_ups=3)
    with pytest.raises(ValueError, match="expressions of clips"):
        PictureSource("clips", "videos", expressions=("pictures",))
