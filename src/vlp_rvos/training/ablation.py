"""Runs an ablation: the same training again and again, with one part changed at a time.

A run is one row of the table with one seed. Its folder `<output>/<row>/seed-<n>/` holds the trainer's files and, once
the model is trained and measured, `result.json`. A run that has this file is not repeated; a run that was stopped
continues from its checkpoint.
"""

from __future__ import annotations

import dataclasses
import json
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vlp_rvos.data.mixture import build_mixture
from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.own_data import use_own_data
from vlp_rvos.data.sources.ytvos import YTVOSDataset
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.dataset_scores import DatasetScores
from vlp_rvos.evaluation.grounding_probe import probe_grounding
from vlp_rvos.evaluation.prediction import Predictor
from vlp_rvos.evaluation.runner import evaluate_ytvos_folder
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.training.ablation_config import AblationConfig, AblationRow
from vlp_rvos.training.ablation_table import COLUMNS
from vlp_rvos.training.later_stages import STAGE_CHECKPOINTS
from vlp_rvos.training.misaligned_backbone import write_misaligned_backbone
from vlp_rvos.training.run_checkpoint import CHECKPOINT
from vlp_rvos.training.train_config import TrainConfig, load_config
from vlp_rvos.training.trainer import Trainer
from vlp_rvos.utils.atomic import write_bytes

__all__ = ["collect_results", "run_ablation"]

SETTINGS, RESULT, MISALIGNED = "settings.json", "result.json", "unaligned-backbone.safetensors"


def run_ablation(
    ablation: AblationConfig,
    output: Path,
    *,
    device: str = "auto",
    on_run: Callable[[str], object] = lambda _: None,
) -> int | None:
    """Train and measure the runs of a table that have no result yet.

    Every row is run with the first seed before any with the second, so that a complete table exists early.

    Args:
        ablation: the table.
        output: folder of the table.
        device: device for training and measuring.
        on_run: called with one line of text about each finished run.

    Returns:
        None if all runs are finished; else the number of the signal that stopped one. The same call then continues.

    Raises:
        UserError: the folder holds runs with other settings, or settings or data cannot be used.
        VLPRVOSError: a training failed.
    """
    # All settings are read before the first run, so that a mistake in the last row is not found hours later.
    runs = [(row, seed, _train_config(ablation, row, seed, output)) for seed in ablation.seeds for row in ablation.rows]
    if runs and not use_own_data(runs[0][2].data).held_out:
        raise UserError("an ablation compares models on data that is held out, and there is too little to hold any out")
    for row, seed, config in runs:
        _check_settings(_folder(output, row, seed), _settings(config, row, ablation))
    for number, (row, seed, config) in enumerate(runs, start=1):
        folder = _folder(output, row, seed)
        if (folder / RESULT).exists():
            continue
        settings = _settings(config, row, ablation)
        write_bytes(folder / SETTINGS, (json.dumps(settings, indent=1) + "\n").encode())
        if not row.aligned:
            write_misaligned_backbone(output / MISALIGNED)
        trainer = Trainer(config, folder, device=device, resume=True)
        trained = trainer.train()
        if not trained.finished:
            return trained.signal_number or signal.SIGINT
        numbers = trained.validation | _measure(trained.model, trainer.config, device, ablation.pairs)
        result = {"seed": seed, "steps": trained.steps, "seconds": round(trained.seconds, 1), "numbers": numbers}
        write_bytes(folder / RESULT, (json.dumps(result, indent=1) + "\n").encode())
        # Nothing is left to resume, and the checkpoints are several times as large as the model.
        for name in (CHECKPOINT, *STAGE_CHECKPOINTS):
            (folder / name).unlink(missing_ok=True)
        on_run(f"{row.title}, seed {seed} ({number} of {len(runs)}): {_shown(numbers)}")
        if trained.signal_number is not None:
            return trained.signal_number
    return None


def collect_results(ablation: AblationConfig, output: Path) -> dict[str, Any]:
    """All finished runs of a table as plain values, for `ablation_table`.

    Args:
        ablation: the whole table. Its seeds are ignored: those of the finished runs count.
        output: folder of the table.

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


def _folder(output: Path, row: AblationRow, seed: int) -> Path:
    return output / row.name / f"seed-{seed}"


def _train_config(ablation: AblationConfig, row: AblationRow, seed: int, output: Path) -> TrainConfig:
    settings = {
        **dict(_flat(ablation.train)),
        **dict(_flat({"model": {"overrides": row.model}})),
        **dict(_flat(row.train)),
        "name": f"{row.name}-{seed}",
        "seed": seed,
        "data.seed": seed,
    }
    if not row.aligned:
        settings["model.backbone_weights"] = str(output / MISALIGNED)
    config = load_config(Path(ablation.base), [f"{key}={json.dumps(value)}" for key, value in settings.items()])
    if not row.aligned and config.model.preset != "mini":
        raise UserError(f"row {row.name}: 'aligned: false' needs the backbone of mini")
    return config


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _settings(config: TrainConfig, row: AblationRow, ablation: AblationConfig) -> dict[str, Any]:
    """The settings that runs must share to be comparable, as plain JSON values."""
    values = dataclasses.asdict(config)
    # These do not change what is learned.
    for key in ("threads", "workers", "checkpoint_every", "checkpoint_minutes", "log_every"):
        del values[key]
    # Nor do these, for the same data; earlier versions did not have the latter.
    del values["data"]["root"], values["model"]["backbone_weights"], values["data"]["find_sources"]
    settings: dict[str, Any] = json.loads(
        json.dumps({"train": values, "aligned": row.aligned, "pairs": ablation.pairs})
    )
    return settings


def _check_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    file = folder / SETTINGS
    try:
        same = not file.exists() or json.loads(file.read_bytes()) == settings
    except (ValueError, RecursionError):
        same = False
    if not same:
        raise UserError(f"{folder}: holds a run with other settings; use the same or choose another --output")


def _measure(model: Path, config: TrainConfig, device: str, pairs: int) -> dict[str, float]:
    """What the trainer's validation does not measure: J and F on held-out videos, and the grounding probe."""
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
    """Scores of the whole pipeline on the held-out videos; the first and the last frame do not count."""
    scores = DatasetScores()
    for source in data.sources:
        if source.kind == "videos":
            root = Path(data.root)
            reader = YTVOSDataset(root / source.folder, None if source.images is None else root / source.images)
            # Of a video of two frames nothing would be left.
            reader.videos = [video for video in reader.videos if video.name in data.hold_out and len(video.frames) > 2]
            if reader.videos:
                scores.videos |= evaluate_ytvos_folder(reader, predict, skip_ends=True).videos
    return scores


def _shown(numbers: Mapping[str, float]) -> str:
    return ", ".join(f"{title} {100 * numbers[name]:.1f}" for name, title in COLUMNS.items() if name in numbers)
