from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from vlp_rvos.allocator import keep_freed_memory

PROGRAM = """
import mmap, resource
from vlp_rvos.allocator import keep_freed_memory
done = keep_freed_memory()
def faults(blocks):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(blocks):
        block = bytearray(64 << 20)
        del block
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(1)
print(done, faults(4) * mmap.PAGESIZE)
"""


def run(**variables: str) -> tuple[bool, int]:
    """Whether it was done, and how many bytes of new pages four blocks of 64 MB took after a first one."""
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=variables, check=True, capture_output=True, text=True, timeout=60
    )
    done, size = result.stdout.split()
    return done == "True", int(size)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc")
def test_blocks_are_used_again() -> None:
    done, fresh = run()
    assert done
    assert fresh < 64 << 20
    assert run(MALLOC_ARENA_MAX="8") == (False, pytest.approx(4 * (64 << 20), rel=0.1)), "the user has decided"


def test_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not keep_freed_memory()
