"""`attend` against softmax attention written out, in the number formats that take different kernels."""

from __future__ import annotations

import pytest
import torch

from vlp_rvos.models.backbones import attention
from vlp_rvos.models.backbones.attention import attend

HIDDEN = torch.tensor([[True, True, False], [False, True, True]])
MASKS = {
    "none": None,
    "bool": HIDDEN,
    "additive": torch.tensor([[0.5, float("-inf"), 1.0], [0.0, -2.0, 0.25]]),
}


@pytest.mark.parametrize("written_out", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("mask", MASKS)
def test_equals_the_formula(
    mask: str, scale: float | None, dtype: torch.dtype, written_out: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "MAX_MAP_ELEMENTS", 1 << 20 if written_out else 0)
    q, k, v = (torch.randn(2, 4, length, 8).to(dtype) for length in (2, 3, 3))
    chosen = MASKS[mask]
    logits = q.float() @ k.float().transpose(-2, -1) * (8**-0.5 if scale is None else scale)
    if chosen is not None:
        logits = logits.masked_fill(~chosen, float("-inf")) if chosen.dtype == torch.bool else logits + chosen
    expected = logits.softmax(-1) @ v.float()

    given = chosen.to(dtype) if chosen is not None and chosen.is_floating_point() else chosen
    found = attend(q, k, v, given, scale)

    assert found.dtype == dtype
    tolerance = 1e-5 if dtype == torch.float32 else 0.03
    torch.testing.assert_close(found.float(), expected, atol=tolerance, rtol=tolerance)


def test_the_map_is_written_out_for_bfloat16_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[torch.dtype] = []

    def kernel(q: torch.Tensor, *rest: object, **options: object) -> torch.Tensor:
        called.append(q.dtype)
        return q

    monkeypatch.setattr(attention.F, "scaled_dot_product_attention", kernel)
    for dtype in (torch.float32, torch.bfloat16):
        q = torch.randn(1, 2, 4, 8, dtype=dtype)
        attend(q, q, q)
    assert called == [torch.float32]
    monkeypatch.setattr(attention, "MAX_MAP_ELEMENTS", 31)
    attend(q, q, q)
    assert called == [torch.float32, torch.bfloat16]
