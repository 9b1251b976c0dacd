from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from vlp_rvos.openmp import release_threads

PROGRAM = """
import threading
from pathlib import Path
import torch
from vlp_rvos.openmp import release_threads

def running():
    return len(list(Path("/proc/self/task").iterdir()))

def compute():
    return torch.ones(1 << 20).exp()[0].item()

torch.set_num_threads(4)
before = running()
compute()
computing = running()
done = release_threads()
released = running()
print(before, computing, done, released, compute() > 2.7, running(), sep="|")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="of Linux")
def test_threads_end_and_come_back() -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=60)
    before, computing, done, released, right, again = result.stdout.strip().split("|")
    if done != "True":
        pytest.skip("not GNU OpenMP")
    assert int(computing) == int(before) + 3
    assert (released, right, again) == (before, "True", computing)


@pytest.mark.parametrize(
    "maps", [None, "7f00-7f01 r-xp 00000000 08:01 42  /gone/libgomp.so.1 (deleted)\n", "7f00-7f01 rw-p\n"]
)
def test_where_it_cannot_be_found(maps: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if maps is not None:
        (tmp_path / "maps").write_text(maps)
    monkeypatch.setattr("vlp_rvos.openmp.MAPPED", tmp_path / "maps")
    assert not release_threads()


def test_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not release_threads()
