from __future__ import annotations

import threading

from vlp_rvos.utils.late_call import called_if_late


def test_a_block_that_takes_long_is_noticed() -> None:
    noticed, what = threading.Event(), []
    with called_if_late(0.0, lambda *given: (what.append(given), noticed.set()), 1, "two"):
        assert noticed.wait(5)
    assert what == [(1, "two")]


def test_a_short_block_is_not() -> None:
    noticed = threading.Event()
    with called_if_late(0.2, noticed.set):
        pass
    assert not noticed.wait(0.4)
