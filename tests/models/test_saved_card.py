"""The model card: what it says, and that text from outside stays text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from vlp_rvos.models import checkpoint
from vlp_rvos.models.model_config import ModelConfig
from vlp_rvos.models.saved_card import is_card, model_card

INFO = checkpoint.peek("mini")


def card(training: dict[str, object], shipped: str | None = None) -> str:
    return model_card("mine", "me/mine", "mini", ModelConfig(), replace(INFO, training=training), shipped)


def test_a_shipped_model_brings_its_own_card() -> None:
    text = card(INFO.training, checkpoint.shipped_card(INFO))
    assert "CC BY-NC 4.0" in text
    assert "](mini-backbone.md)" not in text
    assert "plots/presence.png" not in text
    assert text.startswith("---\nlibrary_name: vlp-rvos\n")


def test_only_the_weights_of_a_shipped_model_have_its_card() -> None:
    saved = replace(INFO, training=INFO.training | {"saved_as": "mini"})
    assert checkpoint.shipped_card(saved) == checkpoint.shipped_card(INFO) is not None
    assert checkpoint.shipped_card(replace(INFO, training=INFO.training | {"steps": 1})) is None


def test_a_trained_model_says_its_data_and_numbers() -> None:
    sources = [{"folder": "davis16/train", "kind": "videos"}, {"folder": "a|b`<script>\n# x", "kind": "stills"}]
    text = card({"config": {"data": {"sources": sources}}, "steps": 20, "validation": {"iou": 0.123456}})
    assert "- davis16/train (videos)" in text
    assert "| steps | 20 |" in text
    assert "| validation, iou | 0.1235 |" in text
    assert "<script>" not in text
    assert "\n# x" not in text


def test_the_data_of_all_stages_are_said_once_each() -> None:
    pictures = {"folder": "pictures", "kind": "pictures"}
    data = {"sources": [{"folder": "clips", "kind": "videos"}], "described": [pictures]}
    text = card({"config": {"data": data, "candidates": None, "choice": {"sources": [pictures, pictures]}}})
    assert text.count("- pictures (pictures)") == text.count("- clips (videos)") == 1


def test_what_is_not_recorded_is_not_claimed() -> None:
    for training in ({}, {"config": 3, "validation": []}, {"config": {"data": {"sources": ["x"]}}}):
        assert "does not say what the model was trained on" in card(training)


def test_a_card_is_known_by_its_mark(tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    assert not is_card(path)
    path.write_text(card({}))
    assert is_card(path)
    path.write_text("# Mine")
    assert not is_card(path)
