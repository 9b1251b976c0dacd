"""A short form of `tools/fuzz.py`: the same mutations, fewer of them, in this process."""

from __future__ import annotations

import sys
import time
from collections import Counter
from types import ModuleType

import pytest
from scripts import load_tool

from vlp_rvos.errors import UserError

#: Reader -> mutations that are tried here.
COUNTS = {"video": 40, "json": 30, "yaml": 40, "rle": 40, "png": 25, "checkpoint": 20}


@pytest.fixture
def fuzz(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load_tool("fuzz", monkeypatch)


def test_all_readers_are_tried(fuzz: ModuleType) -> None:
    assert COUNTS.keys() == fuzz.READERS.keys()


@pytest.mark.parametrize("reader", COUNTS)
def test_mutated_files_are_read_or_refused_in_one_line(reader: str, fuzz: ModuleType) -> None:
    seeds = fuzz.READERS[reader][0]()
    for seed in seeds:
        assert fuzz.outcome(reader, seed.name, seed.data)[0] in ("read", "warned", "refused"), seed.name
    kinds: Counter[str] = Counter()
    for number in range(COUNTS[reader]):
        began = time.monotonic()
        kind, said = fuzz.outcome(reader, *fuzz.mutation(reader, seeds, number))
        assert kind != "failed", f"python tools/fuzz.py --only {reader} --number {number}: {said}"
        assert time.monotonic() - began < fuzz.SECONDS
        kinds[kind] += 1
    # Mutations that are all taken, or all refused, would try little. A JSON file always fits some of its forms only.
    assert kinds["refused"]
    assert reader == "json" or kinds["read"] + kinds["warned"]


def test_a_mutation_follows_from_its_number(fuzz: ModuleType) -> None:
    seeds = fuzz.rle_seeds()
    assert fuzz.mutation("rle", seeds, 7) == fuzz.mutation("rle", seeds, 7)
    assert len({fuzz.mutation("rle", seeds, number) for number in range(30)}) > 20


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (UserError("x.json: not JSON"), "refused"),
        (UserError("x.json:\nnot JSON"), "failed"),
        (UserError("\x1b[31mx.json"), "failed"),
        (UserError("x" * 3000), "failed"),
        (ValueError("31 is not a valid Type"), "failed"),
        (KeyboardInterrupt(), "failed"),
    ],
)
def test_what_counts_as_failure(
    error: BaseException, kind: str, fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(file: object) -> None:
        raise error

    monkeypatch.setitem(fuzz.READERS, "json", (fuzz.json_seeds, read, 0.8, 10))
    assert fuzz.outcome("json", "x.json", b"{}")[0] == kind


def test_crashes_and_hangs_are_failures_and_end_with_1(
    fuzz: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Dead(fuzz.Worker):  # type: ignore[name-defined, misc]
        def run(self, reader: str, name: str, data: bytes) -> tuple[str, str]:
            self.process.kill()
            self.process.join()
            return super().run(reader, name, data)  # type: ignore[no-any-return]

    monkeypatch.setattr(fuzz, "Worker", Dead)
    monkeypatch.setattr(sys, "argv", ["fuzz.py", "--only", "yaml", "--count", "1"])
    assert fuzz.main() == 1
    said = capsys.readouterr().out
    assert "| yaml | 1 | 0 | 0 | 0 | 1 |" in said
    assert "the process died (-9); python tools/fuzz.py --only yaml --number 0" in said
