from __future__ import annotations

import inspect
from dataclasses import fields

import pytest

from vlp_rvos.cli.app import main
from vlp_rvos.cli.shared_options import inference_options
from vlp_rvos.errors import UserError
from vlp_rvos.evaluation.protocols import PROTOCOLS
from vlp_rvos.inference.options import InferenceOptions

COMMANDS = ["segment", "evaluate run", "evaluate grounding", *(f"evaluate {name}" for name in PROTOCOLS)]
FLAGS = {
    "device": "--device cpu",
    "precision": "--precision bf16",
    "runtime": "--runtime torch",
    "size": "--size 64",
    "threshold": "--threshold 0.3",
    "presence_threshold": "--presence-threshold 0.2",
    "min_part": "--min-part 0.1",
    "memory_frames": "--memory-frames 2",
    "overrides": "--set history=false",
}


def test_every_option_of_the_record_can_be_given() -> None:
    names = [field.name for field in fields(InferenceOptions)]
    assert list(inspect.signature(inference_options).parameters) == names
    assert set(FLAGS) == set(names)


def test_defaults_are_the_record_s() -> None:
    assert inference_options() == InferenceOptions()


def test_values_reach_the_record() -> None:
    found = inference_options(size=64, threshold=0.3, memory_frames=2, overrides=["history=false", "mlp_ratio=2"])
    assert found == InferenceOptions(
        size=64, threshold=0.3, memory_frames=2, overrides={"history": False, "mlp_ratio": 2}
    )
    with pytest.raises(UserError, match="presence_threshold must be from 0 to 1, not 2"):
        inference_options(presence_threshold=2)
    with pytest.raises(UserError, match="write key=value"):
        inference_options(overrides=["history"])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_that_runs_a_model_has_all_of_them(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    flags = " ".join(FLAGS.values()).split()
    # What the commands do not have is refused as such; here a missing argument is the only mistake.
    assert main([*command.split(), *flags]) == 2
    error = capsys.readouterr().err
    assert "Missing argument" in error or "Missing option" in error
    assert "No such option" not in error


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--precision fp8", "'fp8' is not one of 'auto', 'fp32', 'bf16', 'fp16', 'int8'"),
        ("--runtime jit", "'jit' is not one of 'auto', 'torch', 'onnx', 'openvino'"),
        ("--threshold 1", "threshold must be greater than 0 and less than 1, not 1"),
        ("--size 0", "size must be from 1 to 2048, not 0"),
        ("--set a=1 --set a=2", "the setting 'a' is given twice"),
    ],
)
def test_mistakes(flags: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "run", "data", *flags.split()]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
