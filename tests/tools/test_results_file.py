from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from scripts import load_tool

from vlp_rvos.errors import UserError

ROOT = Path(__file__).parents[2]


@pytest.fixture
def results(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    return load_tool("results_file", monkeypatch)


def manifest() -> dict[str, set[tuple[str, ...]]]:
    """The keys that each section of `docs/results.md` describes."""
    sections = (ROOT / "docs" / "results.md").read_text().split("\n## ")
    keys = {}
    for section in sections:
        rows = re.findall(r"^\| (`.*?`) \|", section, re.MULTILINE)
        names = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
        keys[section.split("\n", 1)[0]] = {tuple(name.split(".")) for name in names}
    return keys


def paths(values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The keys that lead to every single value."""
    if isinstance(values, dict) and values:
        for key, value in values.items():
            yield from paths(value, (*path, key))
    elif isinstance(values, list) and values and isinstance(values[0], dict):
        for value in values:
            yield from paths(value, (*path, "[]"))
    else:
        yield path


def describes(pattern: tuple[str, ...], path: tuple[str, ...]) -> bool:
    """A described key speaks for all that lies below it."""
    return len(pattern) <= len(path) and all(
        part in ("*", key) for part, key in zip(pattern, path[: len(pattern)], strict=True)
    )


def test_the_manifest_describes_every_value_and_nothing_else(results: ModuleType) -> None:
    described = manifest()
    found: dict[str, set[tuple[str, ...]]] = {}
    for row in results.read_results().values():
        found.setdefault(row.kind, set()).update(paths(row.result))
    for kind, keys in found.items():
        assert [path for path in keys if not any(describes(key, path) for key in described[kind])] == []
        assert [key for key in described[kind] if not any(describes(key, path) for path in keys)] == []
    assert described["Columns"] >= {("name",), ("kind",), ("title",), ("base",), ("command",), ("result",)}


def test_rows_are_compared_with_rows_of_their_kind(results: ModuleType) -> None:
    rows = results.read_results()
    compared = [(row.kind, rows[row.base].kind) for row in rows.values() if row.base is not None]
    assert compared
    assert all(kind == base for kind, base in compared)


def test_rows_are_put_in_place_or_at_the_end(results: ModuleType, tmp_path: Path) -> None:
    table = tmp_path / "results.jsonl"
    for name, value in (("a", 1), ("b", 2), ("a", 3)):
        results.put_result(results.Result(name, "kind", name, None, None, {"value": value}), table)
    rows = results.read_results(table)
    assert [(row.name, row.result["value"]) for row in rows.values()] == [("a", 3), ("b", 2)]
    assert len(table.read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2 is not a row"),
        ('{"name": "b"}', "line 2 is not a row"),
        ('{"name": "a", "kind": "", "title": "", "base": null, "command": null, "result": {}}', "already a row a"),
    ],
)
def test_a_broken_table_says_where(results: ModuleType, tmp_path: Path, line: str, message: str) -> None:
    table = tmp_path / "results.jsonl"
    results.put_result(results.Result("a", "kind", "a", None, None, {}), table)
    table.write_text(table.read_text() + line + "\n")
    with pytest.raises(UserError, match=message):
        results.read_results(table)
