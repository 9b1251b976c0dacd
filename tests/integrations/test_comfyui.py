"""The node for ComfyUI, with tensors in ComfyUI's shapes."""

from __future__ import annotations

import importlib.util
from types import ModuleType

import numpy as np
import pytest
import torch
from clips import frames
from scripts import ROOT
from stubs import tiny_model

from vlp_rvos import Segmenter
from vlp_rvos.inference.options import InferenceOptions

pytestmark = pytest.mark.usefixtures("tiny_default_model")


@pytest.fixture
def nodes() -> ModuleType:
    folder = ROOT / "integrations" / "comfyui"
    spec = importlib.util.spec_from_file_location("vlp_rvos_comfyui", folder / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_node_declares_itself_as_comfyui_asks(nodes: ModuleType) -> None:
    for name, node in nodes.NODE_CLASS_MAPPINGS.items():
        assert name in nodes.NODE_DISPLAY_NAME_MAPPINGS
        assert callable(getattr(node(), node.FUNCTION))
        assert len(node.RETURN_TYPES) == len(node.RETURN_NAMES)
        inputs = node.INPUT_TYPES()
        assert inputs["required"]["images"] == ("IMAGE",)
        for kind, *options in (*inputs["required"].values(), *inputs["optional"].values()):
            assert isinstance(kind, str)
            assert all(isinstance(option, dict) for option in options)


def test_the_sliders_end_where_the_options_do(nodes: ModuleType) -> None:
    (node,) = nodes.NODE_CLASS_MAPPINGS.values()
    for name in ("threshold", "size"):
        _, slider = node.INPUT_TYPES()["optional"][name]
        for end in ("min", "default", "max"):
            # 0 stands for the model's own size.
            InferenceOptions(**{name: slider[end] or None})


@pytest.mark.parametrize("channels", [3, 4])
def test_images_in_masks_out(nodes: ModuleType, channels: int) -> None:
    images = frames(7, (48, 32))
    batch = torch.from_numpy(np.stack(images)).float() / 255
    if channels == 4:
        batch = torch.cat([batch, torch.rand(*batch.shape[:3], 1)], dim=3)
    (node,) = nodes.NODE_CLASS_MAPPINGS.values()
    masks, score = node().segment(images=batch, expression="the dog", threshold=0.01)
    assert masks.shape == (7, 32, 48)
    assert masks.dtype == torch.float32
    expected = list(Segmenter(tiny_model(), threshold=0.01).segment(images, "the dog"))
    assert np.array_equal(masks.numpy() > 0, np.stack([result.mask for result in expected]))
    assert score == pytest.approx(np.mean([result.score for result in expected]))
    assert masks.any()


@pytest.mark.parametrize(("shape", "text"), [((2, 8, 8), "a dog"), ((2, 8, 8, 1), "a dog"), ((2, 8, 8, 3), " ")])
def test_bad_inputs(nodes: ModuleType, shape: tuple[int, ...], text: str) -> None:
    (node,) = nodes.NODE_CLASS_MAPPINGS.values()
    with pytest.raises(ValueError, match=r"images must be|the expression ' ' is empty"):
        node().segment(torch.zeros(shape), text)
