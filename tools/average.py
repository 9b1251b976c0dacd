"""Average the weights of two trainings of one model, of which the second went on where the first ended.

    python tools/average.py FIRST.safetensors SECOND.safetensors --share 0.5 -o average.safetensors --use min_part=0.25

Either may be the name of a shipped model. Parts that only the second has are taken as they are, parts that only the
first has are left out; `--whole fusion` takes all of `fusion` from the second too. The header is the second's, and says
what was averaged; `--use` changes fields of its config where the model is used and not trained on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from one_line import says_why

from vlp_rvos.errors import VLPRVOSError
from vlp_rvos.models.checkpoint import load_model, peek, save_trained
from vlp_rvos.utils.overrides import apply_overrides


def average(
    first: str, second: str, share: float, whole: Sequence[str], output: Path, use: Mapping[str, object]
) -> None:
    """Write `(1 - share) * first + share * second` in half precision; of the modules in `whole` only the second.

    Raises:
        VLPRVOSError: a model cannot be read or the result not be written, or what the two have in common is of
            different shape.
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
    save_trained(output, model, {**peek(second).training, **origin}, state=state, inference_overrides=use, half=True)


@says_why
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("--share", type=float, default=0.5, help="of the second, 0 to 1")
    parser.add_argument("--whole", action="append", default=[], metavar="MODULE")
    parser.add_argument("--use", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("-o", "--output", type=Path, required=True)
    arguments = parser.parse_args()
    use = apply_overrides({}, arguments.use)
    average(arguments.first, arguments.second, arguments.share, arguments.whole, arguments.output, use)


if __name__ == "__main__":
    sys.exit(main())
