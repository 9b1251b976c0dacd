from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from training_runs import CONFIG, stop_after, trained, use_tiny_model_and_squares
from two_processes import steady

from vlp_rvos.errors import UserError, VLPRVOSError, VLPRVOSWarning
from vlp_rvos.models.checkpoint import peek
from vlp_rvos.runtimes import number_formats
from vlp_rvos.training.distributed import (
    average_counts,
    average_gradients,
    clip_factors,
    lost_process_as_error,
    make_fabric,
)
from vlp_rvos.training.trainer import Trainer


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "cuda:99"])
def test_a_device_that_does_not_exist(device: str) -> None:
    with pytest.raises(UserError, match="device"):
        make_fabric(CONFIG, device)


def dtype_of_products(precision: str) -> torch.dtype:
    with make_fabric(replace(CONFIG, precision=precision), "cpu").autocast():
        return (torch.ones(2, 2) @ torch.ones(2, 2)).dtype


@pytest.mark.parametrize(("precision", "dtype"), [("fp32", torch.float32), ("bf16-mixed", torch.bfloat16)])
def test_precision_of_a_run(precision: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_formats, "cpu_features", lambda: frozenset({"amx_bf16"}))
    assert dtype_of_products(precision) == dtype


def test_a_processor_without_bfloat16_trains_in_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(number_formats, "cpu_features", lambda: frozenset({"avx2"}))
    with pytest.warns(VLPRVOSWarning, match="cpu has no instructions for bfloat16, so the run computes in fp32"):
        assert dtype_of_products("bf16-mixed") == torch.float32
    assert dtype_of_products("fp32") == torch.float32


class OtherProcess:
    """Two processes, of which the other has these values in its part of the mean."""

    world_size, device = 2, torch.device("cpu")

    def __init__(self, values: Tensor) -> None:
        self.values = values

    def all_reduce(self, flat: Tensor, reduce_op: str) -> None:
        assert reduce_op == "mean"
        flat.add_(self.values).div_(2)


def test_gradients_are_averaged_and_missing_ones_count_as_zero() -> None:
    here, there, nowhere = (nn.Parameter(torch.zeros(n)) for n in (6, 4, 3))
    here.grad = torch.full((6,), 2.0)
    of_the_other = torch.cat([torch.full((6,), 4.0), torch.full((4,), 6.0), torch.zeros(3), torch.tensor([1.0, 1, 0])])
    average_gradients(OtherProcess(of_the_other), [here, there, nowhere])
    assert here.grad.tolist() == [3.0] * 6
    assert there.grad is not None
    assert there.grad.tolist() == [3.0] * 4
    assert nowhere.grad is None, "the optimizer would let it decay"


def test_one_process_keeps_its_gradients() -> None:
    parameter = nn.Parameter(torch.zeros(2))
    average_gradients(make_fabric(CONFIG, "cpu"), [parameter])
    assert parameter.grad is None


def test_losses_count_by_the_supervised_frames_of_a_process() -> None:
    here = torch.tensor([2, 2, 0])
    everywhere = average_counts(OtherProcess(torch.tensor([6.0, 2.0, 0.0])), here)
    assert everywhere.tolist() == [4.0, 2.0, 0.0]
    assert clip_factors(here, everywhere).tolist() == [0.5, 1.0, 0.0]
    alone = average_counts(make_fabric(CONFIG, "cpu"), here)
    assert clip_factors(here, alone).tolist() == [1.0, 1.0, 0.0]


@pytest.fixture
def torchrun(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, int], None]:
    """Sets the environment that `torchrun` gives: the number of processes here, and of all."""

    def start(here: int, everywhere: int) -> None:
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
        monkeypatch.setenv("LOCAL_WORLD_SIZE", str(here))
        monkeypatch.setenv("WORLD_SIZE", str(everywhere))
        for name in ("RANK", "LOCAL_RANK", "GROUP_RANK"):
            monkeypatch.setenv(name, "0")

    return start


@pytest.mark.parametrize(("here", "everywhere"), [(1, 1), (2, 2), (2, 4)])
def test_torchrun_decides_the_number_of_processes(
    torchrun: Callable[[int, int], None], here: int, everywhere: int
) -> None:
    torchrun(here, everywhere)
    assert make_fabric(CONFIG, "cpu").world_size == everywhere


def test_numbers_of_processes_that_do_not_fit(torchrun: Callable[[int, int], None]) -> None:
    torchrun(2, 2)
    with pytest.raises(UserError, match="devices=4, but torchrun started 2 processes here"):
        make_fabric(replace(CONFIG, devices=4), "cpu")
    torchrun(2, 3)
    with pytest.raises(UserError, match="start the same number on each"):
        make_fabric(CONFIG, "cpu")


def test_a_version_of_pytorch_that_cannot_share_out(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch.distributed.fsdp")
    # As of PyTorch 2.6.
    monkeypatch.setattr("torch.distributed.fsdp.fully_shard", lambda module, *, mesh=None: module)
    with pytest.raises(UserError, match=r"distributed=fsdp needs PyTorch 2\.7, but this is"):
        make_fabric(replace(CONFIG, devices=2, distributed="fsdp"), "cpu")
    assert make_fabric(replace(CONFIG, devices=2), "cpu").world_size == 2
    assert make_fabric(replace(CONFIG, distributed="fsdp"), "cpu").world_size == 1, "nothing is shared out"


def test_a_lost_process_is_one_clear_line() -> None:
    two = SimpleNamespace(world_size=2, global_rank=0)
    with pytest.raises(VLPRVOSError, match="lost contact with another one, which has"), lost_process_as_error(two):
        raise RuntimeError("[gloo/transport/tcp/pair.cc:538] Connection closed by peer [127.0.0.1]:1234")
    with pytest.raises(RuntimeError, match="of our own"), lost_process_as_error(two):
        raise RuntimeError("a fault of our own")


# Real processes, on the CPU with gloo
LAUNCHERS = {
    "torchrun": [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"],
    "devices": [sys.executable],
}
SCRIPT = Path(__file__).parents[1] / "two_processes.py"
ONE = replace(CONFIG, steps=4, batch=2, checkpoint_every=1)


def two_processes(launcher: str, folder: Path, *options: object) -> subprocess.CompletedProcess[str]:
    """Train `two_processes.py` in two processes."""
    paths = [str(path) for path in (SCRIPT.parent, *sys.path) if path]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    command = [*LAUNCHERS[launcher], str(SCRIPT), str(folder), launcher, *map(str, options)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=600)


def requested(folder: Path) -> list[list[int]]:
    """The indices of the samples that each of the two processes asked for."""
    return [json.loads((folder / f"requested{rank}.json").read_text()) for rank in range(2)]


def train_alone(folder: Path, steps: int | None = None, *, resume: bool = False) -> Trainer:
    """Train in this process, to the end or for a number of steps."""
    one = Trainer(ONE, folder, device="cpu", resume=resume)
    steady(one)
    if steps is not None:
        stop_after(one, steps)
    one.train()
    return one


def assert_same(folder: Path, reference: Path) -> None:
    found, expected = (load_file(path / "model.safetensors") for path in (folder, reference))
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}")
    untrained = trained(Trainer(ONE, folder / "untrained", device="cpu"))
    moved = max((value - found[name]).abs().max().item() for name, value in untrained.items())
    assert moved > 1e-3, "the comparison would not notice a run that learns nothing"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of one process."""
    folder = tmp_path_factory.mktemp("one") / "run"
    with pytest.MonkeyPatch.context() as patch:
        use_tiny_model_and_squares(patch)
        train_alone(folder)
    return folder


SHARED_OUT = pytest.mark.parametrize("distributed", ["ddp", "fsdp"])


@pytest.mark.slow
@SHARED_OUT
@pytest.mark.parametrize("launcher", list(LAUNCHERS))
def test_two_processes_train_as_one_does(launcher: str, distributed: str, reference: Path, tmp_path: Path) -> None:
    """From one process to two under `torchrun`, and from two to one where the run starts them itself."""
    folder = tmp_path / "run"
    if launcher == "torchrun":
        train_alone(folder, 2)
        done = two_processes(launcher, folder, "--distributed", distributed, "--resume")
        expected = [[4, 6], [5, 7]]
    else:
        done = two_processes(launcher, folder, "--distributed", distributed, "--stop", 2)
        expected = [[0, 2], [1, 3]]
    assert done.returncode == 0, done.stderr
    assert requested(tmp_path) == expected, "every sample once, shared between the processes"
    if launcher == "devices":
        train_alone(folder, resume=True)
    found, expected_run = (peek(path / "model.safetensors").training for path in (folder, reference))
    assert found["finished"]
    assert found["validation"] == pytest.approx(expected_run["validation"], abs=1e-3)
    assert_same(folder, reference)


@pytest.mark.slow
@SHARED_OUT
def test_a_process_that_is_killed_ends_the_run_which_can_be_resumed(
    distributed: str, reference: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    done = two_processes("torchrun", folder, "--distributed", distributed, "--kill", 3)
    assert done.returncode != 0
    assert "lost contact with another one" in done.stderr
    assert "--resume" in done.stderr
    resumed = train_alone(folder, resume=True)
    assert resumed.progress.step == 4
    assert_same(folder, reference)


@pytest.mark.slow
@SHARED_OUT
def test_two_processes_fork(distributed: str, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    done = two_processes("torchrun", folder, "--distributed", distributed, "--forks")
    assert done.returncode == 0, done.stderr
    mean, *forks = (load_file(path / "model.safetensors") for path in (folder, folder / "fork-0", folder / "fork-1"))
    assert mean.keys() == forks[0].keys() == forks[1].keys()
    for name, value in mean.items():
        torch.testing.assert_close(value, (forks[0][name] + forks[1][name]) / 2)
    # Two steps of the trunk, and the same two again in each fork.
    assert requested(tmp_path) == [[0, 2, 4, 6, 4, 6], [1, 3, 5, 7, 5, 7]]


@pytest.mark.slow
@SHARED_OUT
def test_the_later_stages_need_one_process_alone(distributed: str, tmp_path: Path) -> None:
    """The script's first process begins the later stages only after the other one has ended."""
    folder = tmp_path / "run"
    done = two_processes("torchrun", folder, "--distributed", distributed, "--stages")
    assert done.returncode == 0, done.stderr
    stages = peek(folder / "model.safetensors").training["stages"]
    assert {name: stage["steps"] for name, stage in stages.items()} == dict.fromkeys(
        ("candidates", "refinement", "choice", "agreement"), 3
    )
