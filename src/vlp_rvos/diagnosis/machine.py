"""Processor, memory, disks and graphics processors of this machine."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch

from vlp_rvos.diagnosis.finding import Finding
from vlp_rvos.export.cache import cache_folder
from vlp_rvos.utils.processes import available_cores

__all__ = ["diagnose_machine"]

GIB = 2**30
#: Free memory in GiB with which `mini` fits beside other programs, and free disk in GiB for masks and overlays.
ENOUGH_MEMORY, ENOUGH_DISK = 2.0, 1.0


def diagnose_machine() -> Iterator[Finding]:
    """Findings for processor, memory, graphics processors, and the folders that are written to."""
    cores, usable = os.cpu_count() or 1, available_cores()
    threads = torch.get_num_threads()
    text = f"{_processor()}, {usable} of {cores} cores may be used, PyTorch uses {threads} threads"
    data = {"model": _processor(), "cores": cores, "usable_cores": usable, "threads": threads}
    if threads < usable:
        advice = f"PyTorch could use {usable} threads; unset OMP_NUM_THREADS if you have set it"
        yield Finding("processor", text, "gap", advice, data)
    else:
        yield Finding("processor", text, data=data)
    yield _memory()
    yield from _graphics()
    yield _folder("temporary folder", Path(tempfile.gettempdir()), "set TMPDIR to a folder that you may write to")
    yield _folder("cache of exports", cache_folder(), "set XDG_CACHE_HOME to a folder that you may write to")
    yield _folder("working folder", Path.cwd(), "change to a folder that you may write to, or name one with -o")


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()


def _memory() -> Finding:
    free = available_memory()
    if free is None:
        return Finding("memory", "this system does not tell how much is free", data={"available_bytes": None})
    text, data = f"{free / GIB:.1f} GiB free", {"available_bytes": free}
    if free < ENOUGH_MEMORY * GIB:
        advice = "close other programs, or use a smaller --size and --set candidates=0"
        return Finding("memory", text, "gap", advice, data)
    return Finding("memory", text, data=data)


def available_memory() -> int | None:
    """Bytes of memory that this process may still take, as Linux tells, limits of a container counted; else None."""
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return None
    values = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
    if "MemAvailable" not in values:
        return None
    free = 1024 * int(values["MemAvailable"].split()[0])
    limits = Path("/sys/fs/cgroup")
    try:
        limit, used = (int((limits / f"memory.{name}").read_text()) for name in ("max", "current"))
    except (OSError, ValueError):
        return free
    return max(0, min(free, limit - used))


def _graphics() -> Iterator[Finding]:
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        yield Finding("CUDA", ", ".join(names), data={"devices": names})
    else:
        built = torch.version.cuda is not None
        text = "no GPU found" if built else "this PyTorch is built without it"
        yield Finding("CUDA", f"{text}: the CPU is used", data={"devices": [], "built": built})
    if torch.backends.mps.is_available():
        yield Finding("MPS", "an Apple GPU", data={"available": True})


def _folder(topic: str, folder: Path, advice: str) -> Finding:
    """Whether a folder, or the first one above it that is there, can be written into, and how much room it has."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    shown = _short(folder)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
        free = shutil.disk_usage(there).free
    except OSError as error:
        status = "gap" if topic.startswith("cache") else "failure"
        text = f"{shown} cannot be written into ({error.strerror})"
        return Finding(topic, text, "failure" if status == "failure" else "gap", advice, {"folder": shown})
    data = {"folder": shown, "free_bytes": free}
    if free < ENOUGH_DISK * GIB:
        return Finding(topic, f"{shown}, only {free / GIB:.1f} GiB free", "gap", "free some space", data)
    return Finding(topic, f"{shown}, {free / GIB:.0f} GiB free", data=data)


def _short(folder: Path) -> str:
    """The path with `~` for the user's home."""
    try:
        return str(Path("~") / folder.absolute().relative_to(Path.home()))
    except (ValueError, RuntimeError):
        return str(folder)
