"""Which tokenizer an exported model needs; its vocabulary comes from the package that carries it."""

from __future__ import annotations

from collections.abc import Callable

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.backbone import Backbone
from vlp_rvos.models.backbones.packaged import MINILM_VOCABULARY
from vlp_rvos.models.backbones.tokenizers import ClipTokenizer, ExpressionTokenizer, WordPieceTokenizer

__all__ = ["find_tokenizer", "open_tokenizer"]

TOKENIZERS: dict[str, Callable[[], ExpressionTokenizer]] = {
    "clip": ClipTokenizer.from_package,
    "wordpiece": lambda: WordPieceTokenizer(MINILM_VOCABULARY.locate()),
}
SAMPLE = "the dog's 2 balls"


def find_tokenizer(backbone: Backbone) -> tuple[str, list[int]]:
    """The name of a backbone's tokenizer, and the ids that it gives a sample: another vocabulary gives others.

    Raises:
        UserError: none of the known ones gives the same ids.
    """
    own = backbone.tokenize([SAMPLE]).ids[0].tolist()
    for name in TOKENIZERS:
        try:
            open_tokenizer(name, own)
        except UserError:
            continue
        return name, own
    raise UserError(
        f"{backbone.name} has a tokenizer of its own: it is neither CLIP's nor BERT's, so it is not exported"
    )


def open_tokenizer(name: str, sample_ids: list[int]) -> ExpressionTokenizer:
    """The tokenizer of that name, checked.

    Raises:
        UserError: an unknown name, a package that is not installed, or another vocabulary than at the export.
    """
    if name not in TOKENIZERS:
        raise UserError(f"the exported model needs the unknown tokenizer '{name}'; upgrade vlp-rvos")
    tokenizer = TOKENIZERS[name]()
    if tokenizer([SAMPLE], len(sample_ids)).ids[0].tolist() != sample_ids:
        raise UserError(
            f"the tokenizer '{name}' has another vocabulary here than at the export; export the model again"
        )
    return tokenizer
