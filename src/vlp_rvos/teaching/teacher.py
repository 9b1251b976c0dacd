"""Teach a model things of the user's own, from a few labelled frames.

The head that proposes candidates and the choice among them learn, everything else rests. Then weights between the old
and the new ones are tried on held-out frames, and the best are kept: the old ones where nothing is gained.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.data.picture_config import PictureSource
from vlp_rvos.data.sources.described_pictures import DescribedPicture, DescribedPictures
from vlp_rvos.data.sources.files import read_json
from vlp_rvos.errors import UserError
from vlp_rvos.formats.labelled_frames import LabelledFrames
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.models.checkpoint import MODEL_FILE, load_model, peek, save_trained
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.runtimes.devices import find_device
from vlp_rvos.runtimes.number_formats import multiplies
from vlp_rvos.teaching.lesson import Lesson, LessonSummary, check_lesson
from vlp_rvos.teaching.lesson_folder import HELD_OUT, LEARNED, write_lesson
from vlp_rvos.teaching.lesson_phrases import unrelated
from vlp_rvos.teaching.lesson_report import lesson_report, write_pictures
from vlp_rvos.teaching.lesson_scores import EVERYDAY, Answer, LessonScores, answers_of, score_answers
from vlp_rvos.teaching.taught_stages import TaughtChoice
from vlp_rvos.training.candidate_stage import CandidateTraining
from vlp_rvos.training.distributed import make_fabric
from vlp_rvos.training.stage_config import CandidateStage, ChoiceStage
from vlp_rvos.training.stage_loop import LaterStage, StageContext, run_stage
from vlp_rvos.training.train_config import TrainConfig
from vlp_rvos.utils.atomic import write_failure, write_json
from vlp_rvos.utils.output_files import prepare_output
from vlp_rvos.utils.progress import announce, announced, counting
from vlp_rvos.utils.signals import catch_stop_signals

__all__ = ["MIXES", "PICTURES", "REPORT", "UNFINISHED", "TeachResult", "mixed_state", "teach"]

REPORT, PICTURES, UNFINISHED = "report.json", "pictures", "unfinished"
LESSON = "lesson.json"
#: Shares of the new candidates and of the new choice that are tried; the first keeps the old weights.
MIXES = ((0.0, 0.0), (0.0, 0.5), (0.0, 1.0), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0))
PARTS = ("candidate_path.head.", "candidate_path.choice.")
#: Shares of the minutes for the two stages; the rest is for looking at the frames and checking.
CANDIDATE_MINUTES, CHOICE_MINUTES = 0.5, 0.2
#: What is gained must be worth this.
LEAST_GAIN = 0.005
#: Up to so many frames, the choice sees further views of each.
FEW_FRAMES, FURTHER_VIEWS = 60, 2
SOURCE = PictureSource(LEARNED, generated=False, hold_out_share=0.0)
CANDIDATES = CandidateStage(
    steps=300,
    lr=2e-4,
    warmup_steps=10,
    ema=0.97,
    batch=2,
    val_pictures=0,
    sizes=((384, 512), (288, 512), (512, 384), (448, 448)),
    size_weights=(0.4, 0.4, 0.1, 0.1),
    sources=(SOURCE,),
)
CHOICE = ChoiceStage(
    steps=400,
    lr=3e-4,
    warmup_steps=10,
    ema=0.97,
    pictures=6,
    expressions=6,
    generated=0,
    evidence_dropout=0.5,
    val_pictures=0,
    sources=(SOURCE,),
)


@dataclass(frozen=True)
class TeachResult:
    """How a lesson ended.

    Attributes:
        finished: Whether it reached its end; if not, a signal stopped it.
        gained: Whether anything was gained on the held-out frames; if not, the weights are the old ones.
        before: Scores on them with the old weights.
        after: Scores with the weights that were kept.
        signal_number: The signal that stopped it; None if none did.
    """

    finished: bool
    gained: bool = False
    before: LessonScores | None = None
    after: LessonScores | None = None
    signal_number: int | None = None


def teach(
    labelled: LabelledFrames,
    output: Path,
    *,
    name: str | None = None,
    minutes: float = 15.0,
    model: str | Path = "mini",
    device: str = "auto",
    resume: bool = False,
    budgets: tuple[CandidateStage, ChoiceStage] = (CANDIDATES, CHOICE),
) -> TeachResult:
    """Teach a model the things of labelled frames.

    The folder gets `model.safetensors`, which every command takes as `--model`, `report.json` and `pictures/`. While
    the lesson is unfinished, what it needs to go on lies in `unfinished/`.

    Args:
        labelled: The frames. What is labelled with a name in a frame should be everything there that bears it.
        output: The folder; it must not hold a lesson already.
        name: What all things are called, in place of their labels and expressions; None for those.
        minutes: Length of the lesson. Learning takes 70 % of it at most; the rest is meant for looking at the frames
            before, and for checking on the held-out frames after.
        model: Name of a shipped model, or a checkpoint, with candidates.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        resume: Continue the lesson in the folder.
        budgets: How the candidates and the choice learn; their time limits follow from `minutes`.

    Raises:
        UserError: The labels cannot be used, the model has no candidates, or the folder holds something else.
    """
    if not 0 < minutes <= 10**5:
        raise UserError(f"minutes must be above 0 and at most 100000, not {minutes:g}")
    info = peek(model)
    settings = ModelConfig.from_dict(info.config)
    if not settings.candidates:
        raise UserError(f"{model}: has no candidates, which are what learns; teach mini, or a model made from it")
    work = output / UNFINISHED
    _check_output(output, resume=resume)
    lesson = Lesson(labelled, name)
    summary = check_lesson(lesson)
    for line in summary.lines():
        announce(line)
    prepare_output(output, folder=True)
    names = _stored_lesson(lesson, summary, work, [str(model), name, info.backbone_fingerprint])
    fabric = make_fabric(_config(work, find_device(device)), device)
    with announced(f"loading {model}"):
        # As it was trained: what inference changes stays beside it.
        stored = settings.to_dict()
        learner = load_model(model, {field: stored[field] for field in info.inference_overrides}, fabric.device)
        runner = load_model(model, None, fabric.device)
    old = {key: tensor.clone() for key, tensor in learner.trained_state_dict().items()}
    with catch_stop_signals() as stop_request:
        context = StageContext(_config(work, fabric.device), work, learner, fabric)
        taught = list(summary.things)
        for stage in _stages(context, _fitted(budgets, minutes, summary), taught):
            # What asks to stop in the last step of a stage would otherwise wait for all that follows.
            if not run_stage(stage, stop_request).finished or stop_request:
                return TeachResult(False, signal_number=stop_request.signal_number)
    pictures, new = DescribedPictures(work / HELD_OUT).pictures, learner.trained_state_dict()
    tried, answers = _try_mixes(runner, old, new, pictures, taught)
    mix = _best(tried)
    both = answers[MIXES[0]], answers[mix]
    report = lesson_report(summary, names, mix, tried, both)
    try:
        write_pictures(output / PICTURES, pictures, names, both)
    except OSError as error:
        raise write_failure(output / PICTURES, error) from error
    save_trained(
        output / MODEL_FILE,
        learner,
        {**info.training, "taught": {"names": taught, "mix": report["mix"]}},
        state=mixed_state(old, new, mix),
        inference_overrides=info.inference_overrides,
        backbone_weights=info.backbone_weights,
    )
    write_json(output / REPORT, report)
    # Without this file the lesson is finished, whatever else of the folder a kill leaves behind.
    (work / LESSON).unlink()
    shutil.rmtree(work)
    scores = dict(tried)
    return TeachResult(True, bool(report["gained"]), scores[MIXES[0]], scores[mix])


def mixed_state(old: Mapping[str, Tensor], new: Mapping[str, Tensor], shares: tuple[float, float]) -> dict[str, Tensor]:
    """Trained tensors between old and new ones.

    Args:
        old: The tensors before.
        new: The tensors after, with the same keys.
        shares: How much of the new candidates and of the new choice is taken, in [0, 1]; with 0, exactly the old ones.
    """
    found = dict(old)
    for part, share in zip(PARTS, shares, strict=True):
        for key in (key for key in old if share and key.startswith(part)):
            found[key] = torch.lerp(old[key], new[key], share)
    return found


def _check_output(output: Path, *, resume: bool) -> None:
    """Check that nothing of the user's is replaced. While a lesson is unfinished, the other outputs are its own."""
    if (output / UNFINISHED / LESSON).exists():
        if not resume:
            raise UserError(f"{output}: holds an unfinished lesson; use --resume to go on, or choose another --output")
        return
    for name in (MODEL_FILE, REPORT, PICTURES, UNFINISHED):
        if (output / name).exists():
            raise UserError(f"{output}: holds {name} already; choose another --output, or move it away")


def _stored_lesson(lesson: Lesson, summary: LessonSummary, work: Path, settings: list[str | None]) -> dict[str, str]:
    """Store the frames, or find those that an earlier part of the lesson has stored."""
    known = [*settings, str(lesson.labelled.layout), sorted(summary.frames.items()), sorted(summary.things.items())]
    key = hashlib.sha256(json.dumps(known).encode("utf-8", "surrogatepass")).hexdigest()
    file = work / LESSON
    if file.is_file():
        content = read_json(file)
        if not isinstance(content, dict) or content.get("key") != key:
            raise UserError(
                f"{work}: is a lesson with other labels, name or model; use the same, or choose another --output"
            )
        if content.get("names"):
            return dict(content["names"])
    prepare_output(work, folder=True)
    # From here on the folder is known to be that of a lesson; without names, its frames are not complete.
    write_json(file, {"key": key, "names": None})
    try:
        names = write_lesson(lesson, summary, work)
    except OSError as error:
        raise write_failure(work, error) from error
    write_json(file, {"key": key, "names": names})
    return names


def _config(work: Path, device: torch.device) -> TrainConfig:
    return TrainConfig(
        name="teach",
        data=MixtureConfig(root=str(work)),
        precision="bf16-mixed" if multiplies(torch.bfloat16, device) else "fp32",
        workers=0,
        log_every=50,
        checkpoint_every=None,
        checkpoint_minutes=1.0,
    )


def _fitted(
    budgets: tuple[CandidateStage, ChoiceStage], minutes: float, summary: LessonSummary
) -> tuple[CandidateStage, ChoiceStage]:
    """The budgets for a number of minutes. Where there are many frames, each is seen from fewer sides."""
    candidates, choice = budgets
    views = FURTHER_VIEWS if len(summary.frames) <= FEW_FRAMES else 0
    return (
        replace(candidates, time_limit_minutes=CANDIDATE_MINUTES * minutes),
        replace(
            choice,
            time_limit_minutes=CHOICE_MINUTES * minutes,
            sources=tuple(replace(source, views=views) for source in choice.sources),
        ),
    )


def _stages(
    context: StageContext, budgets: tuple[CandidateStage, ChoiceStage], taught: Sequence[str]
) -> Iterator[LaterStage[Any]]:
    # Made one by one: each finds the model as the one before has left it.
    yield CandidateTraining(context, budgets[0])
    yield TaughtChoice(context, budgets[1], taught)


def _try_mixes(
    runner: VLPRVOS,
    old: Mapping[str, Tensor],
    new: Mapping[str, Tensor],
    pictures: Sequence[DescribedPicture],
    taught: Sequence[str],
) -> tuple[list[tuple[tuple[float, float], LessonScores]], dict[tuple[float, float], list[Answer]]]:
    """The scores of all mixes, and their answers."""
    answers: dict[tuple[float, float], list[Answer]] = {}
    tried: list[tuple[tuple[float, float], LessonScores]] = []
    everyday = unrelated(EVERYDAY, taught)
    wanted = runner.trained_state_dict().keys()
    with counting("checking on held-out frames", "answers", len(MIXES) * len(pictures)) as count:
        for number, shares in enumerate(MIXES):
            state = mixed_state(old, new, shares)
            runner.load_trained({key: state[key] for key in wanted})
            on_picture = partial(_count_on, count, number * len(pictures))
            answers[shares] = answers_of(Segmenter(runner, "teach"), pictures, everyday, on_picture=on_picture)
            tried.append((shares, score_answers(answers[shares], answers[MIXES[0]])))
    return tried, answers


def _count_on(count: Callable[[int], None], before: int, done: int) -> None:
    count(before + done)


def _best(tried: Sequence[tuple[tuple[float, float], LessonScores]]) -> tuple[float, float]:
    """The shares that gain most; the first, which keep the old weights, where none gains enough."""
    before = tried[0][1]
    shares, scores = max(tried, key=lambda one: one[1].value(before))
    return shares if scores.value(before) > LEAST_GAIN else tried[0][0]
