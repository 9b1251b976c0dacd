"""Processes that are killed at a chosen place, for the tests of what they leave."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

KILL = """
import os, signal

def kill():
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()
"""

KILL_AT_RENAME = """
calls = 0
for name in ("rename", "replace"):
    def counted(*paths, original=getattr(os, name), **options):
        global calls
        calls += 1
        if calls == {number}:
            kill()
        return original(*paths, **options)
    setattr(os, name, counted)
"""


def run_python(code: str) -> int:
    """The return code of a Python process with some code."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run([sys.executable, "-c", code], check=False, env=environment).returncode


def killed_at_rename(number: int, code: str) -> bool:
    """Run code in a process that is killed before it renames a file for the nth time; False where it ended before."""
    returned = run_python(KILL + KILL_AT_RENAME.format(number=number) + textwrap.dedent(code))
    assert returned in (0, -9)
    return returned == -9


def left_by_a_killed_process(folder: Path, code: str = "") -> None:
    """Make a staging folder as a process does that is killed while it uses it; the code may use `staging`."""
    imports = "from pathlib import Path\nfrom vlp_rvos.utils.staging import Staging"
    assert run_python(f"{KILL}\n{imports}\nstaging = Staging.create(Path({str(folder)!r}))\n{code}\nkill()") == -9
