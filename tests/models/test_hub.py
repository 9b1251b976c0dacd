"""Models on the hub, from a local server that imitates it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.models import checkpoint, hub

COMMIT = "0123456789" * 4
FILES = {
    "me/mine": checkpoint.resolve("mini").read_bytes(),
    "me/other": b"not a model",
}


class Hub(BaseHTTPRequestHandler):
    """Answers for the repositories in `FILES`; "me/empty" exists and has no file."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        name, content = "/".join(parts[:2]), None
        if name not in FILES and name != "me/empty":
            error = "RepoNotFound"
        elif parts[3:4] not in (["main"], ["v1"], [COMMIT]):
            error = "RevisionNotFound"
        elif parts[2] != "resolve" or parts[4:] != ["model.safetensors"] or name == "me/empty":
            error = "EntryNotFound"
        else:
            error, content = "", FILES[name]
        self.send_response(200 if content is not None else 404)
        if content is None:
            self.send_header("X-Error-Code", error)
        else:
            self.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content or b"")

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def endpoint() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


SCRIPT = """
import json, sys
from vlp_rvos.errors import UserError
from vlp_rvos.models import checkpoint

answers = {}
for name in sys.argv[1:]:
    try:
        answers[name] = checkpoint.peek(name).backbone
    except UserError as error:
        answers[name] = str(error)
print(json.dumps(answers))
"""


def ask(names: list[str], folder: Path, endpoint: str, **environment: str) -> dict[str, str]:
    """What a new process gets for names of models; the hub's client reads its settings when it is imported."""
    variables = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
    variables |= {"HF_ENDPOINT": endpoint, "HF_HOME": str(folder / "cache"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *names],
        cwd=folder,
        env=variables | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    answers: dict[str, str] = json.loads(done.stdout)
    return answers


@pytest.mark.slow
def test_a_model_is_downloaded_once_and_every_failure_has_a_clear_line(tmp_path: Path, endpoint: str) -> None:
    pytest.importorskip("huggingface_hub")
    (tmp_path / "me/local").mkdir(parents=True)
    names = ["me/mine", "me/mine@v1", "me/other", "me/empty", "me/mine@v9", "me/absent", "me/local"]
    answers = ask(names, tmp_path, endpoint)
    assert answers["me/mine"] == answers["me/mine@v1"] == "mini"
    assert "is not a model of this project" in answers["me/other"]
    assert "has no model.safetensors" in answers["me/empty"]
    assert "no such revision" in answers["me/mine@v9"]
    assert "no such repository, or it is private" in answers["me/absent"]
    assert answers["me/local"] == "me/local: no such model file"
    assert all("\n" not in answer for answer in answers.values())
    offline = ask(["me/mine", "me/absent"], tmp_path, endpoint, HF_HUB_OFFLINE="1")
    assert offline["me/mine"] == "mini"
    assert "the cache does not hold it" in offline["me/absent"]
    # Nobody listens on port 9.
    assert ask(["me/mine"], tmp_path, "http://127.0.0.1:9") == {"me/mine": "mini"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("owner/name", ("owner/name", None)),
        ("owner/name-1.5@v1.0", ("owner/name-1.5", "v1.0")),
        ("a/b@refs/pr/1", ("a/b", "refs/pr/1")),
        ("mini", None),
        ("a/b/c", None),
        ("a/model.safetensors", None),
        ("../name", None),
        ("owner/..", None),
        ("a--b/c", None),
        ("a/b@", None),
        ("a/b c", None),
        ("a/b\n", None),
        ("/owner/name", None),
    ],
)
def test_what_is_a_name_on_the_hub(name: str, expected: object) -> None:
    assert hub.hub_id(name) == expected


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(
        UserError, match=r"huggingface_hub is not installed; install with: pip install 'vlp-rvos\[clip\]'"
    ):
        checkpoint.resolve("someone/else")


class Client:
    """Stands for the hub's client; keeps what was uploaded."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    def create_repo(self, name: str, *, private: bool, exist_ok: bool) -> None:
        if name == "not/mine":
            error = OSError("no")
            error.response = type("Response", (), {"status_code": 403})()  # type: ignore[attr-defined]
            raise error

    def upload_folder(self, *, folder_path: Path, **arguments: object) -> object:
        self.files = {path.name: path.read_text(errors="replace")[:9999] for path in Path(folder_path).iterdir()}
        return type("Commit", (), {"commit_url": f"https://hub/{arguments['repo_id']}/{arguments['revision']}"})()


@pytest.mark.slow
def test_a_model_is_uploaded_with_its_card(monkeypatch: pytest.MonkeyPatch) -> None:
    from vlp_rvos import Segmenter

    package, client = pytest.importorskip("huggingface_hub"), Client()
    monkeypatch.setattr(package, "HfApi", lambda: client)
    segmenter = Segmenter.from_pretrained("mini", device="cpu", runtime="torch")
    assert segmenter.push_to_hub("me/mine@v1") == "https://hub/me/mine/v1"
    assert sorted(client.files) == ["README.md", "model.safetensors"]
    assert 'Segmenter.from_pretrained("me/mine@v1")' in client.files["README.md"]
    with pytest.raises(UserError, match=r"not/mine: cannot be uploaded .* access is denied"):
        segmenter.push_to_hub("not/mine")
    with pytest.raises(UserError, match="give owner/name"):
        segmenter.push_to_hub("mine")
