"""The tests of `export_checks.py`, in a process of their own.

What they load (compilers and other runtimes) stays in a process: PyTorch training in the same one crashes later.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

NO_TESTS = 5


@pytest.mark.slow(minutes=4)
def test_export() -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "--show-capture=no",
        str(Path(__file__).parents[1] / "export_checks.py"),
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if result.returncode == NO_TESTS:
        pytest.skip("the packages for it are not installed")
    assert result.returncode == 0, result.stdout[-5000:] + result.stderr[-2000:]
