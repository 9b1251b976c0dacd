"""Alignment pretraining: the vocabulary of the stem's classes, and one whole run on a tiny folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from coco_folder import Shape, write_coco

from vlp_rvos.cli.pretrain import pretrain
from vlp_rvos.models.backbones.mini import load_mini
from vlp_rvos.pretraining.class_names import MEMBERS, SYNONYMS, class_names, everyday_word


def test_classes_have_their_everyday_words() -> None:
    names = class_names()
    words = {name: everyday_word(index, name) for index, name in enumerate(names)}
    assert len(names) == 1000
    expected = {
        "golden retriever": "dog",
        "black swan": "swan",
        "Arabian camel": "camel",
        "tiger cat": "cat",
        "ox": "cow",
        "African elephant": "elephant",
        "sports car": "car",
        "goose": "goose",
        "drake": "duck",
        "American coot": "bird",
        "teapot": "teapot",
    }
    assert {name: words[name] for name in expected} == expected


def test_members_are_spelled_as_in_the_class_list() -> None:
    known = set(class_names())
    assert not {name for members in MEMBERS.values() for name in members.split("|") if name} - known
    assert all(word not in others for word, others in SYNONYMS.items())


@pytest.mark.slow
def test_a_run_writes_a_tower_that_loads(tmp_path: Path) -> None:
    pictures = [
        [Shape("car", (10, 20, 70, 60), (200, 30, 30)), Shape("dog", (90, 30, 150, 80), (30, 160, 60))]
        for _ in range(30)
    ]
    folder = write_coco(tmp_path / "stills", pictures)
    settings = ["minutes=0.05", "batch=2", "crops=1", "hold_out=[]", "videos=''", f"stills={folder}"]
    pretrain(None, tmp_path / "run", settings)
    report = json.loads((tmp_path / "run" / "align.json").read_text())
    assert report["steps"] > 0
    assert np.isfinite(list(report["held_out"].values())).all()
    tower = load_mini(tmp_path / "run" / "mini-backbone.safetensors")
    assert not any(parameter.requires_grad for parameter in tower.parameters())
    assert not list((tmp_path / "run").glob("*.part"))
