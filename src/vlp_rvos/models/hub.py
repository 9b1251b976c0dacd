"""Models on the Hugging Face hub: `owner/name` or `owner/name@revision` in place of a file.

Of a repository only `model.safetensors` is read, which holds tensors and text; nothing in it is ever run.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

from vlp_rvos.errors import UserError
from vlp_rvos.utils.extras import import_optional
from vlp_rvos.utils.plain_text import escape_unprintable, shorten

__all__ = ["download_model", "hub_id", "upload_folder"]

#: As the hub allows them: letters, digits, "-", "_" and ".", which neither begins nor ends a name.
PART = r"[A-Za-z0-9_](?:[\w.-]{0,94}[A-Za-z0-9_])?"
HUB_ID = re.compile(rf"(?P<repository>{PART}/{PART})(?:@(?P<revision>[\w./-]{{1,200}}))?", re.ASCII)
#: Errors of the hub's client -> what they mean. The first that fits counts.
REASONS = {
    "GatedRepoError": "its owner must grant access: log in with `hf auth login`, and ask for it on the model's page",
    "RepositoryNotFoundError": "there is no such repository, or it is private: check the spelling, or log in with "
    "`hf auth login`",
    "RevisionNotFoundError": "the repository has no such revision",
    "OfflineModeIsEnabled": "HF_HUB_OFFLINE is set, and the cache does not hold it",
    "LocalEntryNotFoundError": "the cache does not hold it, and the hub cannot be reached: check the connection, and "
    "whether HF_HUB_OFFLINE is set",
    "EntryNotFoundError": "the repository has no {file}: it is not a model of this project",
    "HFValidationError": "it is not a name that the hub allows",
    "LocalTokenNotFoundError": "log in with `hf auth login`",
}


def hub_id(name: str) -> tuple[str, str | None] | None:
    """Repository and revision (None for the newest) that a name says; None if it is no hub id."""
    if name.endswith(".safetensors") or "--" in name or ".." in name:
        return None
    match = HUB_ID.fullmatch(name)
    return None if match is None else (match["repository"], match["revision"])


@lru_cache(maxsize=64)
def download_model(name: str, file: str) -> Path:
    """Find a file of a repository in the hub's cache; it is downloaded unless the cache has its newest version.

    The hub is asked once a process. Without a connection, and with HF_HUB_OFFLINE, the cache is used as it is.

    Args:
        name: `owner/name` or `owner/name@revision`.
        file: the file's name.

    Raises:
        UserError: `huggingface_hub` is not installed, or there is no such file, or it cannot be had.
    """
    hub = import_optional("huggingface_hub", extra="clip")
    found = hub_id(name)
    assert found is not None
    repository, revision = found
    try:
        return Path(hub.hf_hub_download(repository, file, revision=revision))
    except Exception as error:  # the client's errors differ between its versions
        raise UserError(
            f"{name}: no such local file or folder, and not to be had from the Hugging Face hub: {_why(error, file)}"
        ) from error


def upload_folder(folder: Path, name: str, *, private: bool, message: str) -> str:
    """Upload a folder into a repository, which is made if there is none.

    Args:
        folder: the folder.
        name: `owner/name`, or `owner/name@branch`.
        private: whether a new repository is private.
        message: what the commit says.

    Returns:
        The address of the commit.

    Raises:
        UserError: `huggingface_hub` is not installed, the name is not allowed, or the hub refuses.
    """
    found = hub_id(name)
    if found is None:
        raise UserError(f"{name}: not the name of a repository; give owner/name")
    hub: Any = import_optional("huggingface_hub", extra="clip")
    repository, revision = found
    try:
        client = hub.HfApi()
        client.create_repo(repository, private=private, exist_ok=True)
        return str(
            client.upload_folder(
                repo_id=repository, folder_path=folder, revision=revision, commit_message=message
            ).commit_url
        )
    except Exception as error:
        raise UserError(f"{name}: cannot be uploaded to the Hugging Face hub: {_why(error, '')}") from error


def _why(error: BaseException, file: str) -> str:
    """The reason of a failure in plain words."""
    names = [kind.__name__ for kind in type(error).__mro__]
    reason = next((text for name, text in REASONS.items() if name in names), None)
    status = getattr(getattr(error, "response", None), "status_code", None)
    if reason is None and status in (401, 403):
        reason = "access is denied: log in with `hf auth login`, with a token that may do this"
    if reason is None:
        return f"{type(error).__name__}: {escape_unprintable(shorten(str(error), 200))}"
    return reason.format(file=file)
