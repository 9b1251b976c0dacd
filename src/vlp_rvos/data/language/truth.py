"""Truth with three values: clearly true, clearly false, or unclear (None).

Expressions are only made of what is clear, so that no training sample teaches a matter of taste.
"""

from __future__ import annotations

__all__ = ["Truth", "false_if"]

Truth = bool | None
"""True, False, or None where the question has no clear answer."""


def false_if(condition: bool) -> Truth:
    """False where the condition holds, otherwise None: it can refute a statement but never prove it."""
    return False if condition else None
