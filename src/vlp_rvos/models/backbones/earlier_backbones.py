"""The `mini` backbones of earlier versions, so that models that were trained on them keep loading.

A checkpoint states the fingerprint of its backbone (`vlp_rvos.models.checkpoint.backbone_fingerprint`). Two things have
changed since the first version: MiniLM's matrices are in half precision, and the vision tower is narrower.
"""

from __future__ import annotations

from pathlib import Path

from vlp_rvos.models.backbones.shipped_weights import MINI_TOWER_WIDE

__all__ = ["current_fingerprint", "earlier_weights", "is_comparable"]

#: Fingerprint of a backbone with MiniLM in single precision, as checkpoints of format 1 state it -> fingerprint of the
#: same backbone with MiniLM's matrices in half precision.
HALF_PRECISION = {
    # The present vision tower, the wider one before it, and either without the layers that `tune_backbone` trains.
    "5570111cfa49b16348b845f89f87c3802ef07c39967b5d84ed0e8c0e907826bc": (
        "9fbe41c17b2765a052b00106bc55fad9fa54cf98c156f8cf27458112d6b56e77"
    ),
    "39a118d7cd9bf0e02071611ba6815a7bfd9c337ff52dde01f35879ff02ce9346": (
        "1b0b0759cadce4f1d43b1414e30ed0625b8b559f26d6016387dfce726627b498"
    ),
    "042edbc801b0bdaf55b0e5f087d4ed7259505ed318d0bf03f2ac40de7a239158": (
        "5e29f7de8752a11ef1fc795ecc7eaf0d6015310b7316d3d3cbc7d21ca37d74c4"
    ),
}
#: Fingerprint of a backbone -> file of its vision tower, where that is not the default one.
EARLIER_TOWERS = {"1b0b0759cadce4f1d43b1414e30ed0625b8b559f26d6016387dfce726627b498": MINI_TOWER_WIDE}


def current_fingerprint(stated: str) -> str:
    """Fingerprint that this version gives the backbone for which a checkpoint of any version states `stated`."""
    return HALF_PRECISION.get(stated, stated)


def earlier_weights(name: str, fingerprint: str) -> Path | None:
    """Weights for `load_backbone` that give a backbone which an earlier version had as its default.

    Args:
        name: Name of the backbone.
        fingerprint: Fingerprint of the backbone, from `current_fingerprint`.

    Returns:
        The file; None where the default weights are the right ones, or where the backbone is not known.
    """
    return EARLIER_TOWERS.get(fingerprint) if name == "mini" else None


def is_comparable(name: str, stated: str, found: str) -> bool:
    """Whether a checkpoint of format 1 was trained on the loaded backbone can be told from their fingerprints.

    It cannot for a vision tower of the user's own, as its fingerprint with MiniLM in single precision is not known.

    Args:
        name: Name of the backbone.
        stated: Fingerprint in the header of the checkpoint, from `current_fingerprint`.
        found: Fingerprint of the loaded backbone.
    """
    shipped = HALF_PRECISION.values()
    return name != "mini" or stated in shipped or found in shipped
