"""Keeps the features of pictures on the disk while a run needs them, in files of a few pictures each.

What is missing is computed; so a stage that was stopped goes on where it was, on another machine too. The names of the
files say what the features were computed from.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vlp_rvos.errors import UserError
from vlp_rvos.models.checkpoint import backbone_fingerprint
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.choice_features import PictureFeatures
from vlp_rvos.utils.atomic import replace_file
from vlp_rvos.utils.progress import counting
from vlp_rvos.utils.signals import StopRequest

__all__ = ["FeatureCache", "features_key"]

PICTURES_IN_FILE = 16


def features_key(
    model: VLPRVOS, parts: tuple[str, ...], settings: Any, others: Sequence[Mapping[str, Tensor]] = ()
) -> str:
    """A name for features: a hash of what they follow from.

    Args:
        model: model that computes them.
        parts: beginnings of the names of the trained parameters that do not matter.
        settings: whatever else matters, as JSON can hold it.
        others: trained parameters that take the place of the model's for some of the pictures.
    """
    digest = hashlib.sha256(f"{backbone_fingerprint(model.backbone)} {json.dumps(settings)}".encode())
    for state in (model.trained_state_dict(), *others):
        for name, tensor in sorted(state.items()):
            if not name.startswith(parts):
                digest.update(name.encode())
                digest.update(tensor.float().cpu().contiguous().numpy().data)
    return digest.hexdigest()[:16]


class FeatureCache:
    """The features of a list of pictures.

    Args:
        folder: folder of the files.
        key: name of the features, see `features_key`.
        count: number of pictures.
    """

    def __init__(self, folder: Path, key: str, count: int) -> None:
        self.folder, self.key, self.count = folder, key, count
        starts = range(0, count, PICTURES_IN_FILE)
        self.files = [(start, folder / f"{key}-{start // PICTURES_IN_FILE:05d}.pt") for start in starts]

    def fill(self, compute: Callable[[int], PictureFeatures], stop_request: StopRequest) -> bool:
        """Compute what is missing.

        Args:
            compute: gives the features of the picture of an index.
            stop_request: breaks the work off when it becomes true; files that are complete stay.

        Returns:
            Whether all features are there now.
        """
        missing = [(start, file) for start, file in self.files if not file.is_file()]
        if not missing:
            return True
        with counting("looking at the pictures", "pictures", self.count) as count:
            done = self.count - sum(min(PICTURES_IN_FILE, self.count - start) for start, _ in missing)
            for start, file in missing:
                if file.is_file():
                    # Another process of the same run has made it meanwhile.
                    done += min(PICTURES_IN_FILE, self.count - start)
                    continue
                found = []
                for index in range(start, min(start + PICTURES_IN_FILE, self.count)):
                    if stop_request:
                        return False
                    found.append(compute(index).to_dict())
                    done += 1
                    count(done)
                _save(found, file)
        return True

    def load(self, *, masks: bool = False) -> Iterator[PictureFeatures]:
        """The features of all pictures, in their order.

        Args:
            masks: whether to load the masks too.

        Raises:
            UserError: a file is broken, for example by a power cut.
        """
        for _, file in self.files:
            for features in _load(file):
                yield features if masks else features.without_masks()

    def remove(self) -> None:
        """Delete the files, and the folder if nothing else is in it."""
        for _, file in self.files:
            file.unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()


def _load(file: Path) -> list[PictureFeatures]:
    try:
        return [PictureFeatures(**values) for values in torch.load(file, map_location="cpu", weights_only=True)]
    except Exception as error:
        raise UserError(f"{file}: not readable; remove it, and --resume computes it again") from error


def _save(found: Sequence[dict[str, Any]], file: Path) -> None:
    replace_file(file, lambda path: torch.save(list(found), path), durable=False)
