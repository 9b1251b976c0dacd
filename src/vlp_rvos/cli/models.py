"""`vlp-rvos models`: which models there are, what they can do, and how fast they are here."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from vlp_rvos.cli.messages import echo
from vlp_rvos.utils.json_text import json_text

__all__ = ["models"]


def models(
    measure: Annotated[
        bool, typer.Option("--measure", help="Time each model with weights on this machine, on generated frames.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON, and nothing else.")] = False,
) -> None:
    """List the models: size, licence and accuracy of those that come with weights, and what others need."""
    from vlp_rvos.models.checkpoint import shipped_models
    from vlp_rvos.models.model_config import PRESETS

    shipped = shipped_models()
    found = {name: _describe(name, name in shipped) for name in sorted({*PRESETS, *shipped})}
    if measure:
        from vlp_rvos.profiling.model_speed import measure_models

        for name, numbers in measure_models(list(shipped)):
            found[name]["measured"] = numbers
    if as_json:
        echo(json_text({"models": list(found.values())}, ascii_only=True))
        return
    for name, model in found.items():
        size = model["config"]
        shape = "" if size is None else f"width {size['width']}, input {size['input_size']}, clip {size['clip_length']}"
        state = "ready to use" if model["ready"] else "must be trained, with your copy of its backbone's weights"
        echo(f"{name:10}  {shape:38}  {state}")
        for line in _details(model):
            echo(f"{'':10}  {line}")


def _describe(name: str, ready: bool) -> dict[str, Any]:
    from vlp_rvos.models.model_config import PRESETS

    config = PRESETS.get(name)
    sizes = ("width", "input_size", "clip_length")
    model: dict[str, Any] = {
        "name": name,
        "ready": ready,
        "config": None if config is None else {field: getattr(config, field) for field in sizes},
    }
    if ready:
        from vlp_rvos.models.checkpoint import peek, resolve, trained_parameters
        from vlp_rvos.models.model_card import card_numbers, read_card

        card, info = read_card(name), peek(name)
        text, numbers = card_numbers(card.get("accuracy", ""))
        model |= {
            "backbone": info.backbone,
            "trained_parameters": trained_parameters(name),
            "file_bytes": resolve(name).stat().st_size,
            "licence": card_numbers(card["licence"])[0] if "licence" in card else None,
            "accuracy": {"text": text, "numbers": [vars(number) for number in numbers]} if text else None,
        }
    return model


def _details(model: dict[str, Any]) -> list[str]:
    """What is said of a model that comes with weights, one line each."""
    if not model["ready"]:
        return []
    accuracy = model["accuracy"]
    millions, size = model["trained_parameters"] / 1e6, model["file_bytes"] / 1e6
    lines = [
        f"size: {millions:.1f} million trained parameters in {size:.1f} MB, besides the frozen {model['backbone']}",
        f"licence: {model['licence'] or 'its model card states none'}",
        f"accuracy: {accuracy['text'] if accuracy else 'its model card states none'}",
    ]
    if measured := model.get("measured"):
        memory = measured["peak_memory_bytes"]
        lines.append(
            f"measured here: {measured['frames_per_second']:.2f} frames/s, first result after "
            f"{measured['first_result_seconds']:.2f} s, loaded in {measured['load_seconds']:.2f} s"
            + ("" if memory is None else f", peak memory {memory / 2**30:.2f} GiB")
            + f" ({measured['frames']} frames of {measured['width']}x{measured['height']}, "
            + f"{measured['threads']} threads)"
        )
    return lines
