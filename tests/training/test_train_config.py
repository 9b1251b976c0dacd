from __future__ import annotations

import json
from pathlib import Path

import pytest

from vlp_rvos.data.mixture_config import MixtureConfig
from vlp_rvos.errors import UserError
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.training.train_config import Schedule, Stage, TrainConfig, load_config, shipped_recipes

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


def test_defaults_are_those_of_the_release(tmp_path: Path) -> None:
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
        ("schedule: {milestones: [2]}", "schedule: milestones must be greater than 0 and less than 1, not 2"),
        ("steps: 0", "steps must be at least 1, or init_from and a later stage be given"),
        ("steps: -1", "steps must be from 0"),
        ("ema: 1.0", "ema must be at least 0 and less than 1"),
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


def test_a_file_may_extend_another_one(file: Path) -> None:
    other = file.with_name("other.yaml")
    other.write_text("{extends: small.yaml, lr: 1e-3, model: {preset: vlmo-b}, stages: []}")
    config = load_config(other, ["steps=7"])
    assert (config.name, config.lr, config.steps, config.stages) == ("other", 1e-3, 7, ())
    # Mappings are merged key by key.
    assert (config.model.preset, config.model.overrides) == ("vlmo-b", {"history": False})
    assert config.schedule == Schedule("cosine", 10)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: none.yaml", "none.yaml: cannot be read"),
        ("extends: [a]", "'extends' must be the name of a file"),
        ("extends: bad.yaml", "bad.yaml: extends bad.yaml, which extends this file"),
    ],
)
def test_mistakes_in_what_is_extended(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        load_config(path)


@pytest.mark.parametrize("override", ["steps", "=3", "a..b=3", "steps.x=3", "steps=[", "stepz=3"])
def test_override_mistakes(file: Path, override: str) -> None:
    with pytest.raises(UserError):
        load_config(file, [override])


def test_an_unknown_configuration_lists_the_shipped_ones() -> None:
    with pytest.raises(UserError, match=r"no such training configuration.*mini"):
        load_config(Path("maxi"))


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_shipped_configurations_are_valid(name: str) -> None:
    config = load_config(Path(name))
    assert config.name == name
    ModelConfig.preset(config.model.preset).replace(**config.model.overrides)


PROTOCOLS = sorted(shipped_recipes().keys() - {"mini", "mini-candidates", "mini-further", "mini-parts", "mini-renewed"})


@pytest.mark.parametrize("name", PROTOCOLS)
def test_protocols_are_complete(name: str) -> None:
    """They use benchmarks alone, at the model's own size, start from a model that fits, and list their commands."""
    config = load_config(Path(name), ["devices=4", "batch=1"])
    model = ModelConfig.preset(config.model.preset)
    assert {source.kind for source in config.data.sources} == {"benchmark"}
    assert config.data.with_input_size(model.input_size).size == (model.input_size, model.input_size)
    assert config.data.clip_length == model.clip_length
    assert (config.init_from is None) == (not name.startswith(("ref-youtube-vos-finetune", "a2d-sentences")))
    if config.init_from is not None:
        _, pretraining, file = Path(config.init_from).parts
        assert pretraining in PROTOCOLS
        assert load_config(Path(pretraining)).model == config.model
        assert file == "model.safetensors"
    head = shipped_recipes()[name].read_text().split("\nname:")[0]
    for needed in (
        "authors' number",
        "Hardware: the authors",
        "estimate",
        f"vlp-rvos train {name} ",
        "vlp-rvos evaluate ",
    ):
        assert needed in head, needed


def published() -> dict[str, list[str]]:
    """Recipe -> its numbers in the table of published results in docs/method.md, which has a cell for each recipe."""
    text = (Path(__file__).parents[2] / "docs" / "method.md").read_text()
    lines = [line for line in text.splitlines() if line.startswith("|") and ("ViT-" in line or "VLMo-" in line)]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    columns = ("ref-youtube-vos",) * 2 + ("ref-youtube-vos-finetune",) * 2 + ("mevis",) + ("a2d-sentences",) * 2
    backbones = {"CLIP ViT-B/16": "", "VLMo-B": "-vlmo-b", "CLIP ViT-L/14": "-clip-l14", "VLMo-L": "-vlmo-l"}
    numbers: dict[str, list[str]] = {}
    for row in rows:
        if len(row) == 1 + len(columns):
            for column, cell in zip(columns, row[1:], strict=True):
                if cell:
                    numbers.setdefault(column + backbones[row[0]], []).append(cell)
    return numbers


def test_every_row_of_the_published_table_has_a_preset_for_each_protocol() -> None:
    numbers = published()
    # There are no published numbers for pretraining alone.
    assert sorted(numbers) == [name for name in PROTOCOLS if not name.startswith("refcoco")]
    for name, cells in numbers.items():
        head = shipped_recipes()[name].read_text().split("\nname:")[0]
        assert [cell for cell in cells if cell not in head] == []


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


def test_json_has_no_folders() -> None:
    config = TrainConfig(init_from="runs/secret/model.safetensors", data=MixtureConfig(root="/home/someone/data"))
    values = json.loads(config.to_json())
    assert (values["init_from"], values["data"]["root"]) == ("model.safetensors", "data")
    assert values["stages"] == []
    assert json.loads(config.to_json(indent=2)) == values
