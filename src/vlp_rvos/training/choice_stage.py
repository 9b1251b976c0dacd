"""The stage "choice": which of the candidates an expression means. [D]

`[D]` marks our own decisions; `docs/method.md` explains the marks. The frozen parts see every picture and its mirror
image once (`choice_features.py`); then only the choice runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count

import numpy as np
import torch
from torch import Tensor

from vlp_rvos.data.mixture import Mixture, build_mixture
from vlp_rvos.data.outlined_pictures import GENERATED, OutlinedPicture, VideoClip
from vlp_rvos.data.picture_config import PictureSource
from vlp_rvos.data.picture_sources import open_pictures
from vlp_rvos.data.sources.holdout import fold_of
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.picture_scores import KEPT_SHARE
from vlp_rvos.models.candidate_path import CandidatePath
from vlp_rvos.training.candidate_stage import path_of, spread
from vlp_rvos.training.choice_features import PictureFeatures, clip_features, encode_phrases, picture_features
from vlp_rvos.training.choice_losses import choice_losses
from vlp_rvos.training.choice_samples import ChoiceBatch, ChoiceSamples, Phrases, join_pictures
from vlp_rvos.training.feature_cache import FeatureCache, features_key
from vlp_rvos.training.stage_config import ChoiceStage
from vlp_rvos.training.stage_loop import LaterStage, StageContext, StageResult
from vlp_rvos.utils.progress import announced
from vlp_rvos.utils.signals import StopRequest

__all__ = ["FEATURES", "ChoiceTraining", "FeatureSource", "ScoredPicture", "score_picture"]

#: folder of the features, in that of the run
FEATURES = "features"
AFTER = ("candidate_path.choice.", "candidate_path.number.", "candidate_path.agreement.", "candidate_path.calibration")


@dataclass(frozen=True)
class ScoredPicture:
    """A picture and what the choice says of its candidates, for the E expressions of people.

    Attributes:
        picture: the picture.
        scores: (E, K) scores, -inf where there is no candidate.
        none: (E,) scores of "none".
        targets: (E, K) how well each candidate fits what is meant; 0 if it is not meant.
        meant: how many things each expression means.
        texts: the expressions.
    """

    picture: PictureFeatures
    scores: Tensor
    none: Tensor
    targets: Tensor
    meant: Sequence[int]
    texts: Sequence[str]

    @property
    def presence(self) -> Tensor:
        """(E,) how much better the candidates fit than "none"."""
        return self.scores.logsumexp(1) - self.none


@dataclass(frozen=True)
class _Job:
    """Something whose features are needed.

    Attributes:
        source: index of its source.
        what: a picture, or a clip of a video.
        held_out: whether it is held out.
        mirrored: whether its mirror image is meant.
        view: number of the view with other margins and colours; 0 for the picture as it is.
    """

    source: int
    what: OutlinedPicture | VideoClip
    held_out: bool = False
    mirrored: bool = False
    view: int = 0

    def fold(self, count: int) -> int | None:
        """Which of `count` folds it belongs to; None if there are none, or it is held out."""
        if self.held_out or not count:
            return None
        return fold_of(self.what.unit, count)

    def description(self) -> list[object]:
        """What the features follow from, as JSON can hold it."""
        said = [(x.text, x.thing_ids) for x in self.what.expressions]
        return [self.source, self.what.name, said, self.held_out, self.mirrored, self.view]


class FeatureSource:
    """The pictures that the choice and the agreement are trained on, and their features.

    Args:
        context: the run.
        stage: which pictures, and how many expressions are generated.
        masked_pictures: number of pictures whose masks are kept for the agreement, and of held-out ones.
    """

    def __init__(self, context: StageContext, stage: ChoiceStage, masked_pictures: int) -> None:
        self.context, self.stage = context, stage
        with announced("reading the lists of pictures"):
            self.sources = open_pictures(stage.sources, context.config.data)
        pictures = [s for s in self.sources if s.source.kind == "pictures"]
        #: whether people say anything of the pictures; if not, generated expressions take the place of theirs
        self.spoken = any(picture.expressions for s in pictures for picture in (*s.training, *s.held_out))
        self.jobs: list[_Job] = []
        for k, source in enumerate(self.sources):
            described = [picture for picture in source.training if picture.expressions]
            self.jobs += [_Job(k, picture, mirrored=mirrored) for picture in described for mirrored in (False, True)]
            self.jobs += [
                _Job(k, picture, mirrored=view % 2 == 0, view=view)
                for picture in described
                for view in range(1, source.source.views + 1)
            ]
            if stage.generated and source.source.generated and (stage.undescribed or not described):
                others = [picture for picture in source.training if not picture.expressions]
                self.jobs += [_Job(k, picture) for picture in spread(others, stage.undescribed_pictures)]
            self.jobs += [_Job(k, line_up) for line_up in source.line_ups]
            self.jobs += [_Job(k, clip) for clip in source.clips]
        #: sources in which something is said of several things
        self.counting = {
            k
            for k, source in enumerate(self.sources)
            if source.source.kind == "pictures"
            if any(len(x.thing_ids) > 1 for picture in source.training for x in picture.expressions)
        }
        composed = PictureSource("clips of the mixture", "videos", stage.clip_weight)
        #: sources of the features; the last one is that of the clips
        self.configured = [*(source.source for source in self.sources), composed]
        held = [
            _Job(k, picture, held_out=True)
            for k, source in enumerate(self.sources)
            for picture in source.held_out
            if picture.expressions or self._takes_generated(source.source)
        ]
        self.jobs += spread(held, stage.val_pictures)
        plain = [
            n
            for n, job in enumerate(self.jobs)
            if isinstance(job.what, OutlinedPicture) and not job.mirrored and not job.view
            if job.what.expressions or self._takes_generated(self.configured[job.source])
        ]
        training = [n for n in plain if not self.jobs[n].held_out]
        self.masked = {*spread(training, masked_pictures), *(n for n in plain if self.jobs[n].held_out)}
        if not masked_pictures:
            self.masked = set()
        settings = [
            {name: value for name, value in asdict(stage).items() if name in ("generated", "inserted")},
            [asdict(source.source) for source in self.sources],
            [job.description() for job in self.jobs],
            sorted(self.masked),
            context.config.seed,
            [stage.clips, stage.clip_expressions, asdict(context.config.data) if stage.clips else None],
        ]
        key = features_key(context.model, AFTER, settings, context.forks)
        #: what the dense head is without a fold, by the number of the fold; None for the dense head as it stays
        self.states: dict[int | None, Mapping[str, Tensor]] = {}
        if context.forks:
            whole = {name: tensor.clone() for name, tensor in context.model.trained_state_dict().items()}
            self.states = {None: whole, **dict(enumerate(context.forks))}
        self.in_use: int | None = None
        self.mixtures: dict[int | None, Mixture] = {}
        self.cache = FeatureCache(context.folder / FEATURES, key, len(self.jobs) + stage.clips)

    def _takes_generated(self, source: PictureSource) -> bool:
        """Whether generated expressions take the place of those of people in a source."""
        return source.kind == "pictures" and source.generated and not self.spoken

    def fill(self, stop_request: StopRequest) -> bool:
        """Compute the features that are not there yet; False if a signal broke it off.

        Raises:
            UserError: a file of the data is missing or broken.
        """
        self.context.model.eval()
        try:
            return self.cache.fill(self._compute, stop_request)
        finally:
            self._leave_out(None)

    def numbers(self) -> dict[str, int]:
        """For what people say of things in training pictures: how many are meant."""
        jobs = (job for job in self.jobs if not job.held_out and self.counts_things(job.source))
        return {x.text: len(x.thing_ids) for job in jobs for x in job.what.expressions if x.thing_ids}

    def counts_things(self, source: int) -> bool:
        """Whether a source outlines each thing by itself; in others, two horses may be one annotated object."""
        return source in self.counting

    def phrases(self, pictures: Sequence[PictureFeatures]) -> Phrases:
        """What is said of the pictures, as the frozen text tower sees it."""
        return self.encode({text for picture in pictures for text, _, _ in picture.expressions})

    def encode(self, expressions: Iterable[str]) -> Phrases:
        """Expressions, as the frozen text tower sees them."""
        texts = sorted(expressions)
        with announced(f"encoding {len(texts)} expressions"):
            return encode_phrases(self.context.model, texts)

    def _leave_out(self, fold: int | None) -> None:
        """Let the model have the dense head that has not seen a fold."""
        if fold != self.in_use:
            self.context.model.load_trained({**self.states[None], **self.states[fold]})
            self.in_use = fold

    def _mixture(self, fold: int | None) -> Mixture:
        """The clips that are learned from beside the pictures; of what is divided into folds, those of one fold."""
        if fold in self.mixtures:
            return self.mixtures[fold]
        config, model = self.context.config, self.context.model.config
        data = config.data.with_input_size(model.input_size)
        if fold is not None:
            folds = len(self.context.forks)
            data = replace(data, folds=folds, left_out=tuple(other for other in range(folds) if other != fold))
        length, expressions = model.clip_length, self.stage.clip_expressions
        data = replace(data, clips=1, clip_length=length, expressions=expressions, portrait=0.0)
        self.mixtures[fold] = build_mixture(data, "train")
        return self.mixtures[fold]

    def _compute(self, index: int) -> PictureFeatures:
        if index >= len(self.jobs):
            number, source = index - len(self.jobs), len(self.configured) - 1
            fold = number % len(self.context.forks) if self.context.forks else None
            self._leave_out(fold)
            sample = self._mixture(fold).sample(number)
            model, autocast = self.context.model, self.context.fabric.autocast
            return clip_features(model, sample, f"clip {number}", source, autocast=autocast)
        job, model, autocast = self.jobs[index], self.context.model, self.context.fabric.autocast
        self._leave_out(job.fold(len(self.context.forks)))
        if isinstance(job.what, VideoClip):
            sample = job.what.load(
                lambda height, width: model.config.frame_size(height, width, model.backbone.size_multiple)
            )
            return clip_features(model, sample, job.what.name, job.source, autocast=autocast)
        configured = self.configured[job.source]
        as_spoken = self._takes_generated(configured)
        may_generate = configured.generated and (as_spoken or not job.held_out) and not job.view
        return picture_features(
            model,
            job.what,
            job.source,
            held_out=job.held_out,
            mirrored=job.mirrored,
            varied=job.view > 0,
            generated=self.stage.generated if may_generate else 0,
            as_spoken=as_spoken,
            inserted=self.stage.inserted,
            with_masks=index in self.masked,
            rng=np.random.default_rng((self.context.config.seed, index)),
            autocast=autocast,
        )


class ChoiceTraining(LaterStage[ChoiceBatch]):
    """Trains `Choice`.

    Args:
        context: the run.
        budget: how long, and on what.
        masked_pictures: number of pictures whose masks are kept for the stage that follows; 0 without one.
    """

    name = "choice"
    parts = ("candidate_path.choice.",)
    betas = (0.9, 0.98)

    def __init__(self, context: StageContext, budget: ChoiceStage, masked_pictures: int = 0) -> None:
        super().__init__(context, budget)
        self.stage, self.path, self.masked_pictures = budget, path_of(self.model), masked_pictures
        self.samples: ChoiceSamples | None = None
        self.held_out: list[PictureFeatures] = []
        self.phrases: Phrases = {}
        self.features: FeatureSource | None = None

    def prepare(self, stop_request: StopRequest) -> bool:
        self.features = FeatureSource(self.context, self.stage, self.masked_pictures)
        if not self.features.fill(stop_request):
            return False
        pictures = list(self.features.cache.load())
        self.phrases = self.features.phrases(pictures)
        self.held_out = [picture for picture in pictures if picture.held_out]
        training = [picture for picture in pictures if not picture.held_out]
        training += self.further_pictures(training)
        try:
            seed = self.context.config.seed
            self.samples = ChoiceSamples(
                training, self.features.configured, self.stage, self.phrases, self.path.count, seed
            )
        except ValueError as error:
            raise UserError(
                f"{error}, so that no choice is learned: add expressions, or set choice.generated"
            ) from error
        return True

    def further_pictures(self, pictures: Sequence[PictureFeatures]) -> list[PictureFeatures]:
        """Pictures to train on that are made from those that were looked at."""
        return []

    def batches(self, step: int) -> Iterator[ChoiceBatch]:
        assert self.samples is not None
        return map(self.samples.draw, count(step))

    def losses(self, batch: ChoiceBatch) -> dict[str, Tensor]:
        batch = batch.to(self.fabric.device)
        with self.fabric.autocast():
            scores, none = self.path.choice(
                batch.candidates, batch.present, batch.text, batch.evidence, batch.picture_of
            )
        return choice_losses(scores.float(), none.float(), batch.targets, batch.present[batch.picture_of])

    def clean_up(self) -> None:
        if self.features is not None and not self.masked_pictures:
            self.features.cache.remove()

    def measure(self, stop_request: StopRequest) -> StageResult | None:
        """Share of the expressions about one thing whose best candidate is it, and of the false ones noticed."""
        right: list[bool] = []
        true: list[float] = []
        false: list[float] = []
        for picture in self.held_out:
            if stop_request:
                return None
            scored = score_picture(self.path, picture, self.phrases)
            if scored is None:
                continue
            for e, number in enumerate(scored.meant):
                (true if number else false).append(float(scored.presence[e]))
                if number == 1:
                    right.append(bool(scored.targets[e, scored.scores[e].argmax()] > 0))
        numbers = {"right": float(np.mean(right))} if right else {}
        if true and false:
            numbers["noticed"] = float(np.mean(np.array(false) < np.quantile(true, 1 - KEPT_SHARE)))
        return StageResult(numbers=numbers)


@torch.no_grad()
def score_picture(path: CandidatePath, picture: PictureFeatures, phrases: Phrases) -> ScoredPicture | None:
    """Score the candidates of a picture for what people say of it; None where they say nothing."""
    said = [(text, ids) for text, ids, origin in picture.expressions if origin != GENERATED]
    if not said:
        return None
    batch = join_pictures([picture], [said], phrases, path.count).to(path.class_names.device)
    scores, none = path.choice(batch.candidates, batch.present, batch.text, batch.evidence, batch.picture_of)
    texts, meant = [text for text, _ in said], [len(ids) for _, ids in said]
    return ScoredPicture(picture, scores.cpu(), none.cpu(), batch.targets.cpu(), meant, texts)
