"""Workers on two nodes: every item once, whatever dies."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vlp_rvos.batch.batch_report import Outcome
from vlp_rvos.batch.ray_engine import READER, ClusterOptions, RunnerFactory, outcomes, ray_session
from vlp_rvos.batch.work_item import WantedExpression, WorkItem
from vlp_rvos.errors import UserError

ITEMS = [WorkItem(f"{i}.mp4", f"/videos/{i}.mp4", (WantedExpression("0", "x"),)) for i in range(12)]


def stub(folder: str, seconds: float = 0.1) -> Callable[[], Callable[[WorkItem], Outcome]]:
    """Makes a runner that notes each item in a folder; on item 3 its process kills itself, the first time."""

    def make() -> Callable[[WorkItem], Outcome]:
        def run(item: WorkItem) -> Outcome:
            with open(f"{folder}/{item.key}", "a") as file:
                file.write(f"{os.getpid()}\n")
            if item.video_uri == "3.mp4" and not os.path.exists(f"{folder}/killed"):
                open(f"{folder}/killed", "w").close()
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(seconds)
            if item.video_uri == "5.mp4":
                return Outcome(key=item.key, status="failed", causes=("bad",))
            return Outcome(key=item.key, status="done", frames=1)

        return run

    return make


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a cluster of two nodes, each with place for one worker."""
    # Where other programs need the processor, workers would wait for minutes at Ray's low priority.
    monkeypatch.setenv("RAY_worker_niceness", "0")
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    # As `ray_session` asks for, where no test has loaded Ray before.
    monkeypatch.setattr("ray._private.auto_init_hook.enable_auto_connect", False)
    # The workers do not know this module.
    ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])
    nodes = Cluster()
    try:
        for _ in range(2):
            nodes.add_node(num_cpus=1, object_store_memory=80 * 2**20, include_dashboard=False)
        yield nodes.address
    finally:
        nodes.shutdown()


@pytest.mark.slow
def test_two_nodes_and_a_killed_worker(cluster: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    options = ClusterOptions(workers=2, threads=1, address=cluster)
    capfd.readouterr()
    with ray_session(options):
        assert capfd.readouterr().err == ""
        found = list(outcomes(ITEMS, stub(str(tmp_path)), options))
    by_key = {outcome.key: outcome for outcome in found}
    assert by_key.keys() == {item.key for item in ITEMS}
    assert [item.video_uri for item in ITEMS if by_key[item.key].status == "failed"] == ["5.mp4"]
    assert (tmp_path / "killed").exists()
    processes = {line for item in ITEMS for line in (tmp_path / item.key).read_text().split()}
    assert len(processes) >= 3
    assert len((tmp_path / ITEMS[3].key).read_text().split()) == 2

    # Asked to stop, Ray ends while a thread of ours still waits for an outcome.
    slow = stub(str(tmp_path), seconds=60)
    capfd.readouterr()
    with ray_session(options):
        began = time.monotonic()
        assert list(outcomes(ITEMS, slow, options, lambda: time.monotonic() > began + 10)) == []
        (reading,) = (thread for thread in threading.enumerate() if thread.name == READER)
    reading.join(30)
    assert not reading.is_alive()
    assert capfd.readouterr().err == ""


def test_options_out_of_range() -> None:
    for wrong in ({"workers": 0}, {"threads": 0}, {"gpus": -1.0}):
        with pytest.raises(UserError, match=next(iter(wrong))):
            ClusterOptions(**wrong)  # type: ignore[arg-type]


def test_a_runner_of_the_real_model_has_a_place_of_its_own(tmp_path: Path, tiny_default_model: None) -> None:
    from vlp_rvos.batch.batch_settings import BatchSettings

    first, second = (RunnerFactory(str(tmp_path / "out"), BatchSettings(), "run", 2, 1)() for _ in range(2))
    assert first.scratch != second.scratch  # type: ignore[attr-defined]
    assert first.scratch.is_dir()  # type: ignore[attr-defined]
