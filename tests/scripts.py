"""Loads the scripts of `tools/` and `benchmarks/`, which are no packages."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


def load_tool(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A fresh module of `tools/`."""
    return _load("tools", name, monkeypatch)


def load_benchmark(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A fresh module of `benchmarks/`."""
    return _load("benchmarks", name, monkeypatch)


def _load(folder: str, name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / folder))
    monkeypatch.delitem(sys.modules, name, raising=False)
    return importlib.import_module(name)
