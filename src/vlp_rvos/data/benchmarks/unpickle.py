"""Read pickles of plain data, such as the official annotations of RefCOCO, without running any code in them.

A pickle is a program for a small stack machine. This module is that machine without the instructions that import or
call anything, so a malicious file can do no harm.
"""

from __future__ import annotations

import pickletools
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from vlp_rvos.errors import UserError

__all__ = ["load_plain"]

# The annotations of RefCOCO are about 5 million instructions in 35 MB. An instruction makes at most one object, which
# takes about 150 bytes with its entry in the memo. So the two limits bound the memory.
MAX_BYTES = 128 * 2**20
MAX_INSTRUCTIONS = 12_000_000


def load_plain(file: Path) -> Any:
    """Read lists, tuples, dictionaries, numbers, text, booleans and None from a pickle of any protocol.

    Byte strings of Python 2 become text: as UTF-8 if they are valid UTF-8, else as latin-1.

    Raises:
        UserError: the file is missing, damaged or too large, or it holds anything else, which the message names.
    """
    try:
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise UserError(
                f"{file} has {size >> 20} MB; annotations have at most {MAX_BYTES >> 20}: is it the right file?"
            )
        data = file.read_bytes()
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror}") from error
    machine = _Machine()
    try:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            handle = _HANDLERS.get(opcode.name)
            if handle is None:
                refused = _refused(opcode.name, argument, machine)
                raise UserError(
                    f"{file} is refused: it holds {refused}; only lists, dictionaries, numbers and text may"
                )
            if number == MAX_INSTRUCTIONS:
                raise UserError(f"{file} has more than {MAX_INSTRUCTIONS} instructions: is it the right file?")
            handle(machine, argument)
        (result,) = machine.stack
    except UserError:
        raise
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError, struct.error) as error:
        raise UserError(f"{file} is not a whole pickle: {' '.join(str(error).split())[:200]}") from error
    return result


class _Machine:
    """The state of the machine: the stack, the stacks below the marks, and the memo."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.below: list[list[Any]] = []
        self.memo: dict[int, Any] = {}

    def push(self, value: Any) -> None:
        self.stack.append(value)

    def push_bytes(self, value: str) -> None:
        # The parser gives byte strings as latin-1.
        if not value.isascii():
            with suppress(UnicodeDecodeError):
                value = value.encode("latin-1").decode("utf-8")
        self.stack.append(value)

    def mark(self, _: Any) -> None:
        self.below.append(self.stack)
        self.stack = []

    def since_mark(self) -> list[Any]:
        items, self.stack = self.stack, self.below.pop()
        return items

    def put(self, index: int) -> None:
        self.memo[index] = self.stack[-1]

    def memoize(self, _: Any) -> None:
        self.memo[len(self.memo)] = self.stack[-1]

    def get(self, index: int) -> None:
        self.stack.append(self.memo[index])

    def append(self, _: Any) -> None:
        item = self.stack.pop()
        self.stack[-1].append(item)

    def appends(self, _: Any) -> None:
        items = self.since_mark()
        self.stack[-1].extend(items)

    def set_item(self, _: Any) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self.stack[-1].update([(key, value)])

    def set_items(self, _: Any) -> None:
        items = self.since_mark()
        self.stack[-1].update(_mapping(items))

    def take_tuple(self, length: int) -> None:
        if len(self.stack) < length:
            raise IndexError("the stack is empty")
        items = tuple(self.stack[len(self.stack) - length :])
        del self.stack[len(self.stack) - length :]
        self.stack.append(items)


def _mapping(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


def _refused(name: str, argument: Any, machine: _Machine) -> str:
    """Name of the refused instruction, or of what it would import."""
    if name in {"GLOBAL", "INST"}:
        return str(argument).replace(" ", ".")[:200]
    if name == "STACK_GLOBAL":
        return ".".join(part for part in machine.stack[-2:] if isinstance(part, str))[:200]
    return f"the instruction {name}"


_Handler = Callable[[_Machine, Any], None]
_HANDLERS: dict[str, _Handler] = {
    **dict.fromkeys(("PROTO", "FRAME", "STOP"), lambda machine, _: None),
    **dict.fromkeys(
        (
            *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
            *("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
        ),
        _Machine.push,
    ),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), _Machine.push_bytes),
    "NONE": lambda machine, _: machine.push(None),
    "NEWTRUE": lambda machine, _: machine.push(True),
    "NEWFALSE": lambda machine, _: machine.push(False),
    "MARK": _Machine.mark,
    **dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), _Machine.put),
    "MEMOIZE": _Machine.memoize,
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), _Machine.get),
    "EMPTY_LIST": lambda machine, _: machine.push([]),
    "LIST": lambda machine, _: machine.push(machine.since_mark()),
    "APPEND": _Machine.append,
    "APPENDS": _Machine.appends,
    "EMPTY_DICT": lambda machine, _: machine.push({}),
    "DICT": lambda machine, _: machine.push(_mapping(machine.since_mark())),
    "SETITEM": _Machine.set_item,
    "SETITEMS": _Machine.set_items,
    "EMPTY_TUPLE": lambda machine, _: machine.push(()),
    "TUPLE": lambda machine, _: machine.push(tuple(machine.since_mark())),
    "TUPLE1": lambda machine, _: machine.take_tuple(1),
    "TUPLE2": lambda machine, _: machine.take_tuple(2),
    "TUPLE3": lambda machine, _: machine.take_tuple(3),
}
