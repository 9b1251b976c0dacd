"""Say in one sentence why a mask was painted, or why none was."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vlp_rvos.explaining.explanation import Candidate, Explanation
from vlp_rvos.media.resizing import resize_mask

__all__ = ["reason"]

#: Share of a mask that must lie in the candidates that are meant, so that it counts as theirs.
FOLLOWS = 0.5
#: Candidates that a sentence names.
MOST_NAMED = 4


def reason(explanation: Explanation) -> str:
    """Why this mask was painted, or why nothing was; one sentence or two."""
    presence = f"presence {explanation.presence:.2f}"
    threshold = f"the threshold {explanation.threshold:.2f}"
    if explanation.threshold < explanation.usual_threshold:
        threshold += f" ({explanation.usual_threshold:.2f} halved, because it was found in the clip before)"
    if not explanation.is_present:
        return f"Nothing is painted: {_rank(explanation)}{presence} is below {threshold}."
    if not explanation.mask.any():
        return f"Nothing is painted: {presence} reaches {threshold}, but no pixel is likely enough to belong to it."
    return f"{_painted(explanation)}; {presence} reaches {threshold}."


def _rank(explanation: Explanation) -> str:
    """How the best candidate stands against "none", as the beginning of a sentence."""
    if not explanation.has_candidates:
        return ""
    if not explanation.candidates:
        return "no candidate was found, and "
    best, none = explanation.candidates[0], explanation.none
    assert none is not None
    if best.score < none:
        return f'"none" scores {none:.1f}, more than the best, {_name(best)}, with {best.score:.1f}, so '
    return f'the best, {_name(best)}, scores {best.score:.1f}, not enough more than "none" with {none:.1f}, so '


def _painted(explanation: Explanation) -> str:
    """What is painted and how it stands against the rest, as the beginning of a sentence."""
    meant, none = explanation.meant, explanation.none
    if not meant or none is None:
        return "The mask of the dense head is painted"
    # The best one never belongs to it by its number alone.
    counted = [candidate for candidate in meant if candidate.is_counted]
    near = [candidate for candidate in meant if not candidate.is_counted]
    shown = near[:MOST_NAMED]
    names, scores = _list([str(c.number) for c in shown]), _list([f"{c.score:.1f}" for c in shown])
    more = f" (and {len(near) - len(shown)} more)" if len(near) > len(shown) else ""
    if len(near) == 1:
        chosen = f"{_name(near[0]).capitalize()} is painted: it scores {scores}"
    else:
        chosen = f"Candidates {names}{more} are painted together: they score {scores}"
    others = [candidate for candidate in explanation.candidates if not candidate.is_meant]
    if meant[0].score > none:
        rivals = [f'"none" {none:.1f}', *(f"{_name(candidate)} {candidate.score:.1f}" for candidate in others[:1])]
        chosen += f" ({_list(rivals)})"
    else:
        chosen += f', less than "none" ({none:.1f}), but not by enough to leave the mask empty'
    if counted:
        next_best = _list([f"{_name(candidate)} {candidate.score:.1f}" for candidate in counted])
        chosen += f"; the words mean several things, so the next best separate ones are painted too ({next_best})"
    share = _share_inside(explanation, meant)
    if share < FOLLOWS:
        return f"{chosen}, though only {100 * share:.0f} % of the mask lies there and the rest is the dense head's"
    return chosen


def _share_inside(explanation: Explanation, candidates: Sequence[Candidate]) -> float:
    """Share of the mask that lies in some candidates."""
    inside = np.zeros(explanation.mask.shape, dtype=bool)
    for candidate in candidates:
        if candidate.mask is not None:
            inside |= resize_mask(candidate.mask, (explanation.mask.shape[0], explanation.mask.shape[1]))
    return float((explanation.mask & inside).sum() / max(explanation.mask.sum(), 1))


def _name(candidate: Candidate) -> str:
    return f"candidate {candidate.number}" + (f" ({candidate.label})" if candidate.label else "")


def _list(parts: Sequence[str]) -> str:
    """Join with commas, and with "and" before the last."""
    return " and ".join([*([", ".join(parts[:-1])] if len(parts) > 1 else []), parts[-1]])
