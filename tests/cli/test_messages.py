from __future__ import annotations

import warnings

import pytest

from vlp_rvos.cli.messages import one_line, reported_warnings
from vlp_rvos.errors import UserError, VLPRVOSWarning


def test_one_line() -> None:
    assert one_line(UserError("a\n  long\tmessage ")) == "a long message"


def test_warnings_are_printed_and_collected(capsys: pytest.CaptureFixture[str]) -> None:
    with reported_warnings() as messages:
        for _ in range(2):
            warnings.warn(VLPRVOSWarning("cut\nshort"), stacklevel=1)
        warnings.warn("other", UserWarning, stacklevel=1)
    assert messages == ["cut short", "cut short"]
    assert capsys.readouterr() == ("", "warning: cut short\n" * 2)


def test_before_and_after_warnings_are_as_they_were() -> None:
    shown, filters = warnings.showwarning, list(warnings.filters)
    with reported_warnings():
        assert warnings.showwarning != shown
    assert warnings.showwarning == shown
    assert list(warnings.filters) == filters
