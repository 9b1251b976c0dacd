"""The ablation table: the same training again and again, with one part changed at a time.

A run is one row of the table with one seed. It lies in `<output>/<row>/seed-<n>/`: the trainer's folder and, once it is
trained and measured, `result.json`. Runs that have one are kept; one that was stopped goes on from its checkpoint.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from vlp_rvos.data.mixture import build_mixture
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.dataset_scores import DatasetScores
from vlp_rvos.evaluation.grounding_probe import probe_grounding
from vlp_rvos.evaluation.prediction import Predictor
from vlp_rvos.evaluation.runner import evaluate_ytvos_folder
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.models.backbones.mini import load_mini
from vlp_rvos.training.run_checkpoint import CHECKPOINT
from vlp_rvos.training.train_config import TrainConfig, load_config
from vlp_rvos.training.trainer import Trainer
from vlp_rvos.utils.atomic import replace_file, write_bytes
from vlp_rvos.utils.settings import read_settings

__all__ = ["AblationConfig", "Row", "load_ablation", "run_ablation", "summarise", "table", "turned"]

SETTINGS, RESULT, UNALIGNED = "settings.json", "result.json", "unaligned-backbone.safetensors"
#: name of a number of a run -> column of the table
COLUMNS = {
    "iou_present": "IoU",
    "iou_video": "video",
    "iou_still": "still",
    "iou_pasted": "pasted",
    "presence_accuracy": "presence",
    "J&F": "J&F",
    "right_category": "right by name",
    "right_motion": "right by motion",
}
#: numbers whose difference to the first row is shown too
COMPARED = ("iou_present", "J&F")


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: of its folder.
        title: in the table.
        model: `ModelConfig` field -> value, where it differs from the table's model.
        train: settings of the training that differ.
        aligned: False turns the frozen image features away from the text encoder; see `turned`.
    """

    name: str
    title: str
    model: dict[str, Any] = field(default_factory=dict)
    train: dict[str, Any] = field(default_factory=dict)
    aligned: bool = True

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9-]+", self.name):
            raise ValueError(f"name '{self.name}' must consist of small letters, digits and -: it names a folder")


@dataclass(frozen=True)
class AblationConfig:
    """A table.

    Attributes:
        base: training configuration, a file or a shipped name.
        rows: the first one is what the others are compared with.
        train: settings on top of `base`, for all rows.
        seeds: of the runs of each row; of the data too.
        pairs: clips of each kind of pair that the grounding probe asks about, and for presence; 0 for none.
    """

    base: str
    rows: tuple[Row, ...]
    train: dict[str, Any] = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1)
    pairs: int = 0

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        if not names or not self.seeds:
            raise ValueError("there must be at least one row and one seed")
        if len(set(names)) < len(names) or len(set(self.seeds)) < len(self.seeds):
            raise ValueError("no row and no seed may come twice")
        if self.pairs < 0:
            raise ValueError("pairs must not be negative")

    def select(self, rows: Sequence[str] = (), seeds: Sequence[int] = ()) -> AblationConfig:
        """A part of the table; empty for all.

        Raises:
            UserError: there is no such row.
        """
        known = [row.name for row in self.rows]
        if unknown := [name for name in rows if name not in known]:
            raise UserError(f"no such row: {', '.join(unknown)}; use {', '.join(known)}")
        chosen = tuple(row for row in self.rows if not rows or row.name in rows)
        return replace(self, rows=chosen, seeds=tuple(dict.fromkeys(seeds)) or self.seeds)


def load_ablation(source: Path, overrides: Sequence[str] = ()) -> AblationConfig:
    """Read a table's configuration.

    Args:
        source: a YAML file, or the name of a shipped one.
        overrides: "a.b=value" each; the value is YAML.

    Raises:
        UserError: no such file, not YAML, an unknown key, a value of the wrong type or out of range.
    """
    folder = Path(str(resources.files("vlp_rvos") / "training" / "recipes" / "ablation"))
    shipped = {file.stem: file for file in sorted(folder.glob("*.yaml"))}
    file = source if source.is_file() else shipped.get(str(source))
    if file is None:
        raise UserError(f"{source}: no such ablation; give a YAML file or a shipped name ({', '.join(shipped)})")
    return read_settings(AblationConfig, file, overrides)


def run_ablation(
    ablation: AblationConfig,
    output: Path,
    *,
    device: str = "auto",
    on_run: Callable[[str], object] = lambda _: None,
) -> bool:
    """Train and measure what of a table is not there yet.

    All rows are done with the first seed before the second one begins, so that a whole table is there early.

    Args:
        ablation: the table.
        output: its folder.
        device: to train and to measure on.
        on_run: called with a line about each run that has become ready.

    Returns:
        False where a signal stopped it; the same call goes on.

    Raises:
        UserError: the folder holds runs with other settings, or settings or data cannot be used.
        VLPRVOSError: a training failed.
    """
    # A mistake in the last row should not be found out hours later.
    runs = [(row, seed, _train_config(ablation, row, seed, output)) for seed in ablation.seeds for row in ablation.rows]
    for row, seed, config in runs:
        _check_settings(_folder(output, row, seed), _settings(config, row, ablation))
    for number, (row, seed, config) in enumerate(runs, start=1):
        folder = _folder(output, row, seed)
        if (folder / RESULT).exists():
            continue
        settings = _settings(config, row, ablation)
        write_bytes(folder / SETTINGS, (json.dumps(settings, indent=1) + "\n").encode())
        if not row.aligned:
            _write_unaligned(config)
        trained = Trainer(config, folder, device=device, resume=True).train()
        if not trained.finished:
            return False
        numbers = trained.validation | _measure(trained.model, config, device, ablation.pairs)
        result = {"seed": seed, "steps": trained.steps, "seconds": round(trained.seconds, 1), "numbers": numbers}
        write_bytes(folder / RESULT, (json.dumps(result, indent=1) + "\n").encode())
        # It is several times as large as the model, and there is nothing left to resume.
        (folder / CHECKPOINT).unlink(missing_ok=True)
        on_run(f"{row.title}, seed {seed} ({number} of {len(runs)}): {_shown(numbers)}")
    return True


def summarise(ablation: AblationConfig, output: Path) -> dict[str, Any]:
    """All runs of a table that are ready, as plain values for `table`.

    Args:
        ablation: the whole table; the seeds are those that are found.
        output: its folder.

    Raises:
        UserError: the folder holds runs with other settings.
    """
    rows = []
    for row in ablation.rows:
        runs = [json.loads(file.read_text()) for file in (output / row.name).glob(f"seed-*/{RESULT}")]
        for run in runs:
            config = _train_config(ablation, row, run["seed"], output)
            _check_settings(_folder(output, row, run["seed"]), _settings(config, row, ablation))
        if runs:
            rows.append({"name": row.name, "title": row.title, "runs": sorted(runs, key=lambda run: run["seed"])})
    return {"base": ablation.base, "compared_with": ablation.rows[0].name, "pairs": ablation.pairs, "rows": rows}


def table(summary: Mapping[str, Any]) -> str:
    """The markdown table of a summary: mean over the seeds, plus or minus half the distance of the extremes; percent.

    Differences are to the configuration's first row, each seed with the same seed.
    """
    rows = summary["rows"]
    found = {name for row in rows for run in row["runs"] for name in run["numbers"]}
    columns = {name: title for name, title in COLUMNS.items() if name in found}
    compared = [name for name in COMPARED if name in found]
    titles = ["row", *columns.values(), *(f"{columns[name]}, difference" for name in compared), "steps", "seeds"]
    lines = [_line(titles), "|---" * len(titles) + "|"]
    reference = summary["compared_with"]
    full = {run["seed"]: run["numbers"] for row in rows if row["name"] == reference for run in row["runs"]}
    for row in rows:
        numbers = {run["seed"]: run["numbers"] for run in row["runs"]}
        cells = [_cell([own[name] for own in numbers.values() if name in own]) for name in columns]
        for name in compared:
            pairs = [(own, full[seed]) for seed, own in numbers.items() if seed in full]
            differences = [own[name] - base[name] for own, base in pairs if name in own and name in base]
            cells.append("" if row["name"] == reference else _cell(differences, sign="+"))
        steps = round(fmean(run["steps"] for run in row["runs"]))
        lines.append(_line([row["title"], *cells, str(steps), str(len(numbers))]))
    return "\n".join(lines)


def turned(tower: Mapping[str, Tensor], seed: int = 0) -> dict[str, Tensor]:
    """The weights of `mini`'s vision tower with its way into the shared space followed by a random rotation.

    This is the tower that the same pretraining would have given with a text encoder whose space is turned so: the image
    features before the shared space, and all distances in it, stay the same, the text encoder stays as good, but the
    two do not meet any more. Words reach everything else of the model through learned linear maps that start at random,
    so that turning the text itself would change hardly anything else. [D]

    Args:
        tower: `MiniBackbone.aligned_state_dict`.
        seed: of the rotation.
    """
    state = {name: value.detach().clone().contiguous() for name, value in tower.items()}
    weight, bias = "vision_projection.weight", "vision_projection.bias"
    random = torch.randn(2 * (state[weight].shape[0],), generator=torch.Generator().manual_seed(seed))
    rotation = torch.linalg.qr(random).Q
    return state | {weight: rotation @ state[weight], bias: rotation @ state[bias]}


def _folder(output: Path, row: Row, seed: int) -> Path:
    return output / row.name / f"seed-{seed}"


def _train_config(ablation: AblationConfig, row: Row, seed: int, output: Path) -> TrainConfig:
    settings = {
        **dict(_flat(ablation.train)),
        **dict(_flat({"model": {"overrides": row.model}})),
        **dict(_flat(row.train)),
        "name": f"{row.name}-{seed}",
        "seed": seed,
        "data.seed": seed,
    }
    if not row.aligned:
        settings["model.backbone_weights"] = str(output / UNALIGNED)
    config = load_config(Path(ablation.base), [f"{key}={json.dumps(value)}" for key, value in settings.items()])
    if not row.aligned and config.model.preset != "mini":
        raise UserError(f"row {row.name}: only the backbone of mini can be turned away from its text encoder")
    return config


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _settings(config: TrainConfig, row: Row, ablation: AblationConfig) -> dict[str, Any]:
    """What makes a run comparable, as JSON gives it back."""
    values = dataclasses.asdict(config)
    # These change nothing that is learned.
    for key in ("threads", "workers", "checkpoint_every", "checkpoint_minutes", "log_every"):
        del values[key]
    del values["data"]["root"], values["model"]["backbone_weights"]
    settings: dict[str, Any] = json.loads(
        json.dumps({"train": values, "aligned": row.aligned, "pairs": ablation.pairs})
    )
    return settings


def _check_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    file = folder / SETTINGS
    if file.exists() and json.loads(file.read_text()) != settings:
        raise UserError(f"{folder}: holds a run with other settings; use the same or choose another --output")


def _write_unaligned(config: TrainConfig) -> None:
    assert config.model.backbone_weights is not None
    path = Path(config.model.backbone_weights)
    if not path.exists():
        state = turned(load_mini().aligned_state_dict())
        replace_file(path, lambda part: save_file(state, part))


def _measure(model: Path, config: TrainConfig, device: str, pairs: int) -> dict[str, float]:
    """What the trainer's own validation does not say: J and F on the held-out videos, and the choice between pairs."""
    segmenter = Segmenter.from_pretrained(model, device=device)

    numbers: dict[str, float] = {}
    means = _held_out_scores(config.data, segmenter.segment).means
    if means is not None:
        numbers |= {"J": means.j.mean, "F": means.f.mean, "J&F": means.j_and_f}
    if pairs:
        data = replace(config.data.with_input_size(segmenter.config.input_size), portrait=0.0)
        grounding = probe_grounding(segmenter.segment, build_mixture(data, "holdout"), pairs, pairs)
        numbers |= {f"right_{kind}": scores.right for kind, scores in grounding.pairs.items()}
        numbers["absent_caught"] = grounding.absent_caught
    return numbers


def _held_out_scores(data: MixtureConfig, predict: Predictor) -> DatasetScores:
    """Of the videos that the training kept apart, whole pipeline, first and last frame left out."""
    scores = DatasetScores()
    for source in data.sources:
        if source.kind == "videos":
            reader = YTVOSDataset(Path(data.root) / source.folder)
            reader.videos = [video for video in reader.videos if video.name in data.hold_out]
            if reader.videos:
                scores.videos |= evaluate_ytvos_folder(reader, predict, skip_ends=True).videos
    return scores


def _shown(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{title} {100 * numbers[name]:.1f}" for name, title in COLUMNS.items() if name in numbers)


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(values: Sequence[float], sign: str = "") -> str:
    if not values:
        return ""
    mean, spread = 100 * fmean(values), 50 * (max(values) - min(values))
    return f"{mean:{sign}.1f}" + (f" ± {spread:.1f}" if len(values) > 1 else "")
