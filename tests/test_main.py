from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import atexit, gc, sys
from vlp_rvos.__main__ import NEW_OBJECTS, run
# What is registered first is called last.
atexit.register(lambda: print("frozen", gc.get_freeze_count() > 0))
sys.argv = ["vlp-rvos", *sys.argv[1:]]
code = run()
print("collects after", gc.get_threshold()[0] == NEW_OBJECTS, gc.isenabled())
sys.exit(code)
"""


def test_garbage_is_looked_for_less_often_and_not_at_the_end() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1:] == ["collects after True True", "frozen True"]


def test_the_exit_code_is_that_of_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vlp_rvos", "segment", "nowhere.mp4", "dog", "-o", "x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
