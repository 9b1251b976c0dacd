"""Settings from the command line."""

from __future__ import annotations

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.utils.overrides import parse_overrides


def test_overrides() -> None:
    texts = [
        "attention=frame",
        "temporal_capture=false",
        "blocks = 2",
        "scale=0.5",
        "layers=[4, 8]",
        "name=a=b",
        "x=null",
    ]
    assert parse_overrides(texts) == {
        "attention": "frame",
        "temporal_capture": False,
        "blocks": 2,
        "scale": 0.5,
        "layers": [4, 8],
        "name": "a=b",
        "x": None,
    }
    for bad in ("attention", "=frame", "attention="):
        with pytest.raises(UserError, match="write key=value"):
            parse_overrides([bad])
    with pytest.raises(UserError, match="given twice"):
        parse_overrides(["a=1", "a=2"])
