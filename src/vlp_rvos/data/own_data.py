"""Trains a shipped recipe on the user's own data: finds the data sets, and chooses what is held out for validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from vlp_rvos.data.discovery import DataSets, FoundDataSet, find_data_sets
from vlp_rvos.data.mixture_config import MixtureConfig, Source
from vlp_rvos.data.sources.holdout import hash_share
from vlp_rvos.errors import UserError
from vlp_rvos.utils.plain_text import shorten

__all__ = ["OwnData", "use_own_data"]


@dataclass(frozen=True)
class OwnData:
    """The configuration of a mixture after the data sets were looked for.

    Attributes:
        config: The configuration, with the sources and what is held out.
        summary: One line about what was found and what is held out; "" where the sources are those of the recipe.
        held_out: Whether anything is held out.
    """

    config: MixtureConfig
    summary: str = ""
    held_out: bool = True


def use_own_data(config: MixtureConfig) -> OwnData:
    """Replace the sources of a recipe by the data sets that `root` holds, where its own sources are not all there.

    Only configurations that say `find_sources` are changed. Of the videos and of the pictures that were found, those
    whose hash lies below `hold_out_share` are held out: at least one, and never all. A `hold_out` whose videos are
    all among those found is kept.

    Raises:
        UserError: `root` is no folder, holds no data set, or one of which files are missing or nothing can be learned.
    """
    root = Path(config.root)
    if not config.find_sources or all((root / source.folder).is_dir() for source in config.sources):
        return OwnData(config)
    if not root.is_dir():
        raise UserError(f"no such data folder: {root}; name yours with --set data.root=FOLDER")
    sets = find_data_sets(root)
    for found in sets.found:
        if found.missing is not None:
            raise UserError(
                f"{found.missing} is listed but not there; see what else is missing: vlp-rvos data check {root}"
            )
    usable = [found for found in sets.found if found.names]
    if not usable:
        raise UserError(
            f"{root} has nothing to learn from: no video has an expression that names its object (obj_id), and no "
            "picture has an object"
        )
    videos, pictures = (
        sorted({name for found in usable if found.kind == kind for name in found.names})
        for kind in ("videos", "stills")
    )
    hold_out = _choose(videos, config.hold_out_share)
    # A recipe names videos of its own data, of which none may be here.
    if named := set(config.hold_out) & set(videos):
        if unknown := sorted(set(config.hold_out) - named):
            listed = shorten(", ".join(videos), 200)
            raise UserError(f"{root} has no video {', '.join(unknown)} to hold out; its videos are {listed}")
        hold_out = list(config.hold_out)
    share = _share_that_holds_out(pictures, config.hold_out_share)
    held_pictures = [name for name in pictures if hash_share(name) < share]
    sources = _weighted(usable, config.sources)
    chosen = replace(config, sources=sources, described=(), hold_out=tuple(hold_out), hold_out_share=share)
    return OwnData(chosen, _summary(root, sets, usable, hold_out, held_pictures), bool(hold_out or held_pictures))


def _choose(names: Sequence[str], share: float) -> list[str]:
    limit = _share_that_holds_out(names, share)
    return [name for name in names if hash_share(name) < limit]


def _share_that_holds_out(names: Sequence[str], share: float) -> float:
    """The share nearest to `share` for which some of the names are held out, and not all.

    0 is left as it is, and is the result for a single name.
    """
    if share == 0 or len(names) < 2:
        return 0.0
    shares = sorted(map(hash_share, names))
    # Held out is what lies below the limit: above the first, and up to the last.
    return min(max(share, (shares[0] + shares[1]) / 2), shares[-1])


def _weighted(sets: Sequence[FoundDataSet], recipe: Sequence[Source]) -> tuple[Source, ...]:
    """Sources in which videos and pictures have the weights of the recipe, and data sets count by their size."""
    sizes = {kind: sum(len(found.names) for found in sets if found.kind == kind) for kind in ("videos", "stills")}
    weights = {kind: sum(source.weight for source in recipe if source.kind == kind) or 1.0 for kind in sizes}
    return tuple(
        Source(found.kind, found.folder, weights[found.kind] * len(found.names) / sizes[found.kind]) for found in sets
    )


def _summary(
    root: Path, sets: DataSets, usable: Sequence[FoundDataSet], videos: Sequence[str], pictures: Sequence[str]
) -> str:
    held_out = []
    if videos:
        held_out.append(f"{_count(videos, 'video')} ({', '.join(videos[:3])}{', ...' if len(videos) > 3 else ''})")
    if pictures:
        held_out.append(_count(pictures, "picture"))
    said = f"{root}: {', '.join(map(str, usable))}; held out for validation: {' and '.join(held_out)}"
    if not held_out:
        said = f"{root}: {', '.join(map(str, usable))}; nothing is held out, so the training is not validated"
    return said + "".join(f"; left out: {why}" for why in sets.left_out)


def _count(names: Sequence[str], noun: str) -> str:
    return f"{len(names)} {noun}{'' if len(names) == 1 else 's'}"
