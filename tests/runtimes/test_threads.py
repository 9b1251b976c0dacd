from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import pytest
import torch

from vlp_rvos.runtimes.threads import limit_threads, release_threads

PROGRAM = """
from pathlib import Path
import torch
from vlp_rvos.runtimes.threads import release_threads

def running():
    return len(list(Path("/proc/self/task").iterdir()))

def compute():
    return torch.ones(1 << 20).exp()[0].item()

maps = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
libraries = {fields[-1] for fields in maps if "libgomp" in fields[-1]}
able = bool(libraries) and all(b"omp_pause_resource_all" in Path(library).read_bytes() for library in libraries)
torch.set_num_threads(4)
before = running()
compute()
computing = running()
done = release_threads()
released = running()
print(able, before, computing, done, released, compute() > 2.7, running(), sep="|")
"""


@pytest.mark.skipif(not torch.backends.openmp.is_available(), reason="without OpenMP all threads share one setting")
def test_the_number_is_set_for_one_thread_only() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(3)

    def limited(count: int) -> list[int]:
        limit_threads(count)
        torch.ones(1 << 16).exp()
        return [torch.get_num_threads(), ThreadPoolExecutor(1).submit(torch.get_num_threads).result()]

    try:
        with ThreadPoolExecutor(1) as thread:
            assert [thread.submit(limited, count).result() for count in (1, 3, 2)] == [[1, 3], [3, 3], [2, 3]]
        with ThreadPoolExecutor(2, initializer=partial(limit_threads, 1)) as threads:
            assert {threads.submit(torch.get_num_threads).result() for _ in range(4)} == {1}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


@pytest.mark.skipif(sys.platform != "linux", reason="counts threads in Linux' own way")
def test_released_threads_end_and_come_back() -> None:
    result = subprocess.run([sys.executable, "-c", PROGRAM], check=True, capture_output=True, text=True, timeout=60)
    able, before, computing, done, released, right, again = result.stdout.strip().split("|")
    assert done == able
    if able == "False":
        pytest.skip("PyTorch does not run on GNU OpenMP 5.0")
    assert int(computing) == int(before) + 3
    assert (released, right, again) == (before, "True", computing)


@pytest.mark.parametrize(
    "libraries",
    [
        [],
        [SimpleNamespace(prefix="libomp", dynlib=SimpleNamespace(omp_pause_resource_all=lambda _: 0))],
        [SimpleNamespace(prefix="libgomp", dynlib=SimpleNamespace())],
        [SimpleNamespace(prefix="libgomp", dynlib=SimpleNamespace(omp_pause_resource_all=lambda _: -1))],
    ],
    ids=["none", "another OpenMP", "before OpenMP 5.0", "refused"],
)
def test_without_a_library_that_can_release_threads(
    libraries: list[SimpleNamespace], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = SimpleNamespace(lib_controllers=libraries)
    monkeypatch.setattr("vlp_rvos.runtimes.threads.ThreadpoolController", lambda: found)
    assert not release_threads()


def test_a_library_whose_file_was_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise OSError("no such file")

    monkeypatch.setattr("vlp_rvos.runtimes.threads.ThreadpoolController", fail)
    assert not release_threads()
