"""Average the weights of a model and of a training that continued from it.

    python tools/average.py FIRST.safetensors SECOND.safetensors --share 0.5 -o average.safetensors --use min_part=0.25

Either may be the name of a shipped model. Parameters that only the second model has are taken as they are, and those
that only the first has are left out; `--whole fusion` takes all of `fusion` from the second. The header is that of the
second model and records the average; `--use` sets its inference overrides.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from script_options import (
    add_inference_overrides,
    errors_in_one_line,
    inference_overrides,
    prepare_weights,
    script_parser,
)

from vlp_rvos.errors import VLPRVOSError
from vlp_rvos.models.checkpoint import load_model, peek, save_trained


def average(
    first: str, second: str, share: float, whole: Sequence[str], output: Path, overrides: Mapping[str, object]
) -> None:
    """Write `(1 - share) * first + share * second` in half precision.

    Args:
        first: Model that the second training started from, a name or a file.
        second: Model that the training left.
        share: Weight of the second model, from 0 to 1.
        whole: Modules that are taken from the second model as they are.
        output: File to write.
        overrides: Inference overrides of the result.

    Raises:
        VLPRVOSError: A model cannot be read, the result cannot be written, or a parameter has another shape in the two.
    """
    old, model = (load_model(name, peek(name).config) for name in (first, second))
    before, state = old.trained_state_dict(), model.trained_state_dict()
    if unknown := [module for module in whole if not any(name.startswith(f"{module}.") for name in state)]:
        raise VLPRVOSError(f"{second} has no module {unknown[0]}")
    modules = tuple(f"{module}." for module in whole)
    for name in before.keys() & state.keys():
        if before[name].shape != state[name].shape:
            raise VLPRVOSError(f"{first} and {second} have a {name} of different shape: they are not the same model")
        if not name.startswith(modules):
            state[name] = before[name].lerp(state[name], share)
    names = {"first": Path(first).name, "second": Path(second).name}
    origin = {"averaged": {**names, "share": share, "whole": list(whole)}}
    training = {**peek(second).training, **origin}
    save_trained(output, model, training, state=state, inference_overrides=overrides, half=True)


@errors_in_one_line
def main() -> None:
    parser = script_parser(__doc__)
    parser.add_argument("first", help="the model that the training started from")
    parser.add_argument("second", help="the model that it left")
    parser.add_argument("--share", type=float, default=0.5, help="weight of the second model, from 0 to 1")
    parser.add_argument("--whole", action="append", default=[], metavar="MODULE", help="take it from the second model")
    add_inference_overrides(parser)
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    prepare_weights(arguments.output)
    overrides = inference_overrides(arguments)
    average(arguments.first, arguments.second, arguments.share, arguments.whole, arguments.output, overrides)


if __name__ == "__main__":
    sys.exit(main())
