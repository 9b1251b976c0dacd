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
        ("a: \ud800", "special characters are not allowed"),
        ("!!int x", r"'x' is not a number .* \(line 1, column 1\)"),
        ("!!int ''", "'' is not a number"),
        ("1" * 5000, "is not a number of up to 4300 digits"),
        ("a: !!float x", r"'x' is not a number \(line 1, column 4\)"),
        ("!!float ''", "'' is not a number"),
        ("!!bool x", "'x' is not true or false"),
        ("!!timestamp 2026-99-99", "could not determine a constructor"),
        ("!!binary aGk=", "could not determine a constructor"),
        ("!!set {a}", "could not determine a constructor"),
        ("!own x", "could not determine a constructor"),
        ("!!map x", "expected a mapping node"),
        ("!!str [x]", "expected a scalar node"),
        ("<<: 1", "expected a mapping or list of mappings for merging"),
        ("&a [*a]", "an alias stands for what it is itself a part of"),
        ("&a {b: [1, *a]}", "an alias stands for what it is itself a part of"),
        ("*a", "found undefined alias"),
        ("[" * 60 + "]" * 60, "nested more than 50 levels deep"),
        ("[" * 100_000, "nested more than 50 levels deep"),
        ("a: " + "{b: " * 5000, "nested more than 50 levels deep"),
        ("- " * 5000, "nested more than 50 levels deep"),
        ('"a\\0b"', "holds NUL"),
        ('"\\ud800"', "half a character"),
        ("k" * 900 + ": 1\n" + "k" * 900 + ": 2", r"kkk\.\.\. \(820 characters left out\) \.\.\.kkk.* is given twice"),
    ],
)
def test_what_is_not_valid(text: str, message: str) -> None:
    with pytest.raises(UserError, match=f"^file: not valid YAML: .*{message}") as caught:
        read_yaml(text, "file")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("form", ["[{}]", "{{<<: [{}]}}"])
def test_small_texts_that_stand_for_large_ones_are_refused(form: str) -> None:
    lines = ["k0: &k0 {x: 1}"]
    for i in range(1, 10):
        lines.append(f"k{i}: &k{i} {form.format(', '.join([f'*k{i - 1}'] * 10))}")
    with pytest.raises(UserError, match="more than 100000 values") as caught:
        read_yaml("\n".join(lines), "file")
    assert len(str(caught.value)) < 200


def test_an_alias_may_be_used_again() -> None:
    assert read_yaml("a: &a [1, 2]\nb: [*a, *a]", "file") == {"a": [1, 2], "b": [[1, 2], [1, 2]]}
