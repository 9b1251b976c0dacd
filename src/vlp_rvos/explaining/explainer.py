"""Segment a video and say of each frame how its masks came about.

Shapes: E expressions, T frames of a clip, (h', w') patch grid, (h, w) network input size in pixels.
"""

from __future__ import annotations

import itertools
from collections.abc import Generator, Sequence
from contextlib import closing

import numpy as np
from torch import Tensor

from vlp_rvos.arrays import Floats
from vlp_rvos.errors import UserError
from vlp_rvos.explaining.explanation import Candidate, Explanation, WordReading
from vlp_rvos.explaining.tracing_runtime import ClipTrace, TracingRuntime
from vlp_rvos.inference.segmenter import Segmenter
from vlp_rvos.inference.stream import Stream, StreamPrediction
from vlp_rvos.media.video_source import VideoSource
from vlp_rvos.models.backbones.nanodet import CLASS_NAMES
from vlp_rvos.models.candidate_path import Chosen
from vlp_rvos.models.tracks import Sightings, Tracks, match
from vlp_rvos.results import FrameResult
from vlp_rvos.runtimes.torch_runtime import TorchRuntime

__all__ = ["explain"]

#: Probability of a class from which a candidate is called by its name.
NAMED = 0.25


def explain(
    segmenter: Segmenter, source: VideoSource, expressions: str | Sequence[str]
) -> Generator[tuple[FrameResult, list[Explanation]], None, None]:
    """Segment a video, and explain each mask. One clip at a time is in memory.

    Args:
        segmenter: the model, which PyTorch must run.
        source: the video.
        expressions: the E expressions.

    Returns:
        A lazy iterator over frames: the result, which is that of `Segmenter.segment`, and E explanations.

    Raises:
        UserError: the model is an exported one, the video cannot be read, or an expression is empty.

    Example:
        >>> segmenter = Segmenter.from_pretrained("mini", runtime="torch")         # doctest: +SKIP
        >>> video = open_video("street.mp4")                                       # doctest: +SKIP
        >>> for result, explanations in explain(segmenter, video, "the red car"):  # doctest: +SKIP
        ...     explanations[0].candidates, explanations[0].none, explanations[0].presence
    """
    if not isinstance(segmenter.runtime, TorchRuntime):
        raise UserError(
            f"{segmenter.name}: an exported model gives its masks alone, so they cannot be explained; "
            "give the checkpoint that was exported, with the runtime torch"
        )
    runtime = TracingRuntime(segmenter.runtime)
    stream = Stream(runtime, segmenter.config, segmenter.options, expressions)
    return _explained(stream, runtime, source)


def _explained(
    stream: Stream, runtime: TracingRuntime, source: VideoSource
) -> Generator[tuple[FrameResult, list[Explanation]], None, None]:
    backbone = runtime.model.backbone
    assert backbone.tokenizer is not None
    words = [backbone.tokenizer.words(text, backbone.max_words) for text in stream.expressions]
    numbering = _Numbering()
    with closing(source.read(None)) as frames:
        while clip := list(itertools.islice(frames, stream.config.clip_length)):
            prediction = stream.predict(clip)
            assert runtime.trace is not None
            things = None
            if runtime.trace.chosen is not None:
                chosen = runtime.trace.chosen
                things = _Things(chosen, numbering.number(chosen.tracks))
            # In the number format of the thresholds that it is compared with.
            usual_threshold = float(np.float32(stream.config.presence_threshold))
            reader = _ClipReader(usual_threshold, words, prediction, runtime.trace, things)
            for t, result in enumerate(stream.results(prediction)):
                yield result, [reader.explain(result, e, t) for e in range(len(stream.expressions))]


class _Numbering:
    """Numbers the things of a video, so that a thing that is followed from clip to clip keeps its number."""

    def __init__(self) -> None:
        self._earlier: tuple[Sightings, list[int]] | None = None
        self._largest = 0

    def number(self, tracks: Tracks) -> list[int]:
        """The numbers of the things of the next clip."""
        things, found = tracks.sightings(), dict[int, int]()
        if self._earlier is not None:
            earlier, numbers = self._earlier
            # The scores of a thing are averaged with those of the thing that is matched in the same way.
            found = {new: numbers[old] for old, new in match(earlier, things)}
        for index in range(len(things.boxes)):
            if index not in found:
                self._largest += 1
                found[index] = self._largest
        numbers = [found[index] for index in range(len(things.boxes))]
        self._earlier = things, numbers
        return numbers


class _Things:
    """The candidates of a clip.

    Args:
        chosen: what the candidate path says of the clip.
        numbers: their N numbers.
    """

    def __init__(self, chosen: Chosen, numbers: Sequence[int]) -> None:
        self.scores, self.none = chosen.scores.detach().cpu(), chosen.none.detach().cpu()
        self.members, self.counted = chosen.members.part.detach().cpu(), chosen.members.counted.cpu()
        self.numbers, tracks = numbers, chosen.tracks
        self.seen, self.objectness = tracks.seen.cpu(), tracks.objectness.cpu()
        self.masks = (tracks.mask_logits > 0).cpu().numpy()
        probabilities, classes = tracks.descriptors.classes.float().cpu().max(1)
        self.labels = [
            CLASS_NAMES[index] if probability >= NAMED else None
            for probability, index in zip(probabilities.tolist(), classes.tolist(), strict=True)
        ]

    def of(self, e: int, t: int) -> tuple[Candidate, ...]:
        """All of them for expression `e` in frame `t`, the best score first."""
        return tuple(
            Candidate(
                self.numbers[n],
                self.labels[n],
                float(self.scores[e, n]),
                float(self.members[e, n]),
                bool(self.counted[e, n]),
                float(self.objectness[n]),
                self.masks[t, n] if self.seen[t, n] else None,
            )
            for n in self.scores[e].argsort(descending=True).tolist()
        )


class _ClipReader:
    """Reads explanations off the trace of a clip.

    Args:
        usual_threshold: presence below which a mask is left empty where nothing was found before.
        words: for each expression, its words with the positions of their tokens.
        prediction: the prediction for the clip.
        trace: what the model computed on the way.
        things: the candidates; None where the model has none.
    """

    def __init__(
        self,
        usual_threshold: float,
        words: Sequence[Sequence[tuple[str, list[int]]]],
        prediction: StreamPrediction,
        trace: ClipTrace,
        things: _Things | None,
    ) -> None:
        self.usual_threshold, self.words = usual_threshold, words
        self.prediction, self.trace, self.things = prediction, trace, things

    def explain(self, result: FrameResult, e: int, t: int) -> Explanation:
        """Explain expression `e` in frame `t` of the clip, whose result is given."""
        trace, things = self.trace, self.things
        return Explanation(
            expression=result.expressions[e],
            words=tuple(self._read_word(e, t, word, positions) for word, positions in self.words[e]),
            score_map=None if trace.scores is None else _probabilities(trace.scores[e, t]),
            dense_mask=_probabilities(trace.dense_masks[e, t]),
            dense_presence=None if trace.dense_presences is None else float(trace.dense_presences[e, t].sigmoid()),
            candidates=() if things is None else things.of(e, t),
            has_candidates=things is not None,
            none=None if things is None else float(things.none[e]),
            presence=float(self.prediction.presences[e, t]),
            threshold=float(self.prediction.thresholds[e]),
            usual_threshold=self.usual_threshold,
            mask=result.masks[e],
            score=float(result.scores[e]),
        )

    def _read_word(self, e: int, t: int, word: str, positions: list[int]) -> WordReading:
        scores = self.trace.token_scores
        score_map = None if scores is None else _probabilities(scores[e, positions, t].mean(0))
        attention = {name: float(shares[e, t, positions].sum()) for name, shares in self.trace.attention.items()}
        return WordReading(word, score_map, attention)


def _probabilities(logits: Tensor) -> Floats:
    probabilities: Floats = logits.float().sigmoid().numpy()
    return probabilities
