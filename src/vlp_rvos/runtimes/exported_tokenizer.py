"""The tokenizer of an exported model: named in its manifest, opened from the package that carries the vocabulary.

The manifest also holds the token ids of a sample, by which another vocabulary of the same name is noticed.
"""

from __future__ import annotations

from collections.abc import Callable

from vlp_rvos.errors import UserError
from vlp_rvos.models.backbones.backbone import Backbone
from vlp_rvos.models.backbones.clip_tokenizer import ClipTokenizer
from vlp_rvos.models.backbones.expression_tokenizer import ExpressionTokenizer
from vlp_rvos.models.backbones.shipped_weights import BERT_VOCABULARY
from vlp_rvos.models.backbones.wordpiece_tokenizer import WordPieceTokenizer

__all__ = ["find_tokenizer", "open_tokenizer"]

TOKENIZERS: dict[str, Callable[[], ExpressionTokenizer]] = {
    "clip": ClipTokenizer.from_package,
    "wordpiece": lambda: WordPieceTokenizer(BERT_VOCABULARY),
}
SAMPLE = "the dog's 2 balls"
#: More tokens than the sample has in any vocabulary.
SAMPLE_MAX_WORDS = 32


def find_tokenizer(backbone: Backbone) -> tuple[str, list[int]]:
    """Find the name of a backbone's tokenizer, and the token ids that it gives the sample.

    Raises:
        UserError: the backbone has another tokenizer than the known ones.
    """
    own = backbone.tokenize([SAMPLE]).ids[0].tolist()
    for name in TOKENIZERS:
        try:
            open_tokenizer(name, own)
        except UserError:
            continue
        return name, own
    raise UserError(
        f"{backbone.name} has a tokenizer of its own, neither CLIP's nor BERT's: such a model cannot be exported"
    )


def open_tokenizer(name: str, sample_ids: list[int]) -> ExpressionTokenizer:
    """Open a tokenizer and check its vocabulary.

    Args:
        name: name of the tokenizer, as `find_tokenizer` gave it.
        sample_ids: token ids that it gave the sample when the model was exported.

    Raises:
        UserError: the name is unknown, a package is not installed, or the vocabulary differs from that of the export.
    """
    if name not in TOKENIZERS:
        raise UserError(f"the exported model needs the unknown tokenizer '{name}'; upgrade vlp-rvos")
    tokenizer = TOKENIZERS[name]()
    if tokenizer([SAMPLE], SAMPLE_MAX_WORDS).ids[0].tolist() != sample_ids:
        raise UserError(
            f"the tokenizer '{name}' has another vocabulary than when the model was exported; export the model again"
        )
    return tokenizer
