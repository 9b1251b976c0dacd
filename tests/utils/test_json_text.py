from __future__ import annotations

import json
import os

import pytest

from vlp_rvos.utils.json_text import json_text


def test_plain_values_are_json_as_it_is() -> None:
    content = {"name": "the café\n\x1b", "values": [1, 2.5, None, True], "path": "a\\b"}
    assert json_text(content) == json.dumps(content, ensure_ascii=False)
    assert json_text(content, indent=1) == json.dumps(content, ensure_ascii=False, indent=1)


def test_names_that_are_not_utf8_become_visible_text() -> None:
    name = os.fsdecode(b"caf\xe9\xff.mp4")
    text = json_text({name: [name, "\ud800"]})
    text.encode()
    assert json.loads(text) == {r"caf\xe9\xff.mp4": [r"caf\xe9\xff.mp4", r"\ud800"]}


def test_ascii_alone() -> None:
    content = {os.fsdecode(b"caf\xe9"): "the café \U0001f600\x7f\n"}
    text = json_text(content, ascii_only=True)
    assert text.isascii()
    assert text.isprintable()
    assert json.loads(text) == {r"caf\xe9": "the café \U0001f600\x7f\n"}


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_does_not_have_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_text([value])
