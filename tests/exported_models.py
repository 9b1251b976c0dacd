"""A tiny model that can be exported, and folders of exported models whose graphs are empty."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from stubs import TinyBackbone, tiny_model

from vlp_rvos.models.backbones.expression_tokenizer import ExpressionTokenizer
from vlp_rvos.models.vlp_rvos import VLPRVOS
from vlp_rvos.runtimes.artifact import GRAPH_FILES, CheckpointSource, Manifest, file_hash
from vlp_rvos.runtimes.exported_tokenizer import TOKENIZERS, find_tokenizer
from vlp_rvos.runtimes.names import ExportFormat


class WordPieceBackbone(TinyBackbone):
    """A tiny backbone with BERT's tokenizer, which exported models can have."""

    def __init__(self, **options: object) -> None:
        super().__init__(vocabulary=30522, **options)  # type: ignore[arg-type]

    def default_tokenizer(self) -> ExpressionTokenizer:
        return TOKENIZERS["wordpiece"]()


def exportable_model(changes: dict[str, object] | None = None, **backbone: object) -> VLPRVOS:
    """A model with random weights, the same ones every time, whose logits vary.

    Args:
        changes: changes to the config of `tiny_model`.
        backbone: options of the backbone.
    """
    config = tiny_model().config.replace(**(changes or {}))
    torch.manual_seed(0)
    sizes = {"pyramid": True, "vision_layers": 2, "text_layers": 1}
    model = VLPRVOS(WordPieceBackbone(**{**sizes, **backbone}), config)
    with torch.no_grad():
        for gate in model.encoder.gates:
            gate.fill_(0.5)
        # Logits of a fresh model hardly leave their bias.
        model.mask_head.logits.weight.mul_(20)
        if model.motion is not None:
            model.motion.leave.weight.normal_()
    return model.eval()


def write_empty_export(folder: Path, runtime: ExportFormat, source: CheckpointSource | None = None) -> Path:
    """Write an exported folder in which everything is right but the graphs."""
    folder.mkdir(parents=True, exist_ok=True)
    names = GRAPH_FILES[runtime]
    for name in names:
        (folder / name).write_text(name)
    hashes = {name: file_hash(folder / name) for name in names}
    tokenizer = find_tokenizer(WordPieceBackbone())
    Manifest(runtime, "tiny", tiny_model().config.to_dict(), tokenizer, 16, 16, hashes, source).write(folder)
    return folder


def change_manifest(folder: Path, **values: object) -> None:
    """Replace fields of an exported folder's manifest."""
    manifest = folder / "export.json"
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | values))
