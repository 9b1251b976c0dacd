"""What the shell offers to complete, apart from options and files: names of models, recipes, data sets and devices.

Every press of the tab key runs one of these functions in a new process, so none imports torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

__all__ = [
    "complete_ablation",
    "complete_dataset",
    "complete_device",
    "complete_format",
    "complete_model",
    "complete_preset",
    "complete_recipe",
    "complete_submission",
]


def complete_model(incomplete: str) -> list[str]:
    """Models that come with weights."""
    files = _packaged("weights").glob("*.safetensors")
    return _beginning(incomplete, (file.stem for file in files if _is_checkpoint(file)))


def complete_preset(incomplete: str) -> list[str]:
    """All models, with and without weights."""
    from vlp_rvos.models.model_config import PRESETS

    return _beginning(incomplete, PRESETS)


def complete_recipe(incomplete: str) -> list[str]:
    """Training configurations that come with the package."""
    return _beginning(incomplete, (file.stem for file in (_packaged("training") / "recipes").glob("*.yaml")))


def complete_ablation(incomplete: str) -> list[str]:
    """Ablations that come with the package."""
    folder = _packaged("training") / "recipes" / "ablation"
    return _beginning(incomplete, (file.stem for file in folder.glob("*.yaml")))


def complete_dataset(incomplete: str) -> list[str]:
    """Data sets."""
    from vlp_rvos.data.benchmarks import benchmark_names

    return _beginning(incomplete, benchmark_names())


def complete_format(incomplete: str) -> list[str]:
    """Formats that results can be converted to."""
    from vlp_rvos.formats.format_names import FORMATS

    return _beginning(incomplete, FORMATS)


def complete_submission(incomplete: str) -> list[str]:
    """Data sets with an evaluation server."""
    from vlp_rvos.evaluation.submission import LAYOUTS

    return _beginning(incomplete, LAYOUTS)


def complete_device(incomplete: str) -> list[str]:
    """Devices."""
    return _beginning(incomplete, ("auto", "cpu", "cuda", "mps"))


def _beginning(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))


def _packaged(folder: str) -> Path:
    return Path(str(resources.files("vlp_rvos") / folder))


def _is_checkpoint(file: Path) -> bool:
    """Whether a safetensors file is a model of this project; frozen towers lie in the same folder.

    The file begins with the length of its header in 8 bytes, then comes the header in JSON.
    """
    with file.open("rb") as opened:
        header = json.loads(opened.read(int.from_bytes(opened.read(8), "little")))
    return bool(header.get("__metadata__", {}).get("format") == "vlp-rvos")
