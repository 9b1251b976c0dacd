from __future__ import annotations

import platform

import pytest

from vlp_rvos.runtimes.allocator import keep_freed_memory


def test_glibc_takes_the_settings() -> None:
    keep_freed_memory.cache_clear()
    assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    keep_freed_memory.cache_clear()
    assert not keep_freed_memory()
    keep_freed_memory.cache_clear()
