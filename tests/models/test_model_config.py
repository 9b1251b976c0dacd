from __future__ import annotations

import json

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.models.model_config import PRESETS, ModelConfig


@pytest.mark.parametrize("name", PRESETS)
def test_json_round_trip(name: str) -> None:
    config = ModelConfig.preset(name)
    assert ModelConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_presets() -> None:
    assert set(PRESETS) == {"clip-b16", "clip-l14", "vlmo-b", "vlmo-l", "mini"}
    with pytest.raises(UserError, match="unknown model 'clip-b17': use one of clip-b16"):
        ModelConfig.preset("clip-b17")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"widht": 256}, "unknown key 'widht'; known here: width, clip_length"),
        ({"width": "256"}, "key 'width' must be a whole number, not '256'"),
        ({"history": 1}, "key 'history' must be true or false, not 1"),
        ({"width": 0}, "width must be from 1 to 4096, not 0"),
        ({"patch_pool": 0}, "patch_pool must be from 1 to 64, not 0"),
        ({"vision_prompts": -1}, "vision_prompts must be from 0 to 1000, not -1"),
        ({"width": 100, "str_heads": 8}, "width 100 must be a multiple"),
        ({"attention": "cubes"}, "key 'attention' must be one of cube_frame, cube, frame, full, not 'cubes'"),
        ({"width": 99, "str_heads": 3}, "cube_frame attention splits the heads"),
        ({"shallow_layers": [3, 2]}, "one layer for each of 3 blocks"),
        ({"shallow_layers": [3, 2, 0]}, "shallow_layers must be from 1"),
        ({"shallow_layers": [3, 2, "1"]}, r"key 'shallow_layers\[2\]' must be a whole number"),
        ({"mlp_ratio": "3"}, "key 'mlp_ratio' must be a number, not '3'"),
        ({"head_width": 20}, "head_width 20"),
    ],
)
def test_wrong_values_get_one_line(values: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=f"^model config: .*{message}") as caught:
        ModelConfig.from_dict(values)
    assert "\n" not in str(caught.value)


def test_replace() -> None:
    assert PRESETS["mini"].replace(history=False, mlp_ratio=3).mlp_ratio == 3.0
    with pytest.raises(UserError, match="unknown key 'historie'"):
        PRESETS["mini"].replace(historie=False)


@pytest.mark.parametrize(
    ("name", "video", "multiple", "expected"),
    [
        ("mini", (480, 854), 32, (288, 512)),
        ("mini", (1920, 1080), 32, (512, 288)),
        ("mini", (10, 4000), 32, (32, 512)),
        ("clip-b16", (480, 854), 16, (352, 352)),
        ("clip-l14", (480, 854), 14, (336, 336)),
    ],
)
def test_frame_size(name: str, video: tuple[int, int], multiple: int, expected: tuple[int, int]) -> None:
    assert ModelConfig.preset(name).frame_size(*video, multiple) == expected


def test_without_candidates_the_threshold_is_that_of_the_dense_head() -> None:
    config = ModelConfig(candidates=8, presence_threshold=0.5, dense_presence_threshold=0.1)
    assert config.replace(candidates=0).presence_threshold == 0.1
    assert config.replace(candidates=0, presence_threshold=0.3).presence_threshold == 0.3
    assert config.replace(candidates=4).presence_threshold == 0.5
    assert config.replace(dense_presence_threshold=None, candidates=0).presence_threshold == 0.5
    assert config.replace(candidates=0).replace(presence_threshold=0.2).presence_threshold == 0.2
