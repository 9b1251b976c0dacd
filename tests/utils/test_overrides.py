from __future__ import annotations

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.utils.overrides import apply_overrides


def test_values() -> None:
    texts = [
        "attention=frame",
        "temporal_capture=false",
        "blocks = 2",
        "scale=0.5",
        "layers=[4, 8]",
        "name=a=b",
        "x=null",
        "answer=no",
        "word='12'",
    ]
    assert apply_overrides({}, texts) == {
        "attention": "frame",
        "temporal_capture": False,
        "blocks": 2,
        "scale": 0.5,
        "layers": [4, 8],
        "name": "a=b",
        "x": None,
        "answer": "no",
        "word": "12",
    }


def test_keys_below_keys() -> None:
    values = {"data": {"root": "a", "seed": 0}, "model": None, "schedule": {"kind": "step", "gamma": 0.1}, "lr": 1}
    texts = ["data.seed=7", "data.root=b", "model.overrides.width=64", "schedule={kind: cosine}", "new.key=1"]
    assert apply_overrides(values, texts) == {
        "data": {"root": "b", "seed": 7},
        "model": {"overrides": {"width": 64}},
        # A mapping replaces what was there.
        "schedule": {"kind": "cosine"},
        "lr": 1,
        "new": {"key": 1},
    }
    assert values["data"] == {"root": "a", "seed": 0}
    assert values["model"] is None


@pytest.mark.parametrize("text", ["attention", "=frame", "attention=", "attention= ", "a..b=1", ".a=1", "a.=1", ""])
def test_what_is_no_override(text: str) -> None:
    with pytest.raises(UserError, match=f"setting '{text}'; write key=value or key.key=value"):
        apply_overrides({}, [text])


@pytest.mark.parametrize("texts", [["a.b=1", "a.b=2"], ["a.b=1", "a.b.c=2"], ["a.b.c=1", "a.b={c: 2}"]])
def test_a_setting_is_given_once(texts: list[str]) -> None:
    with pytest.raises(UserError, match=r"the setting 'a\.b(\.c)?' is given twice"):
        apply_overrides({}, texts)


def test_values_without_keys() -> None:
    with pytest.raises(UserError, match=r"setting 'steps\.x=3': 'steps' holds a value, not keys"):
        apply_overrides({"steps": 5}, ["steps.x=3"])


def test_values_that_are_not_yaml() -> None:
    with pytest.raises(UserError, match=r"^setting 'a=\[1': not valid YAML: "):
        apply_overrides({}, ["a=[1"])


def test_a_name_that_is_not_utf8_is_text() -> None:
    assert apply_overrides({}, ["data.root=caf\udce9: [x"]) == {"data": {"root": "caf\udce9: [x"}}
