"""Generators that run ahead: the same items in the same order, a bounded number ahead, and no thread left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

import pytest

from vlp_rvos.media.prefetch import prefetch


class Counter:
    """Counts up, and remembers how far it came, in which thread, and that it was closed."""

    def __init__(self, number: int, failure: BaseException | None = None) -> None:
        self.number, self.failure = number, failure
        self.made, self.closed, self.thread = 0, False, threading.current_thread()

    def items(self) -> Generator[int, None, None]:
        self.thread = threading.current_thread()
        try:
            for i in range(self.number):
                self.made += 1
                yield i
            if self.failure is not None:
                raise self.failure
        finally:
            self.closed = True


@pytest.mark.parametrize("depth", [0, 1, 4])
@pytest.mark.parametrize("number", [0, 1, 20])
def test_all_items_come_in_their_order(number: int, depth: int) -> None:
    counter, threads = Counter(number), threading.active_count()
    assert list(prefetch(counter.items(), depth)) == list(range(number))
    assert counter.closed
    assert (counter.thread is threading.current_thread()) == (depth == 0)
    assert threading.active_count() == threads


@pytest.mark.parametrize(("depth", "ahead"), [(0, 0), (1, 2), (3, 4)])
def test_few_items_are_made_ahead(depth: int, ahead: int) -> None:
    counter = Counter(100)
    items = prefetch(counter.items(), depth)
    for taken in range(1, 4):
        next(items)
        deadline = time.monotonic() + 5
        while counter.made < taken + ahead and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.02)
        assert counter.made == taken + ahead
    items.close()


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_a_failure_comes_in_its_turn(depth: int) -> None:
    read: list[int] = []
    with pytest.raises(KeyError, match="broken"):
        read.extend(prefetch(Counter(3, KeyError("broken")).items(), depth))
    assert read == [0, 1, 2]


@pytest.mark.parametrize("depth", [0, 1, 4])
def test_closing_closes_the_generator_and_its_thread(depth: int) -> None:
    counter, threads = Counter(100), threading.active_count()
    items = prefetch(counter.items(), depth)
    next(items)
    items.close()
    assert counter.closed
    assert threading.active_count() == threads
