from __future__ import annotations

from dataclasses import replace

from stubs import tiny_model
from training_runs import CONFIG

from vlp_rvos.training.distributed import make_fabric
from vlp_rvos.training.placed_model import place_model
from vlp_rvos.training.placement import WholePlacement


def test_one_process_has_nothing_to_share_out() -> None:
    config = replace(CONFIG, distributed="fsdp")
    assert isinstance(place_model(tiny_model(), make_fabric(config, "cpu"), config), WholePlacement)
