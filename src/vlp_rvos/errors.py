"""How a command can fail, and the exit codes that say so."""

from __future__ import annotations

__all__ = ["HUNG_UP", "INTERRUPTED", "TERMINATED", "UserError", "VLPRVOSError", "VLPRVOSWarning"]

INTERRUPTED = 130
"""Exit code of a command that Ctrl-C interrupted, as shells give it: 128 + SIGINT."""
TERMINATED = 143
"""Exit code of a command that SIGTERM ended: 128 + SIGTERM."""
HUNG_UP = 129
"""Exit code of a command whose terminal was closed: 128 + SIGHUP."""


class VLPRVOSError(Exception):
    """The work failed for a reason that the user did not cause. The command prints the message; exit code 1."""

    exit_code = 1


class UserError(VLPRVOSError, ValueError):
    """The user's input cannot be used. The message says what was wrong, where, and what to do; exit code 2."""

    exit_code = 2


class VLPRVOSWarning(UserWarning):
    """The work goes on, but the user should know something about the result."""
