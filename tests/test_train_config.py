from __future__ import annotations

from pathlib import Path

import pytest

from vlp_rvos.config import ModelConfig
from vlp_rvos.errors import UserError
from vlp_rvos.training.config import Schedule, Stage, TrainConfig, load_config, preset_configs

TEXT = """
steps: 500
lr: 3e-5
model: {preset: mini, overrides: {history: false}}
schedule: {kind: cosine, warmup_steps: 10}
stages:
  - {until: 0.5, height: 192, width: 192, clip_length: 3}
  - {until: 1, height: 352, width: 352, clip_length: 6, batch: 1}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(TEXT)
    return path


def test_reads_a_file(file: Path) -> None:
    config = load_config(file)
    assert (config.name, config.steps, config.lr) == ("small", 500, 3e-5)
    assert config.model.overrides == {"history": False}
    assert config.schedule == Schedule("cosine", 10)
    assert config.stages == (Stage(0.5, 192, 192, 3), Stage(1.0, 352, 352, 6, 1))


def test_overrides_win(file: Path) -> None:
    config = load_config(file, ["steps=7", "schedule.kind=constant", "model.overrides.width=64", "ema=0.99", "name=x"])
    assert (config.steps, config.schedule.kind, config.ema, config.name) == (7, "constant", 0.99, "x")
    assert config.model.overrides == {"history": False, "width": 64}


def test_defaults_are_the_release_s(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("")
    config = load_config(tmp_path / "empty.yaml")
    assert (config.lr, config.lr_new, config.weight_decay, config.grad_clip) == (5e-5, 1e-4, 5e-4, 0.1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepz: 5", "unknown key 'stepz'"),
        ("schedule: {shape: cosine}", "unknown key 'schedule.shape'"),
        ("steps: many", "'steps' must be a whole number, not 'many'"),
        ("steps: 1.5", "'steps' must be a whole number"),
        ("steps: true", "'steps' must be a whole number"),
        ("lr: fast", "'lr' must be a number"),
        ("precision: fp8", "'precision' must be one of fp32, bf16-mixed"),
        ("schedule: cosine", "'schedule' must be a mapping"),
        ("stages: [{until: 0.5}]", r"key 'stages\[0\].height' is missing"),
        ("stages: 3", "'stages' must be a list"),
        ("schedule: {milestones: [2]}", "schedule: milestones must lie between 0 and 1"),
        ("steps: 0", "steps must be positive"),
        ("ema: 1.0", "ema must lie in"),
        ("{batch: 3, data: {portrait: 0.5}}", "batch must be 1, 2, 4 or 8"),
        ("- a list", "top level must be a mapping"),
        ("a: [", "not valid YAML"),
    ],
)
def test_mistakes_name_the_key(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        load_config(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("override", ["steps", "=3", "a..b=3", "steps.x=3", "steps=[", "stepz=3"])
def test_override_mistakes(file: Path, override: str) -> None:
    with pytest.raises(UserError):
        load_config(file, [override])


def test_no_such_configuration_lists_the_shipped() -> None:
    with pytest.raises(UserError, match=r"no such training configuration.*mini"):
        load_config(Path("maxi"))


@pytest.mark.parametrize("name", sorted(preset_configs()))
def test_shipped_configurations_are_valid(name: str) -> None:
    config = load_config(Path(name))
    assert config.name == name
    ModelConfig.preset(config.model.preset).replace(**config.model.overrides)


@pytest.mark.parametrize("name", sorted(preset_configs().keys() - {"mini"}))
def test_protocols_are_complete(name: str) -> None:
    """One preset per protocol: only benchmarks, at the model's own size, whatever the model."""
    config = load_config(Path(name), ["model.preset=clip-l14", "devices=4", "batch=1"])
    assert {source.kind for source in config.data.sources} == {"benchmark"}
    assert config.data.sized(ModelConfig.preset("clip-l14").input_size).size == (336, 336)
    assert config.data.clip_length == ModelConfig.preset("clip-l14").clip_length
    assert config.steps * config.batch > 0
    if config.init_from is not None:
        _, pretraining, file = Path(config.init_from).parts
        assert load_config(Path(pretraining)).model == load_config(Path(name)).model
        assert file == "model.safetensors"
    header = preset_configs()[name].read_text().split("\nname:")[0]
    for needed in ("authors' number", "estimate", f"vlp-rvos train {name}", "vlp-rvos evaluate "):
        assert needed in header, needed


def test_step_schedule() -> None:
    schedule = Schedule("step", milestones=(0.5, 0.8), gamma=0.1)
    assert [schedule.factor(1, done) for done in (0, 0.49, 0.5, 0.9)] == pytest.approx([1, 1, 0.1, 0.01])


def test_cosine_schedule_ends_at_its_floor() -> None:
    schedule = Schedule("cosine", floor=0.1)
    assert [schedule.factor(1, done) for done in (0, 0.5, 1)] == pytest.approx([1, 0.55, 0.1])


def test_warmup_grows_linearly() -> None:
    schedule = Schedule("constant", warmup_steps=3)
    assert [schedule.factor(step, 0) for step in range(5)] == pytest.approx([0.25, 0.5, 0.75, 1, 1])


def test_stage_by_progress() -> None:
    config = TrainConfig(stages=(Stage(0.5, 32, 32, 2), Stage(0.9, 64, 64, 4)))
    assert [config.stage(done) for done in (0, 0.5, 0.95)] == [config.stages[0], config.stages[1], config.stages[1]]
    assert TrainConfig().stage(0.3) is None
