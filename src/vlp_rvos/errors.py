"""The two kinds of failure a command can end with."""

from __future__ import annotations

__all__ = ["UserError", "VLPRVOSError", "VLPRVOSWarning"]


class VLPRVOSError(Exception):
    """Something of ours went wrong. The command prints its one line and exits with code 1."""

    exit_code = 1


class UserError(VLPRVOSError, ValueError):
    """The user's input cannot be used. The message says what was wrong, where, and what to do; exit code 2."""

    exit_code = 2


class VLPRVOSWarning(UserWarning):
    """The work goes on, but the user should know something about the result."""
