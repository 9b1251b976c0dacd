"""Clients for `serve_load.py`: each asks for one of a few clips, and compares the answer with the right one."""

from __future__ import annotations

import base64
import json
import os
import random
import time
from pathlib import Path
from typing import Any

from locust import HttpUser, constant, task

QUESTIONS: list[dict[str, Any]] = json.loads(Path(os.environ["VLP_RVOS_LOAD"]).read_text(encoding="utf-8"))


class Client(HttpUser):
    """Asks, checks, and when it is refused waits for as long as it is told, but at most a second."""

    wait_time = constant(0)

    @task
    def ask(self) -> None:
        """One request."""
        question = random.choice(QUESTIONS)
        files = {"video": (question["name"], base64.b64decode(question["video"]))}
        data = {"expression": question["expressions"]}
        with self.client.post("/v1/segment", data=data, files=files, name="segment", catch_response=True) as response:
            if response.status_code == 429:
                response.request_meta["name"] = "shed"
                if "Retry-After" not in response.headers:
                    response.failure("429 without Retry-After")
                response.success()
            elif response.status_code != 200:
                response.failure(f"status {response.status_code}")
            else:
                lines = [json.loads(line) for line in response.text.splitlines()]
                if not lines or lines[-1].get("done") is not True:
                    response.failure("lost: the answer is not complete")
                elif lines[0]["expressions"] != question["expressions"] or lines[1:] != question["lines"]:
                    response.failure("swapped: the answer is not the right one")
                else:
                    response.success()
        if response.status_code == 429:
            # A well-behaved client waits (the others go on); the pressure would be gone if all of them waited long.
            time.sleep(min(float(response.headers.get("Retry-After", 1)), 1.0))
