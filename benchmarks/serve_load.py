"""`vlp-rvos serve` under more load than it can take: memory, latency, refusals, and whether every answer is right.

    python benchmarks/serve_load.py --seconds 300 --json serve.json

The right answers are asked first, one by one, by a single client; that also tells how many requests the service can
answer in a second. Then clients of locust ask without a pause, as many as make twice the requests that have room in
the service, for as long as is said. Each compares its answer with the right one, line by line.
"""

from __future__ import annotations

import argparse
import base64
import csv
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import av
import httpx
import numpy as np

FRAMES, WIDTH, HEIGHT, FPS = 3, 96, 64, 12
WORDS = (["the square"], ["a red thing", "the bright thing"], ["the person"])


def write_clip(path: Path, seed: int) -> Path:
    """A bright square that moves over a noisy background, both of the seed's own."""
    random = np.random.default_rng(seed)
    background = random.integers(0, 120, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    colour, (x, y) = random.integers(150, 256, 3), random.integers(0, 40, 2)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        for i in range(FRAMES):
            image = background.copy()
            image[y : y + 20, x + 4 * i : x + 4 * i + 20] = colour
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def right_answers(url: str, folder: Path) -> tuple[list[dict[str, Any]], float]:
    """Questions with their right answers, and the median of the seconds that one takes alone."""
    questions, seconds = [], []
    for seed in range(2):
        clip = write_clip(folder / f"clip-{seed}.mp4", seed)
        for words in WORDS:
            began = time.perf_counter()
            answer = httpx.post(
                f"{url}/v1/segment",
                data={"expression": words},
                files={"video": (clip.name, clip.read_bytes())},
                timeout=300,
            )
            seconds.append(time.perf_counter() - began)
            answer.raise_for_status()
            lines = [json.loads(line) for line in answer.text.splitlines()]
            assert lines[-1]["done"] is True
            video = base64.b64encode(clip.read_bytes()).decode()
            questions.append({"name": clip.name, "video": video, "expressions": words, "lines": lines[1:]})
    different = {json.dumps(question["lines"]) for question in questions}
    assert len(different) == len(questions), "two questions have the same answer: a swap would not be seen"
    return questions, statistics.median(seconds)


def wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until the service takes requests."""
    while server.poll() is None:
        try:
            if httpx.get(f"{url}/ready", timeout=5).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.5)
    raise SystemExit("the service did not start")


def watch_memory(process: int, until: threading.Event, into: list[float]) -> None:
    """Note the resident memory of a process and its children every second, in MiB."""
    while not until.wait(1):
        into.append(rss_of_tree(process))


def rss_of_tree(process: int) -> float:
    """Resident memory of a process and of all that it started, in MiB (Linux)."""
    total = 0.0
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
        total = next((int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("VmRSS")), 0.0)
        children = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="utf-8").split()
    except OSError:
        return total
    return total + sum(rss_of_tree(int(child)) for child in children)


def run_load(url: str, clients: int, seconds: float, folder: Path, questions: list[dict[str, Any]]) -> dict[str, Any]:
    """What locust reports."""
    (folder / "questions.json").write_text(json.dumps(questions), encoding="utf-8")
    command = [sys.executable, "-m", "locust", "-f", str(Path(__file__).with_name("serve_locustfile.py"))]
    command += ["--headless", "--host", url, "--users", str(clients), "--spawn-rate", "4", "--stop-timeout", "120"]
    command += ["--run-time", f"{seconds:g}s", "--csv", str(folder / "load"), "--only-summary"]
    subprocess.run(command, check=False, env=os.environ | {"VLP_RVOS_LOAD": str(folder / "questions.json")})
    with (folder / "load_stats.csv").open(encoding="utf-8") as file:
        rows = {row["Name"]: row for row in csv.DictReader(file)}
    with (folder / "load_failures.csv").open(encoding="utf-8") as file:
        failures = {row["Error"]: int(row["Occurrences"]) for row in csv.DictReader(file)}
    answered, shed = rows.get("segment", {}), rows.get("shed", {})
    count, refused = int(answered.get("Request Count", 0)), int(shed.get("Request Count", 0))
    percentiles = {f"p{p}": float(answered.get(f"{p}%", "nan")) / 1000 for p in (50, 95, 99)}
    return {
        "answered": count - int(answered.get("Failure Count", 0)),
        "shed": refused,
        "shed_share": refused / max(1, refused + count),
        "failures": failures,
        "seconds": percentiles,
    }


def main() -> int:
    """Run everything, and print a report as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=300, help="duration of the load")
    parser.add_argument("--queue", type=int, default=4, help="requests that may wait")
    parser.add_argument("--workers", type=int, default=1, help="processes with a model each")
    parser.add_argument("--size", type=int, default=64, help="network input size in pixels")
    parser.add_argument("--port", type=int, default=18200, help="port of the service")
    parser.add_argument("--json", type=Path, help="write the report to this file")
    options = parser.parse_args()
    url = f"http://127.0.0.1:{options.port}"
    command = [sys.executable, "-m", "vlp_rvos", "serve", "--port", str(options.port), "--size", str(options.size)]
    command += ["--queue", str(options.queue), "--workers", str(options.workers)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = subprocess.Popen(command)
        memory: list[float] = []
        ended = threading.Event()
        try:
            wait_until_ready(url, server)
            questions, alone = right_answers(url, folder)
            watcher = threading.Thread(target=watch_memory, args=(server.pid, ended, memory))
            watcher.start()
            before = os.getloadavg()
            clients = 2 * (options.workers + options.queue)
            report = run_load(url, clients, options.seconds, folder, questions)
            ended.set()
            watcher.join()
        finally:
            ended.set()
            server.send_signal(signal.SIGTERM)
            server.wait(120)
    tenth = max(1, len(memory) // 10)
    report |= {
        "clients": clients,
        "seconds_alone": alone,
        "load_average": {"before": before[0], "after": os.getloadavg()[0]},
        "mebibytes": {
            "first_tenth": statistics.median(memory[:tenth]),
            "last_tenth": statistics.median(memory[-tenth:]),
            "largest": max(memory),
        },
        "exit_code": server.returncode,
    }
    text = json.dumps(report, indent=1)
    print(text)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    return 1 if report["failures"] else 0


if __name__ == "__main__":
    sys.exit(main())
