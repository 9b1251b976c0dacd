from __future__ import annotations

from dataclasses import replace

from stubs import TinyBackbone
from training_runs import CONFIG, SMALL

from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.optimization import make_optimizer, set_learning_rates


def test_parameter_groups() -> None:
    model = VLPRVOS(TinyBackbone(), ModelConfig.preset("mini").replace(**SMALL, tune_backbone=True))
    optimizer = make_optimizer(model, replace(CONFIG, lr=1.0, lr_new=2.0, lr_backbone=3.0, weight_decay=0.5))
    names = {parameter: name for name, parameter in model.named_parameters()}
    found = {
        names[parameter]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert found.keys() == model.trained_state_dict().keys()
    tables = ("table", "position_bias", "no_history")
    for name, parameter in model.named_trained_parameters():
        of_prompts = name.startswith(("encoder.prompts.", "encoder.positions.", "encoder.history."))
        decays = parameter.ndim > 1 and not name.endswith(tables) and ".tokens." not in name
        rate = 1.0 if of_prompts else 3.0 if name.startswith("backbone.") else 2.0
        assert found[name] == (rate, 0.5 if decays else 0.0), name


def test_rates_are_scaled_from_their_base() -> None:
    model = VLPRVOS(TinyBackbone(), ModelConfig.preset("mini").replace(**SMALL))
    optimizer = make_optimizer(model, replace(CONFIG, lr=1.0, lr_new=2.0))
    for factor in (0.1, 0.5):
        set_learning_rates(optimizer, factor)
        assert {group["lr"] for group in optimizer.param_groups} == {factor, 2 * factor}
