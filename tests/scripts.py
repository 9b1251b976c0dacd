"""Loads the scripts of `tools/` and `benchmarks/`, which are no packages."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

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


def run_script(
    module: ModuleType, monkeypatch: pytest.MonkeyPatch, json_file: Path, *arguments: object
) -> tuple[int | None, Any]:
    """Run a script's main function with these arguments: its exit code and what it wrote as JSON."""
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, arguments), "--json", str(json_file)])
    threads = torch.get_num_threads()
    try:
        code = module.main()
    finally:
        torch.set_num_threads(threads)
    return code, json.loads(json_file.read_text())
