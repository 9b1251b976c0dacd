"""Optional packages: each is needed by some parts only, and an extra of this package installs it."""

from __future__ import annotations

import importlib
from importlib.util import find_spec
from typing import Any, Literal

from vlp_rvos.errors import UserError

__all__ = ["Extra", "import_optional", "is_installed", "require_installed"]

#: The extras that `pyproject.toml` declares for users: `pip install 'vlp-rvos[export]'`.
Extra = Literal["clip", "export", "train", "benchmarks", "formats", "batch", "serve", "supervision", "web"]


def is_installed(package: str) -> bool:
    """Whether a package can be found; it is not imported."""
    return find_spec(package) is not None


def require_installed(*packages: str, extra: Extra) -> None:
    """Check that optional packages are installed, without the time that importing them takes.

    Args:
        packages: import names of the packages.
        extra: the extra that installs them.

    Raises:
        UserError: packages are missing; the message names them and the command that installs them.
    """
    if missing := [package for package in packages if not is_installed(package)]:
        raise _not_installed(missing, extra)


def import_optional(module: str, *, extra: Extra) -> Any:
    """Import a module of an optional package.

    Args:
        module: name of the module, for example "scipy.io".
        extra: the extra that installs its package.

    Raises:
        UserError: the package is missing; the message names it and the command that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise _not_installed([module.partition(".")[0]], extra) from error


def _not_installed(packages: list[str], extra: Extra) -> UserError:
    verb = "is" if len(packages) == 1 else "are"
    return UserError(f"{' and '.join(packages)} {verb} not installed; install with: pip install 'vlp-rvos[{extra}]'")
