"""Files appear whole, on a local disk, in memory and in an object store."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from batches_of_videos import make_item, make_runner, rows

from vlp_rvos.batch.storage import Storage, fetch
from vlp_rvos.batch.work_item import WorkItem
from vlp_rvos.errors import UserError


@pytest.fixture(params=["path", "file", "memory"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    folder = tmp_path / "folder"
    places = {"path": str(folder), "file": f"file://{folder}", "memory": f"memory://{uuid.uuid4().hex}/x"}
    return Storage(places[request.param])


def check(storage: Storage, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"copied")
    assert storage.names() == []
    assert not storage.exists("a/b.txt")
    storage.put("a/b.txt", b"one")
    storage.put("a/b.txt", b"two")
    storage.put("a/c/d.txt", source)
    storage.put("e.txt", b"")
    source.unlink()
    assert storage.names() == ["a/b.txt", "a/c/d.txt", "e.txt"]
    assert storage.names("a") == ["a/b.txt", "a/c/d.txt"]
    assert storage.names(deep=False) == ["e.txt"]
    assert storage.read("a/b.txt") == b"two"
    assert storage.read("a/c/d.txt") == b"copied"
    assert storage.exists("a/b.txt")
    storage.remove("a/b.txt")
    storage.remove("a/b.txt")
    with pytest.raises(FileNotFoundError):
        storage.read("a/b.txt")
    assert storage.names() == ["a/c/d.txt", "e.txt"]


def test_a_folder(storage: Storage, tmp_path: Path) -> None:
    check(storage, tmp_path)


def test_urls_that_are_not_known() -> None:
    for url in ("http://host/x", "zip://x::s3://y", "filecache://x"):
        with pytest.raises(UserError, match="not a URL of a known kind"):
            Storage(url)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket in an S3 server of moto, which runs in this process."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    s3fs = pytest.importorskip("s3fs")
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    s3fs.S3FileSystem().mkdir("videos")
    yield "s3://videos"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.mark.slow
def test_an_object_store(bucket: str, tmp_path: Path) -> None:
    check(Storage(f"{bucket}/folder"), tmp_path)
    item = make_item(tmp_path)
    Storage(bucket).put("in/clip.mp4", Path(item.location))
    remote = WorkItem(item.video_uri, f"{bucket}/in/clip.mp4", item.expressions)
    make_runner(str(tmp_path / "out"), tmp_path / "a")(item)
    outcome = make_runner(f"{bucket}/out", tmp_path / "b")(remote)
    assert (outcome.status, outcome.frames) == ("done", 10)
    output = Storage(f"{bucket}/out")
    (shard,) = output.names("results")
    copy = tmp_path / "copy" / shard
    copy.parent.mkdir(parents=True)
    copy.write_bytes(output.read(shard))
    assert rows(tmp_path / "copy") == rows(tmp_path / "out")
    missing = WorkItem("none", f"{bucket}/in/none.mp4", item.expressions)
    outcome = make_runner(f"{bucket}/out", tmp_path / "c")(missing)
    assert (outcome.status, outcome.causes) == ("failed", (f"no such object: {bucket}/in/none.mp4",))


def test_a_local_video_is_not_copied(tmp_path: Path) -> None:
    assert fetch("/videos/a.mp4", tmp_path) == Path("/videos/a.mp4")
