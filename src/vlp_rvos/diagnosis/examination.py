"""Look at everything that the main job needs, in order, and never fail on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib import import_module

from vlp_rvos.diagnosis.finding import Finding

__all__ = ["CHECKS", "examine"]

#: Module of this room and its function, in the order in which they run. The first one imports no heavy package.
CHECKS = (
    ("packages", "diagnose_packages"),
    ("machine", "diagnose_machine"),
    ("number_speed", "diagnose_number_formats"),
    ("video_codecs", "diagnose_codecs"),
    ("weight_files", "diagnose_weights"),
)


def examine() -> Iterator[Finding]:
    """All findings, one after the other. What breaks a check is a finding of its own: the main job would break too."""
    for module, name in CHECKS:
        try:
            check: Callable[[], Iterator[Finding]] = getattr(import_module(f"vlp_rvos.diagnosis.{module}"), name)
            yield from check()
        except Exception as error:
            text = f"the check broke off ({type(error).__name__}: {error})"
            yield Finding(module.replace("_", " "), text, "failure", "install the package again in a new environment")
