from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SERVE = """
import sys
from circles import CircleSegmenter
from vlp_rvos.utils.signals import raise_on_termination
from vlp_rvos.web.server import serve
with raise_on_termination():
    serve(CircleSegmenter(), port=int(sys.argv[1]), password="secret", ready=lambda address: print(address, flush=True))
"""


@pytest.mark.slow
def test_the_server_asks_for_the_password_and_leaves_no_files(tmp_path: Path) -> None:
    pytest.importorskip("gradio")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": os.pathsep.join([*sys.path, str(TESTS)])}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVE, str(port)], env=environment, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address == f"http://127.0.0.1:{port}/"
        assert any(tmp_path.iterdir())
        with pytest.raises(urllib.error.HTTPError, match="401") as caught:
            urllib.request.urlopen(f"{address}config", timeout=60)
        assert "default-src 'self'" in caught.value.headers["content-security-policy"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)
    assert process.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []
