from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F

from vlp_rvos.models.backbones.mini import load_mini
from vlp_rvos.training.misaligned_backbone import misaligned, write_misaligned_backbone


def test_image_features_stay_and_their_match_with_words_is_lost(tmp_path: Path) -> None:
    tower = load_mini()
    other = tmp_path / "unaligned.safetensors"
    write_misaligned_backbone(other)
    away = load_mini(other)
    changed = [name for name, value in away.state_dict().items() if not torch.equal(value, tower.state_dict()[name])]
    assert sorted(changed) == ["vision_projection.bias", "vision_projection.weight"]
    features = torch.randn(50, tower.vision_width)
    here, there = (F.normalize(one.project_vision(features), dim=-1) for one in (tower, away))
    assert torch.allclose(here @ here.T, there @ there.T, atol=1e-4), "distances in the shared space stay"
    assert (here * there).sum(-1).abs().max() < 0.4
    again = misaligned(tower.aligned_state_dict())
    assert torch.equal(again["vision_projection.weight"], away.vision_projection.weight)


def test_a_file_that_is_there_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "misaligned.safetensors"
    path.write_bytes(b"kept")
    write_misaligned_backbone(path)
    assert path.read_bytes() == b"kept"
