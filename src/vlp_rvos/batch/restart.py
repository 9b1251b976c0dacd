"""What earlier runs of a batch have done, by the names of the files that they committed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from vlp_rvos.batch.batch_report import Outcome
from vlp_rvos.batch.batch_settings import BatchSettings
from vlp_rvos.batch.item_runner import COMMITTED, commit_name
from vlp_rvos.batch.storage import Storage
from vlp_rvos.batch.work_item import WorkItem
from vlp_rvos.errors import UserError

__all__ = ["earlier_items", "settle"]


def earlier_items(output: Storage, items: Sequence[WorkItem], settings: BatchSettings) -> list[str]:
    """Keys of the items that are complete in an output folder.

    Raises:
        UserError: an item is complete there with other expressions.
    """
    # A key ends where the digest begins; neither has a dot.
    complete = dict(name.rpartition("/")[2].split(".")[:2] for name in output.names(COMMITTED))
    digest = settings.digest()
    found = []
    for item in items:
        if (key := item.key) in complete:
            if complete[key] != item.digest(digest):
                raise UserError(
                    f"{output} holds results of {item.video_uri} with other expressions: choose another output folder"
                )
            found.append(key)
    return found


def settle(output: Storage, items: Iterable[WorkItem], settings: BatchSettings) -> list[Outcome]:
    """The outcomes of items that the engine has lost: those that were committed are done, the others failed."""
    digest, outcomes = settings.digest(), []
    for item in items:
        try:
            outcomes.append(Outcome.from_json(output.read(commit_name(item.key, item.digest(digest)))))
        except FileNotFoundError:
            cause = "the worker was lost, and with it the outcome"
            outcomes.append(Outcome(key=item.key, status="failed", causes=(cause,)))
    return outcomes
