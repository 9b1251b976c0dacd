"""Packages that only some parts need and that an extra installs."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any

from vlp_rvos.errors import UserError

__all__ = ["import_extra", "is_installed", "require"]


def require(*packages: str) -> None:
    """Raise a `UserError` that says how to install a package that is missing."""
    missing = [name for name in packages if not is_installed(name)]
    if missing:
        raise UserError(f"{' and '.join(missing)} missing; install with: pip install 'vlp-rvos[export]'")


def is_installed(package: str) -> bool:
    return find_spec(package) is not None


def import_extra(module: str) -> Any:
    """A package that only the layouts of benchmarks need.

    Raises:
        UserError: it is not installed; the message says how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.partition(".")[0]
        raise UserError(f"{package} is not installed; get it with: pip install 'vlp-rvos[benchmarks]'") from error
