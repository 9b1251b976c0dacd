"""Exported copies of checkpoints that the user never asked for by name, kept between runs."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Mapping
from pathlib import Path

import vlp_rvos
from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.models import checkpoint
from vlp_rvos.runtimes.artifact import check_files, file_hash, read_manifest
from vlp_rvos.runtimes.names import ExportFormat

__all__ = ["cache_folder", "cached_export", "export_place"]


def cached_export(
    name_or_path: str | Path, runtime: ExportFormat, overrides: Mapping[str, object] | None = None
) -> Path:
    """The exported form of a shipped model or a checkpoint; it is made where the cache does not hold it yet.

    Args:
        name_or_path: a shipped model or a checkpoint file.
        runtime: to export it for.
        overrides: `ModelConfig` fields in place of the checkpoint's.

    Returns:
        The folder.

    Raises:
        UserError: unknown model, or packages that the export needs are missing.
    """
    folder = export_place(name_or_path, runtime, overrides)
    try:
        check_files(folder, read_manifest(folder))
    except UserError:
        # Not there yet, or damaged.
        from vlp_rvos.export.writer import export_model

        path = checkpoint.resolve(name_or_path)
        warnings.warn(
            VLPRVOSWarning(f"exporting {path.stem} for {runtime}, once: this takes minutes; kept in {folder}"),
            stacklevel=2,
        )
        export_model(checkpoint.load_model(path, overrides), folder, runtime)
    return folder


def export_place(
    name_or_path: str | Path, runtime: ExportFormat, overrides: Mapping[str, object] | None = None
) -> Path:
    """The folder of `cached_export`, whether it is there or not.

    Args:
        name_or_path, runtime, overrides: see `cached_export`.

    Raises:
        UserError: unknown model.
    """
    path = checkpoint.resolve(name_or_path)
    return cache_folder() / f"{path.stem}-{runtime}-{_key(path, overrides)}"


def cache_folder() -> Path:
    """`$XDG_CACHE_HOME/vlp-rvos/exported`, by default under `~/.cache`."""
    # Empty counts as not set, as the XDG specification says.
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vlp-rvos" / "exported"


def _key(path: Path, overrides: Mapping[str, object] | None) -> str:
    """Of all that decides what the graphs compute: the checkpoint, the settings and the package's own code."""
    digest = hashlib.sha256(file_hash(path).encode())
    digest.update(json.dumps(dict(overrides or {}), sort_keys=True).encode())
    for source in sorted(Path(vlp_rvos.__file__).parent.rglob("*.py")):
        digest.update(source.read_bytes())
    return digest.hexdigest()[:16]
