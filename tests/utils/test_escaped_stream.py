from __future__ import annotations

import sys
import traceback

import pytest

from vlp_rvos.utils.escaped_stream import escaped_output


def test_what_libraries_print_has_nothing_that_a_terminal_obeys(capsys: pytest.CaptureFixture[str]) -> None:
    with escaped_output():
        try:
            raise ValueError("/tmp/\x1b[31mred\x07\u202e")
        except ValueError:
            traceback.print_exc()
        print("a\tb\x9bc")
        assert not sys.stderr.isatty()
        assert sys.stderr.encoding.lower() == "utf-8"
    print("\x1b")
    captured = capsys.readouterr()
    assert captured.err.startswith("Traceback (most recent call last):\n")
    assert captured.err.endswith("ValueError: /tmp/\\x1b[31mred\\x07\\u202e\n")
    assert captured.out == "a\tb\\x9bc\n\x1b\n"
