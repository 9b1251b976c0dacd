"""Reading pickles of plain data."""

from __future__ import annotations

import collections
import os
import pickle
from pathlib import Path
from typing import Any

import image_miniatures as mini
import numpy as np
import pytest

from vlp_rvos.data.benchmarks import unpickle
from vlp_rvos.errors import UserError


def load(tmp_path: Path, data: bytes) -> Any:
    file = tmp_path / "refs(unc).p"
    file.write_bytes(data)
    return unpickle.load_plain(file)


PLAIN = [
    {"a": [1, -5, 300, 70000, 2**40, -(2**70)], "b": (1.5, -0.25), "c": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4))},
    [True, False, None, "", "café ☃ 🐕", "line\nbreak 'quoted' \\", {}, [[]], {1: "one", "two": 2}],
]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_of_every_protocol(tmp_path: Path, protocol: int) -> None:
    shared = ["one list"]
    value = [*PLAIN, shared, shared, list(range(3000)), ["x" * 300, "y" * 70000]]
    result = load(tmp_path, pickle.dumps(value, protocol))
    assert result == value
    assert result[2] is result[3]


def test_strings_of_python_2(tmp_path: Path) -> None:
    assert load(tmp_path, mini.python2_pickle(["café", {"née": 1}])) == ["café", {"née": 1}]
    assert load(tmp_path, mini.python2_pickle(["café"], encoding="latin-1")) == ["café"]
    assert load(tmp_path, b"(lp0\nS'sent_ids'\np1\naI12\naVcaf\xe9\np2\na(dp3\ng1\nL5L\nsa.") == [
        "sent_ids",
        12,
        "café",
        {"sent_ids": 5},
    ]


class Evil:
    """Runs a command when it is unpickled by a reader that allows it."""

    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (self.command,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_malicious_pickle_is_refused_and_nothing_runs(tmp_path: Path, protocol: int) -> None:
    mark = tmp_path / "mark"
    data = pickle.dumps([{"split": Evil(f"touch {mark}")}], protocol)
    pickle.loads(data)
    assert mark.exists()
    mark.unlink()
    with pytest.raises(UserError, match=r"is refused: it holds (posix|nt)\.system; only") as refusal:
        load(tmp_path, data)
    assert "\n" not in str(refusal.value)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        (pickle.dumps(np.zeros(3)), "numpy"),
        (pickle.dumps(collections.OrderedDict(a=1), 2), r"collections\.OrderedDict"),
        (pickle.dumps({1, 2}, 4), "EMPTY_SET"),
        (pickle.dumps(b"bytes", 4), "SHORT_BINBYTES"),
        (b"(S'touch /tmp/x'\nios\nsystem\n.", r"os\.system"),
        (b"Pperson\n.", "PERSID"),
        (b"\x80\x02]}b.", "BUILD"),
        (b"\x80\x02\x82\x01.", "EXT1"),
    ],
)
def test_everything_else_is_refused_by_name(tmp_path: Path, data: bytes, refused: str) -> None:
    with pytest.raises(UserError, match=f"it holds .*{refused}"):
        load(tmp_path, data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no pickle",
        pickle.dumps(PLAIN, 2)[:-10],
        b"\x80\x02.",
        b"\x80\x02]]."[:-1] + b"e.",
        b"\x80\x02h\x05.",
        b"\x80\x02K\x01K\x02a.",
        b"\x80\x02}(K\x01u.",
        b"\x80\x02}(]K\x01u.",
        b"\x80\x02\x86.",
        b"\x80\x02T\xff\xff\xff\x7fabc.",
        b"\x80\x02]]" + b".",
    ],
)
def test_damaged_pickles(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(UserError, match="is not a whole pickle"):
        load(tmp_path, data)


def test_large_place_in_the_memo_takes_no_memory(tmp_path: Path) -> None:
    assert load(tmp_path, b"\x80\x02]r\xff\xff\xff\xff.") == []


def test_size_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = pickle.dumps(list(range(100)), 2)
    monkeypatch.setattr(unpickle, "MAX_INSTRUCTIONS", 50)
    with pytest.raises(UserError, match="more than 50 instructions"):
        load(tmp_path, data)
    monkeypatch.setattr(unpickle, "MAX_BYTES", 50)
    with pytest.raises(UserError, match="is it the right file"):
        load(tmp_path, data)
    with pytest.raises(UserError, match="cannot read"):
        unpickle.load_plain(tmp_path / "nothing.p")
