"""What each part of the choice among candidates is worth: the same short training again and again, one part left out.

    python benchmarks/choice_ablation.py run DATA --steps 400 --seeds 0 1 --json ablation.json

RUN is the folder of a training that has looked at its pictures and has not finished (`vlp-rvos train mini-candidates
-o run --set data.root=DATA`, stopped by Ctrl-C once it says "choice: ... steps"): all rows are trained on its features.
The choice begins with random weights in every row; the candidates are those of the run. "Right" is the share of the
expressions of people about one thing in held-out pictures whose best candidate is this thing, "noticed" the share of
the false ones with less presence than 95 % of the true ones. Rows that the JSON file has already are not trained again.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from benchmark_options import benchmark_parser, parse_options, write_numbers
from torch import Tensor, nn

from vlp_rvos.data.further_expressions import further_expressions
from vlp_rvos.data.line_ups import LineUp
from vlp_rvos.data.outlined_pictures import GENERATED
from vlp_rvos.models.backbones.nanodet import CLASS_NAMES, WIDTH
from vlp_rvos.models.choice import Choice
from vlp_rvos.training.choice_features import PictureFeatures
from vlp_rvos.training.choice_samples import ChoiceSamples, Phrases
from vlp_rvos.training.choice_stage import ChoiceTraining, FeatureSource
from vlp_rvos.training.stage_config import ChoiceStage
from vlp_rvos.training.stage_loop import StageContext, run_stage
from vlp_rvos.training.train_config import load_config
from vlp_rvos.training.trainer import Trainer
from vlp_rvos.utils.signals import StopRequest, catch_stop_signals


class Zeros(nn.Module):
    """Says nothing about anything.

    Args:
        width: number of channels of what it returns; None for as many as its input has.
    """

    def __init__(self, width: int | None = None) -> None:
        super().__init__()
        self.width = width

    def forward(self, x: Tensor, *_: Any, **__: Any) -> Tensor:
        """(..., C) -> (..., width)."""
        return torch.zeros_like(x) if self.width is None else x.new_zeros(*x.shape[:-1], self.width)


def without_relations(choice: Choice) -> None:
    """Candidates neither attend to each other nor know how they lie to each other."""
    for layer in choice.layers:
        heads = layer.among.heads  # type: ignore[union-attr]
        layer.among, layer.relation = Zeros(), Zeros(heads)  # type: ignore[arg-type]


def without_detector(picture: PictureFeatures) -> PictureFeatures:
    """A picture without what the detector says of its candidates; the candidates stay."""
    known = {name: value.clone() for name, value in picture.descriptors.items()}
    known["names"][:, 1] = 0
    known["classes"].zero_()
    known["looks"][:, -3 * WIDTH :] = 0
    known["surroundings"][:, -WIDTH - len(CLASS_NAMES) :] = 0
    known["parts"][..., -WIDTH - 1 : -1] = 0
    return replace(picture, descriptors=known)


def without_names(picture: PictureFeatures) -> PictureFeatures:
    """A picture whose candidates have no class names in the space of the words."""
    return replace(picture, descriptors=picture.descriptors | {"names": torch.zeros_like(picture.descriptors["names"])})


def without_parts(picture: PictureFeatures) -> PictureFeatures:
    """A picture of whose candidates only the whole is known, not what is where inside them."""
    return replace(picture, descriptors=picture.descriptors | {"parts": torch.zeros_like(picture.descriptors["parts"])})


def without_dense(picture: PictureFeatures) -> PictureFeatures:
    """A picture of which the dense head says nothing."""
    return replace(picture, evidence=torch.full_like(picture.evidence, float("nan")))


#: origins of the expressions that come with the package
FURTHER = frozenset(further_expressions())
#: folders of the pictures that are no videos
STILL = ("stills", "pictures", "imagenet")


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        title: what is left out.
        picture: changes a picture, held-out ones too.
        taught: whether a picture is trained on, from its source's folder.
        lined_up: whether line-ups are trained on.
        spoken: whether what people say of the training pictures is trained on.
        further: whether the expressions that come with the package are trained on.
        generated: whether generated expressions are trained on.
        change: changes the choice.
    """

    title: str
    picture: Callable[[PictureFeatures], PictureFeatures] = lambda picture: picture
    taught: Callable[[str], bool] = lambda folder: True
    lined_up: bool = True
    spoken: bool = True
    further: bool = True
    generated: bool = True
    change: Callable[[Choice], None] = lambda choice: None


ROWS = {
    "full": Row("full model"),
    "relations": Row("without relations", change=without_relations),
    "detector": Row("without the detector", picture=without_detector),
    "names": Row("without class names in the space of the words", picture=without_names),
    "parts": Row("without parts", picture=without_parts),
    "dense": Row("without the dense head's word", picture=without_dense),
    "human": Row("without expressions of people", spoken=False),
    "further": Row("without the further expressions", further=False),
    "generated": Row("without generated expressions", generated=False),
    "imagenet": Row("without imagenet", taught=lambda folder: folder != "imagenet"),
    "line_ups": Row("without line-ups", lined_up=False),
    "videos": Row("without videos and composed clips", taught=lambda folder: folder in STILL),
}


class RowTraining(ChoiceTraining):
    """Trains the choice of one row from random weights.

    Args:
        context: the run.
        budget: how long.
        row: what is left out.
        source: where the pictures come from.
        pictures: pictures of all rows.
        phrases: what is said of them.
    """

    def __init__(
        self,
        context: StageContext,
        budget: ChoiceStage,
        row: Row,
        source: FeatureSource,
        pictures: Sequence[PictureFeatures],
        phrases: Phrases,
    ) -> None:
        super().__init__(context, budget)
        self.row, self.source, self.pictures, self.phrases = row, source, pictures, phrases

    def prepare(self, stop_request: StopRequest) -> bool:
        pictures = [self.row.picture(picture) for picture in self.pictures]
        self.held_out = [picture for picture in pictures if picture.held_out]
        configured = self.source.configured
        training = [
            replace(picture, expressions=[x for x in picture.expressions if self._is_taught(x[2])])
            for picture in pictures
            if not picture.held_out and self.row.taught(configured[picture.source].folder)
            if self.row.lined_up or not picture.name.startswith(LineUp.NAMED)
        ]
        training = [picture for picture in training if picture.expressions]
        self.samples = ChoiceSamples(
            training, configured, self.stage, self.phrases, self.path.count, self.context.config.seed
        )
        return True

    def _is_taught(self, origin: str) -> bool:
        if origin == GENERATED:
            return self.row.generated
        return self.row.spoken and (self.row.further or origin not in FURTHER)


def _runs_of(rows: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """The runs of a row, which is added if it is not there."""
    row = next((row for row in rows if row["name"] == name), None)
    if row is None:
        row = {"name": name, "title": ROWS[name].title, "runs": []}
        rows.append(row)
    runs: list[dict[str, Any]] = row["runs"]
    return runs


def main() -> None:
    parser = benchmark_parser(__doc__, threads=1)
    parser.add_argument("run", type=Path, help="folder of a training with features")
    parser.add_argument("data", type=Path, help="folder of its data sets")
    parser.add_argument("--steps", type=int, default=400, help="steps of each row")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    arguments = parse_options(parser)
    numbers: dict[str, Any] = {"steps": arguments.steps, "compared_with": next(iter(ROWS)), "rows": []}
    if arguments.json is not None and arguments.json.exists():
        numbers = json.loads(arguments.json.read_text())
        if numbers["steps"] != arguments.steps:
            parser.error(f"{arguments.json} holds rows of {numbers['steps']} steps")
    config = load_config(arguments.run / "config.json", [f"data.root={json.dumps(str(arguments.data))}"])
    assert config.choice is not None
    masked = 0 if config.agreement is None else config.agreement.pictures
    with catch_stop_signals() as stop_request, tempfile.TemporaryDirectory() as folder:
        trainer = Trainer(replace(config, threads=arguments.threads), Path(folder) / "model")
        assert trainer.complete is not None
        model = trainer.complete.to(trainer.fabric.device)
        context = StageContext(config, arguments.run, model, trainer.fabric)
        features = FeatureSource(context, config.choice, masked)
        if not features.fill(stop_request):
            return
        path = model.candidate_path
        assert path is not None
        pictures = list(features.cache.load())
        phrases = features.phrases(pictures)
        steps, warmup = arguments.steps, arguments.steps // 10
        budget = replace(
            config.choice, steps=steps, warmup_steps=warmup, time_limit_minutes=None, cycles=1, start_share=0.0
        )
        widths = {name: value.shape[-1] for name, value in pictures[0].descriptors.items()}
        widths["names"] *= 2
        for seed in arguments.seeds:
            for name in arguments.rows:
                runs = _runs_of(numbers["rows"], name)
                if any(run["seed"] == seed for run in runs):
                    continue
                torch.manual_seed(seed)
                path.choice = Choice(widths, model.backbone.text_width).to(trainer.fabric.device)
                ROWS[name].change(path.choice)
                own = StageContext(replace(config, seed=seed), Path(folder) / f"{name}-{seed}", model, trainer.fabric)
                own.folder.mkdir()
                training = RowTraining(own, budget, ROWS[name], features, pictures, phrases)
                result = run_stage(training, stop_request)
                if not result.finished:
                    return
                runs.append({"seed": seed, "steps": result.progress.step, "numbers": result.numbers})
                write_numbers(numbers, arguments.json)


if __name__ == "__main__":
    main()
