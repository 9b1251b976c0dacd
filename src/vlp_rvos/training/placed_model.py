"""Put a model where the configuration of a training run wants it."""

from __future__ import annotations

from lightning_fabric import Fabric

from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.training.placement import Placement, WholePlacement
from vlp_rvos.training.train_config import TrainConfig

__all__ = ["place_model"]


def place_model(model: VLPRVOS, fabric: Fabric, config: TrainConfig) -> Placement:
    """Put a model that lies on the CPU where it is trained.

    Args:
        model: the model, the same in all processes.
        fabric: devices and processes, from `make_fabric` with the same configuration.
        config: configuration of the run. With one process there is nothing to share out.
    """
    if config.distributed == "fsdp" and fabric.world_size > 1:
        # Older versions of PyTorch, with which nothing is shared out, lack what this module imports.
        from vlp_rvos.training.sharding import ShardedPlacement

        return ShardedPlacement(model, fabric, config)
    return WholePlacement(model, fabric, config)
