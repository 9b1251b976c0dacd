"""Read text files that other programs may have begun with a byte-order mark."""

from __future__ import annotations

import codecs
import io
from pathlib import Path

from vlp_rvos.utils.special_files import refuse_special_file

__all__ = ["read_text"]

#: Mark -> the encoding that it announces. A mark of UTF-32 begins with one of UTF-16, so it is looked for first.
_MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


def read_text(file: Path, encoding: str = "utf-8") -> str:
    """The text of a file, without the byte-order mark that it may begin with. Line breaks become "\\n".

    Editors and spreadsheets, on Windows above all, write such marks. Left in, a mark becomes part of the first word.

    Args:
        file: The file.
        encoding: Encoding of the file; a byte-order mark overrules it.

    Raises:
        OSError: The file cannot be read.
        UserError: It is a named pipe or a device, whose end may never come. The pipes of a shell may be read.
        UnicodeDecodeError: It does not have this encoding.
    """
    refuse_special_file(file, process_substitution=True)
    data = file.read_bytes()
    for mark, announced in _MARKS.items():
        if data.startswith(mark):
            data, encoding = data.removeprefix(mark), announced
            break
    return io.TextIOWrapper(io.BytesIO(data), encoding).read()
