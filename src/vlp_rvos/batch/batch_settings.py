"""The settings of a batch, which its output folder keeps: a folder holds results of one kind only."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from vlp_rvos._version import __version__
from vlp_rvos.batch.storage import Storage
from vlp_rvos.batch.work_item import content_hash
from vlp_rvos.errors import UserError
from vlp_rvos.inference.options import InferenceOptions
from vlp_rvos.utils.json_text import json_text
from vlp_rvos.utils.plain_text import short_repr
from vlp_rvos.utils.ranges import Range, check_ranges

__all__ = ["SETTINGS_FILE", "BatchSettings", "claim_output", "model_anywhere", "model_fingerprint"]

SETTINGS_FILE = "batch.json"
FORMAT = "vlp-rvos-batch"


@dataclass(frozen=True, kw_only=True)
class BatchSettings:
    """What the results of all items depend on, besides the items.

    Attributes:
        model: name or path of the model.
        model_files: hash of the model's files, see `model_fingerprint`.
        options: how the model is run.
        split_seconds: length of the parts of a video, between which a worker can take up another one's work.
        overlay: whether overlays are written.
        masks: whether masks are written as pictures.
        version: version of this package.

    Raises:
        UserError: a value is out of its range.
    """

    model: str = "mini"
    model_files: str = ""
    options: InferenceOptions = field(default_factory=InferenceOptions)
    split_seconds: Annotated[float, Range(0.001, 10**9)] = 600.0
    overlay: bool = False
    masks: bool = False
    version: str = __version__

    def __post_init__(self) -> None:
        check_ranges(self, UserError)

    def to_dict(self) -> dict[str, Any]:
        """The settings as JSON values."""
        return asdict(self)

    def digest(self) -> str:
        """Hash of everything that results depend on."""
        return content_hash(self.to_dict())


def model_anywhere(model: str) -> str:
    """What means a model in whatever folder a worker stands: its name, or its absolute path.

    A file or folder that only has the name of a shipped model is not meant.

    Raises:
        UserError: the model is unknown.
    """
    from vlp_rvos.models.checkpoint import MODEL_FILE, resolve
    from vlp_rvos.runtimes.artifact import is_exported

    path = Path(model)
    is_path = is_exported(path) or resolve(model) in (path, path / MODEL_FILE)
    return os.path.abspath(path) if is_path else model


def model_fingerprint(model: str) -> str:
    """Hash of the files of a model.

    Raises:
        UserError: the model is unknown.
    """
    from vlp_rvos.models.checkpoint import resolve
    from vlp_rvos.runtimes.artifact import file_hash, is_exported

    folder = Path(model)
    files = sorted(x for x in folder.rglob("*") if x.is_file()) if is_exported(model) else [resolve(model)]
    return content_hash([file_hash(file) for file in files])


def claim_output(output: Storage, settings: BatchSettings) -> None:
    """Note in an output folder what its results are made with; the results of an earlier run must be of the same kind.

    Raises:
        UserError: the folder holds something else, or results of other settings.
    """
    output.prepare()
    if not output.exists(SETTINGS_FILE):
        if output.names():
            raise UserError(f"{output} is not empty, and holds no batch: choose another output folder")
        content = {"format": FORMAT, "settings": settings.to_dict()}
        output.put(SETTINGS_FILE, json_text(content, indent=1).encode())
        return
    try:
        content = json.loads(output.read(SETTINGS_FILE))
        earlier = dict(content["settings"]) if content["format"] == FORMAT else None
    except (ValueError, KeyError, TypeError, RecursionError):
        earlier = None
    if earlier is None:
        raise UserError(f"{output}/{SETTINGS_FILE} is not of a batch of vlp-rvos: choose another output folder")
    changed = _differences(earlier, json.loads(json_text(settings.to_dict())))
    if changed:
        raise UserError(f"{output} holds results of other settings ({'; '.join(changed[:3])}): choose another folder")


def _differences(earlier: dict[str, Any], now: dict[str, Any]) -> list[str]:
    earlier, now = _flat(earlier), _flat(now)
    return [
        f"{name} was {short_repr(earlier.get(name))}, is {short_repr(now.get(name))}"
        for name in sorted({*earlier, *now})
        if earlier.get(name) != now.get(name)
    ]


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    options = settings.get("options")
    return {**settings, **(options if isinstance(options, dict) else {}), "options": None}
