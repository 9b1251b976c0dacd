from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlp_rvos.errors import UserError
from vlp_rvos.utils.yaml_reader import read_yaml

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=("Cs", "Cc")))
)
VALUES = st.recursive(
    SCALARS,
    lambda below: st.lists(below, max_size=4) | st.dictionaries(st.text("abc12", max_size=3), below, max_size=4),
)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(VALUES)
def test_json_reads_as_with_a_json_reader(value: object) -> None:
    text = json.dumps(value)
    assert json.dumps(read_yaml(text, "file")) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12", 12),
        ("-3", -3),
        ("010", 10),
        ("20_000", 20000),
        ("0.5", 0.5),
        (".5", 0.5),
        ("5e-5", 5e-5),
        ("1E3", 1000.0),
        ("-.inf", -math.inf),
        ("[4, 8]", [4, 8]),
        ("{a: 1, b: [x]}", {"a": 1, "b": ["x"]}),
        ("'12'", "12"),
        ("''", ""),
        ("frame", "frame"),
        ("a=b", "a=b"),
        ("1.5.2", "1.5.2"),
        ("runs/1/model.safetensors", "runs/1/model.safetensors"),
        # YAML 1.1 has other ideas about these.
        ("yes", "yes"),
        ("No", "No"),
        ("on", "on"),
        ("off", "off"),
        ("1:30", "1:30"),
        ("2024-05-01", "2024-05-01"),
        ("0x10", "0x10"),
        ("=", "="),
    ],
)
def test_what_a_value_means(text: str, expected: object) -> None:
    found = read_yaml(text, "file")
    assert found == expected
    assert type(found) is type(expected)


def test_mappings_may_be_merged() -> None:
    text = "base: &base {a: 1, b: 2}\nmore: {<<: *base, b: 3}"
    assert read_yaml(text, "file") == {"base": {"a": 1, "b": 2}, "more": {"a": 1, "b": 3}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\nb: {c: 1,\n c: 2}", r"key 'c' is given twice \(line 3, column 2\)"),
        ("a: 1\na: 1", r"key 'a' is given twice \(line 2, column 1\)"),
        ("[1, 2", r"expected ',' or ']', but got '<stream end>' \(line 1, column 6\)"),
        ("@home", "character '@' that cannot start"),
        ("{[1]: 2}", "unhashable key"),
        ("!!python/object:os.system x", "could not determine a constructor"),
        ("a: \x01", "special characters are not allowed"),
    ],
)
def test_what_is_not_valid(text: str, message: str) -> None:
    with pytest.raises(UserError, match=f"^file: not valid YAML: .*{message}") as caught:
        read_yaml(text, "file")
    assert "\n" not in str(caught.value)
