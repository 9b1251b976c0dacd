"""Exports that are made from checkpoints when a runtime first needs them, kept in the user's cache folder."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from platformdirs import user_cache_path

from vlp_rvos.errors import UserError, VLPRVOSWarning
from vlp_rvos.export.graphs import GRAPH_VERSION
from vlp_rvos.models import checkpoint
from vlp_rvos.runtimes.artifact import CheckpointSource, check_files, file_hash, read_manifest, remove_export
from vlp_rvos.runtimes.names import ExportFormat

__all__ = ["cache_entry", "cache_folder", "ensure_exported"]


def ensure_exported(
    name_or_path: str | Path, runtime: ExportFormat, overrides: Mapping[str, object] | None = None
) -> Path:
    """Export a checkpoint into the user's cache, unless the cache holds that export already.

    A new export replaces those that were made from earlier contents of the same checkpoint file, or by versions of the
    package whose graphs compute something else.

    Args:
        name_or_path: name of a shipped model, or a checkpoint file.
        runtime: the runtime to export the model for.
        overrides: `ModelConfig` fields in place of the checkpoint's own.

    Returns:
        The folder of the export.

    Raises:
        UserError: the model is unknown, or a package that the export needs is not installed.
    """
    folder = cache_entry(name_or_path, runtime, overrides)
    try:
        check_files(folder, read_manifest(folder))
    except UserError:
        # Not exported yet, or damaged.
        from vlp_rvos.export.writer import export_model

        path = checkpoint.resolve(name_or_path)
        message = f"exporting {path.stem} for {runtime}, once: this takes minutes; kept in {folder}"
        warnings.warn(VLPRVOSWarning(message), stacklevel=2)
        source = CheckpointSource(str(path.resolve()), file_hash(path), GRAPH_VERSION)
        export_model(checkpoint.load_model(path, overrides), folder, runtime, source)
        _remove_stale_entries(runtime, source)
    return folder


def cache_entry(name_or_path: str | Path, runtime: ExportFormat, overrides: Mapping[str, object] | None = None) -> Path:
    """The folder in which the cache holds an export, or would hold it; arguments as for `ensure_exported`.

    Raises:
        UserError: the model is unknown.
    """
    path = checkpoint.resolve(name_or_path)
    # What the graphs compute follows from the checkpoint, which holds the weights and a hash of its frozen backbone,
    # from the overrides, and from the code of the model. The code counts by a version number: hashes of source files
    # would make every user wait for new exports after each change of a comment. A test fails when the graphs compute
    # something else under the same number (`tests/export/test_graphs.py`).
    key = json.dumps([file_hash(path), dict(overrides or {}), GRAPH_VERSION], sort_keys=True)
    return cache_folder() / f"{path.stem}-{runtime}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def cache_folder() -> Path:
    """The folder of all cached exports: `$XDG_CACHE_HOME/vlp-rvos/exported`, by default below `~/.cache`, on Linux."""
    return user_cache_path("vlp-rvos", appauthor=False) / "exported"


def _remove_stale_entries(runtime: ExportFormat, current: CheckpointSource) -> None:
    """Delete the exports of a checkpoint file that nothing will open again, since it or the graphs have changed."""
    for folder in cache_folder().iterdir():
        # What cannot be read or deleted is left alone.
        with suppress(UserError, OSError):
            manifest = read_manifest(folder)
            if folder.is_symlink() or manifest.runtime != runtime:
                continue
            if manifest.source is None:
                # Earlier versions of the package did not write the source.
                name = rf"{re.escape(Path(current.path).stem)}-{runtime}-[0-9a-f]{{16}}"
                stale = re.fullmatch(name, folder.name) is not None
            else:
                stale = manifest.source.path == current.path and manifest.source != current
            if stale:
                remove_export(folder)
