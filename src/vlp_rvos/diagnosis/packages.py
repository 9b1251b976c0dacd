"""Versions of the packages that are installed, and which extras are complete."""

from __future__ import annotations

import platform
import re
from collections.abc import Iterator
from importlib import metadata

from vlp_rvos._version import __version__
from vlp_rvos.diagnosis.finding import Finding

__all__ = ["diagnose_packages"]

DISTRIBUTION = "vlp-rvos"
#: Packages that the main job needs, besides what Python brings.
NEEDED = ("torch", "numpy", "safetensors", "av", "pillow", "pycocotools")
#: Extra -> what it gives.
EXTRAS = {
    "clip": "models on CLIP",
    "export": "ONNX Runtime and OpenVINO, which are faster on CPUs, and the command export",
    "train": "training",
    "benchmarks": "the masks of A2D-Sentences and JHMDB-Sentences",
    "bench": "plots of the benchmark scripts",
}
#: Extras for people who work on the project.
OWN = ("dev",)


def diagnose_packages() -> Iterator[Finding]:
    """One finding for the versions, and one for each extra."""
    versions = {"vlp-rvos": __version__, "python": platform.python_version()}
    versions |= {name: version for name in NEEDED if (version := _version(name))}
    missing = [name for name in NEEDED if name not in versions]
    if missing:
        advice = f"install with: pip install {' '.join(missing)}"
        yield Finding("versions", f"{', '.join(missing)} not installed", "failure", advice, versions)
    else:
        yield Finding("versions", ", ".join(f"{name} {version}" for name, version in versions.items()), data=versions)
    for extra, packages in _extras().items():
        found = {name: _version(name) for name in packages}
        gives = EXTRAS.get(extra, "")
        data = {"extra": extra, "packages": found, "gives": gives}
        if lacking := [name for name, version in found.items() if version is None]:
            advice = f"if you need it: pip install 'vlp-rvos[{extra}]'"
            text = f"{gives or 'optional'}: {', '.join(lacking)} not installed"
            yield Finding(f"extra {extra}", text, "gap", advice, data)
        else:
            names = ", ".join(f"{name} {version}" for name, version in found.items())
            yield Finding(f"extra {extra}", f"{gives}: {names}" if gives else names, data=data)


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _extras() -> dict[str, list[str]]:
    """Extra -> names of its packages, as the installed package states them; empty where it is not installed."""
    try:
        required = metadata.requires(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return {}
    extras: dict[str, list[str]] = {}
    for line in required:
        package = re.match(r"[\w.-]+", line)
        extra = re.search(r"""extra == ["']([\w-]+)["']""", line)
        if package and extra and extra[1] not in OWN and package[0] != DISTRIBUTION:
            extras.setdefault(extra[1], []).append(package[0])
    return extras
