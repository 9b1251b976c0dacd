"""BERT's word pieces: our tokenizer against the library `tokenizers`, from start-up to the ids of an expression.

    python benchmarks/word_pieces.py --json word-pieces.json

Three times each: to import the library in a fresh Python, to read the vocabulary, and to encode an expression. Needs
`tokenizers` (the extra `clip`).
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

from benchmark_options import benchmark_parser, parse_options
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from vlp_rvos.models.backbones.shipped_weights import BERT_VOCABULARY
from vlp_rvos.models.backbones.wordpiece_tokenizer import WordPieceTokenizer
from vlp_rvos.profiling.measurement_report import Measurement, write_report
from vlp_rvos.profiling.timing import time_alternately

EXPRESSIONS = [
    "the dog that jumps over the fence",
    "a woman's red dress, on the left",
    "the unbelievably fast skateboarder",
]


def library_tokenizer() -> Tokenizer:
    """BERT's tokenizer as the library has it."""
    pieces = models.WordPiece.read_file(str(BERT_VOCABULARY))
    tokenizer = Tokenizer(models.WordPiece(pieces, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def starting(code: str) -> Callable[[], object]:
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


def main() -> None:
    arguments = parse_options(benchmark_parser(__doc__, rounds=15))
    ours, theirs = WordPieceTokenizer(BERT_VOCABULARY), library_tokenizer()
    for expression in EXPRESSIONS:
        assert ours.encode(expression) == theirs.encode(expression).ids, "the ids differ"
    seconds = time_alternately(
        {
            "bare Python": starting("pass"),
            "import of the library": starting("import tokenizers"),
            "our vocabulary": lambda: WordPieceTokenizer(BERT_VOCABULARY),
            "its vocabulary": library_tokenizer,
            "our ids": lambda: [ours.encode(expression) for expression in EXPRESSIONS],
            "its ids": lambda: [theirs.encode(expression).ids for expression in EXPRESSIONS],
        },
        arguments.rounds,
    )
    each = 1e6 / len(EXPRESSIONS)
    rows = [
        Measurement(
            "word pieces: import of the library",
            1000 * (seconds["import of the library"] - seconds["bare Python"]),
            unit="ms",
        ),
        Measurement("word pieces: our reading of the vocabulary", 1000 * seconds["our vocabulary"], unit="ms"),
        Measurement("word pieces: its reading of the vocabulary", 1000 * seconds["its vocabulary"], unit="ms"),
        Measurement("word pieces: our ids of an expression", each * seconds["our ids"], unit="us"),
        Measurement("word pieces: its ids of an expression", each * seconds["its ids"], unit="us"),
    ]
    write_report(rows, {"rounds": arguments.rounds, "median_seconds": seconds}, arguments.json, None)


if __name__ == "__main__":
    main()
