"""Whether the weights that come with the package are complete and load."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from vlp_rvos.diagnosis.finding import Finding
from vlp_rvos.errors import VLPRVOSError
from vlp_rvos.models.backbones.pretrained_files import read_checkpoint
from vlp_rvos.models.backbones.shipped_weights import WEIGHTS
from vlp_rvos.models.checkpoint import load_model, shipped_models

__all__ = ["diagnose_weights"]

DISTRIBUTION = "vlp-rvos"
ADVICE = "install the package again: pip install --force-reinstall --no-deps vlp-rvos, or check out the files again"


def diagnose_weights() -> Iterator[Finding]:
    """A finding for the files, and one for each shipped model, which checks the hash of its frozen backbone too."""
    files, recorded = sorted(WEIGHTS.glob("*.safetensors")), _recorded_hashes()
    broken, checked = {}, 0
    for file in files:
        try:
            read_checkpoint(file)
        except VLPRVOSError as error:
            broken[file.name] = str(error)
            continue
        if file.name in recorded:
            checked += 1
            if _hash(file) != recorded[file.name]:
                broken[file.name] = "its checksum is not that of the installed package"
    data = {"files": [file.name for file in files], "checked_by_checksum": checked, "broken": broken}
    if broken or not files:
        yield Finding("weights", "; ".join(broken.values()) or "no weights found", "failure", ADVICE, data)
    else:
        how = f"{checked} by the installation's checksum" if checked else "the installation states no checksums"
        yield Finding("weights", f"{len(files)} files read whole ({how})", data=data)
    for name in shipped_models():
        try:
            load_model(name)
        except VLPRVOSError as error:
            yield Finding(f"model {name}", str(error), "failure", ADVICE, {"model": name})
        else:
            text = "loads, and its frozen backbone has the hash that it was trained on"
            yield Finding(f"model {name}", text, data={"model": name})


def _recorded_hashes() -> dict[str, str]:
    """Name of a file of weights -> its SHA-256 as the installer recorded it; empty for an editable installation."""
    try:
        files = metadata.files(DISTRIBUTION) or []
    except metadata.PackageNotFoundError:
        return {}
    return {
        file.name: file.hash.value
        for file in files
        if file.parent.name == WEIGHTS.name and file.hash is not None and file.hash.mode == "sha256"
    }


def _hash(file: Path) -> str:
    with file.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").digest()
    # As PEP 376 writes it.
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
