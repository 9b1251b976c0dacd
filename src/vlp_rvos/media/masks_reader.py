"""Read `masks.json` back, one frame at a time. Shapes: E expressions, (H, W) pixels of the video."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TextIO

import numpy as np
import numpy.typing as npt

from vlp_rvos.arrays import Floats, Size
from vlp_rvos.errors import UserError
from vlp_rvos.media.rle import decode_mask
from vlp_rvos.utils.plain_text import short_repr

__all__ = ["FrameMasks", "MaskFile", "read_masks"]

#: Characters that are read at a time, at least.
BLOCK = 2**16
#: Longest entry of a frame, in characters: a damaged file must not fill the memory.
MAX_ENTRY = 2**28
#: Number of a frame from which on it is damaged: larger ones are no whole numbers in every program.
MAX_INDEX = 2**53
#: Latest time of a frame, in seconds.
MAX_TIME = 1e9
HEADER = ("video", "model", "expressions")
KEYS = {*HEADER, "frames", "truncated"}
#: Keys that a file may lack.
OPTIONAL = {"pointed", "found"}


@dataclass(frozen=True, repr=False)
class FrameMasks:
    """The masks of one frame.

    Attributes:
        index: number of the frame in the video.
        time: seconds from the start of the video.
        name: file stem of the frame in a folder of frames, otherwise its index with five digits.
        expressions: the E expressions.
        masks: (E, H, W) bool masks, one for each expression.
        scores: (E,) float32 in [0, 1]; see `FrameResult`.
        presences: (E,) float32 in [0, 1]; see `FrameResult`.
    """

    index: int
    time: float
    name: str
    expressions: tuple[str, ...]
    masks: npt.NDArray[np.bool_]
    scores: Floats
    presences: Floats

    def __repr__(self) -> str:
        count, height, width = self.masks.shape
        what = f"{count} mask{'s' if count != 1 else ''} of {width}x{height}"
        return f"FrameMasks(index={self.index}, time={self.time:.3f}, name={short_repr(self.name)}, {what})"


@dataclass(frozen=True)
class MaskFile:
    """A `masks.json`, whose frames are read while it is iterated, as often as wanted.

    Attributes:
        path: the file.
        video: "name", "width", "height" and "fps" of the video.
        model: "name" and "version" of the model.
        expressions: the E expressions, of which some may be names of things that were pointed at.
        pointed: for each of them whether it is such a name.

    Iterating raises `UserError` where the file is damaged.
    """

    path: Path
    video: dict[str, Any]
    model: dict[str, Any]
    expressions: tuple[str, ...]
    pointed: tuple[bool, ...]
    _size: Size = field(repr=False)

    def __iter__(self) -> Iterator[FrameMasks]:
        for entry in self.entries():
            yield self._frame(entry)

    def entries(self) -> Iterator[dict[str, Any]]:
        """The entries of the frames as the file has them; only their index, time and name are checked."""
        with _open(self.path) as file:
            reader = _Reader(self.path, file)
            for key in reader.each_key():
                if key != "frames":
                    reader.value()
                    continue
                for entry in reader.items():
                    good = isinstance(entry, dict) and isinstance(entry.get("name"), str)
                    good = good and type(entry.get("index")) is int and 0 <= entry["index"] < MAX_INDEX
                    if not good or not _is_number(entry.get("time")) or abs(entry["time"]) > MAX_TIME:
                        _damaged(self.path, f"{short_repr(entry)} is not the entry of a frame")
                    yield entry

    @property
    def truncated(self) -> str | None:
        """Why the frames end early; None where they do not. Reads the whole file."""
        value = self._read("truncated")
        return None if value is None else str(value)

    @property
    def found(self) -> list[dict[str, Any]] | None:
        """For each expression when and how surely it was found; None in files of earlier versions.

        The keys are "expression", "found", "found_frames", "spans" (first and last time in seconds of each), "score"
        and "highest_presence". Reads the whole file.
        """
        value = self._read("found")
        if value is None:
            return None
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            _damaged(self.path, "what was found is not a list of objects")
        return value

    def _read(self, wanted: str) -> Any:
        """The value of a key; None where the file does not have it."""
        with _open(self.path) as file:
            reader = _Reader(self.path, file)
            found = None
            for key in reader.each_key():
                value = sum(0 for _ in reader.items()) if key == "frames" else reader.value()
                if key == wanted:
                    found = value
            return found

    def _frame(self, entry: dict[str, Any]) -> FrameMasks:
        where = f"frame {entry['index']}"
        objects = entry.get("objects")
        if not isinstance(objects, list) or len(objects) != len(self.expressions):
            _damaged(self.path, f"{where} does not have one object for each expression")
        masks = np.zeros((len(objects), *self._size), bool)
        numbers = np.zeros((2, len(objects)), np.float32)
        for i, (one, expression) in enumerate(zip(objects, self.expressions, strict=True)):
            if not isinstance(one, dict) or one.get("id") != i + 1 or one.get("expression") != expression:
                _damaged(self.path, f"object {i + 1} of {where} is not that of expression {i + 1}")
            for row, key in enumerate(("score", "presence")):
                if not _is_number(one.get(key)) or not 0 <= one[key] <= 1:
                    _damaged(self.path, f"the {key} of object {i + 1} of {where} is not a number from 0 to 1")
                numbers[row, i] = one[key]
            try:
                masks[i] = decode_mask(one.get("segmentation"), self._size)
            except ValueError as error:
                _damaged(self.path, f"the mask of object {i + 1} of {where} is broken: {error}")
        return FrameMasks(
            entry["index"], float(entry["time"]), entry["name"], self.expressions, masks, numbers[0], numbers[1]
        )


def read_masks(path: str | Path) -> MaskFile:
    """Open a `masks.json` that `vlp-rvos segment` wrote.

    The head and the end of the file are checked at once. The frames are read one at a time while the result is
    iterated, so memory does not grow with the length of the video.

    Raises:
        UserError: there is no such file, it is not a `masks.json`, or it is cut off.

    Example:
        >>> for frame in vlp_rvos.read_masks("out/masks.json"):                    # doctest: +SKIP
        ...     print(frame.time, frame.scores, frame.masks.shape)
    """
    path = Path(path)
    header: dict[str, Any] = {}
    with _open(path) as file:
        reader = _Reader(path, file)
        for key in reader.each_key():
            if key == "frames":
                reader.expect("[")
                break
            header[key] = reader.value()
    video, model, expressions = (header.get(key) for key in HEADER)
    good = isinstance(video, dict) and isinstance(model, dict) and isinstance(expressions, list) and expressions
    if not good or not all(isinstance(text, str) for text in expressions or ()):
        _foreign(path)
    assert isinstance(video, dict)
    assert isinstance(model, dict)
    assert isinstance(expressions, list)
    sides = [video.get("height"), video.get("width")]
    if not all(type(side) is int and 0 < side < 2**16 for side in sides):
        _foreign(path)
    ids = header.get("pointed", [])
    if not isinstance(ids, list) or not all(type(one) is int and 0 < one <= len(expressions) for one in ids):
        _foreign(path)
    pointed = tuple(number in ids for number in range(1, len(expressions) + 1))
    _check_end(path)
    return MaskFile(path, video, model, tuple(expressions), pointed, (int(sides[0] or 0), int(sides[1] or 0)))


class _Reader:
    """Reads one JSON object from a file, key after key, with little of the file in memory."""

    def __init__(self, path: Path, file: TextIO) -> None:
        self.path, self.file = path, file
        self.text, self.position, self.ended = "", 0, False
        self.decoder = json.JSONDecoder(parse_constant=self._refuse_constant)

    def each_key(self) -> Iterator[str]:
        """The keys of the object; what follows a key must be read before the next one is asked for."""
        if self._next() != "{":
            _foreign(self.path)
        self.position += 1
        seen: set[str] = set()
        while True:
            key = self.value()
            if not isinstance(key, str) or key not in KEYS | OPTIONAL or key in seen:
                _foreign(self.path)
            seen.add(key)
            self.expect(":")
            yield key
            if self._next() == "}":
                break
            self.expect(",")
        if not seen >= KEYS:
            _foreign(self.path)

    def items(self) -> Iterator[Any]:
        """The items of the list that begins here."""
        self.expect("[")
        if self._next() == "]":
            self.position += 1
            return
        while True:
            yield self.value()
            if self._next() == "]":
                self.position += 1
                return
            self.expect(",")

    def value(self) -> Any:
        """The value that begins here."""
        self._next()
        while True:
            try:
                value, end = self.decoder.raw_decode(self.text, self.position)
            except RecursionError:
                _damaged(self.path, "it is nested too deeply")
            except json.JSONDecodeError:
                if not self._more():
                    _damaged(self.path, "it is cut off, or no JSON")
                continue
            except ValueError:
                # Python reads no number of thousands of digits.
                _damaged(self.path, "one of its numbers has too many digits")
            # A number may go on in what has not been read yet.
            if end < len(self.text) or not self._more():
                self.position = end
                return value

    def expect(self, character: str) -> None:
        """Skip one character.

        Raises:
            UserError: another one stands there, or the file ends.
        """
        if self._next() != character:
            _damaged(self.path, "it is cut off, or no JSON")
        self.position += 1

    def _next(self) -> str:
        while True:
            while self.position < len(self.text) and self.text[self.position] in " \t\r\n":
                self.position += 1
            if self.position < len(self.text):
                return self.text[self.position]
            if not self._more():
                return ""

    def _more(self) -> bool:
        # As much again as is there: a long value is not decoded too often.
        rest = len(self.text) - self.position
        if rest > MAX_ENTRY:
            _damaged(self.path, "one of its entries is too long")
        try:
            block = self.file.read(max(BLOCK, rest))
        except (OSError, UnicodeDecodeError) as error:
            _damaged(self.path, str(error))
        self.text, self.position = self.text[self.position :] + block, 0
        return bool(block)

    def _refuse_constant(self, name: str) -> NoReturn:
        _damaged(self.path, f"{name} is no number")


def _open(path: Path) -> TextIO:
    if not path.exists():
        raise UserError(f"no such file: {path}")
    if not path.is_file():
        raise UserError(f"{path} is not a file: name a masks.json")
    try:
        return path.open(encoding="utf-8-sig")
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error


def _check_end(path: Path) -> None:
    """Find out that a file is cut off without reading all of it."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - BLOCK))
        if not file.read().rstrip().endswith(b"}"):
            _damaged(path, "it is cut off")


def _is_number(value: object) -> bool:
    # Comparisons take whole numbers that are too large for a float, which `math.isfinite` does not.
    return type(value) in (int, float) and abs(value) <= sys.float_info.max  # type: ignore[arg-type]


def _foreign(path: Path) -> NoReturn:
    raise UserError(f"{path} is not a masks.json that `vlp-rvos segment` wrote")


def _damaged(path: Path, reason: str) -> NoReturn:
    raise UserError(f"cannot read {path}: {reason}; segment the video again")
