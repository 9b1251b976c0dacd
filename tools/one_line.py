"""What the scripts here do with a failure: one line on standard error."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable

from vlp_rvos.errors import VLPRVOSError


def says_why(main: Callable[[], None]) -> Callable[[], int]:
    """A script's main function that returns its exit code: 0, or 1 after an error that it has told in one line."""

    @functools.wraps(main)
    def run() -> int:
        try:
            main()
        except VLPRVOSError as error:
            print(f"error: {error}", file=sys.stderr)
            return 1
        return 0

    return run
