from __future__ import annotations

import torch

from vlp_rvos.models.pooling import masked_mean


def test_mean_under_a_mask_with_one_patch_added_to_its_area() -> None:
    features = torch.randn(2, 3, 50, 8)
    nothing = masked_mean(features, torch.full((2, 3, 50), -20.0))
    assert nothing.abs().max() < 1e-6
    logits = torch.full((2, 3, 50), -50.0)
    logits[..., :9] = 50.0
    torch.testing.assert_close(masked_mean(features, logits), features[..., :9, :].sum(-2) / 10)
