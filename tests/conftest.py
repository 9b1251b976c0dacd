"""Fixtures that every test may use."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest
import torch
from stubs import tiny_model

from vlp_rvos.models import checkpoint

#: Minutes that a test marked "slow" takes, unless the mark says `minutes`.
SLOW_MINUTES = 0.1

if "PYTEST_XDIST_WORKER" in os.environ:
    # Processes side by side take a core each, and so do the programs that they start.
    torch.set_num_threads(1)
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let the files that take longest start first, so that no process waits for another one at the end."""
    minutes: Counter[Path] = Counter()
    for item in items:
        for mark in item.iter_markers("slow"):
            minutes[item.path] += mark.kwargs.get("minutes", SLOW_MINUTES)
    items.sort(key=lambda item: -minutes[item.path])


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference outputs and real data; tests that need it skip where it is absent."""
    folder = Path(os.environ.get("VLP_RVOS_SHARED", Path(__file__).parents[2] / "shared"))
    if not folder.is_dir():
        pytest.skip(f"no shared folder at {folder} (set VLP_RVOS_SHARED)")
    return folder


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user has exported decides what a model runs on."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def tiny_default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model that takes no time, whatever model the command line asks for."""
    monkeypatch.setattr(checkpoint, "load_model", lambda *_: tiny_model())
