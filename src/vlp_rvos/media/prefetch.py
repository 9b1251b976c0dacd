"""Run a generator ahead of its consumer in a background thread."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator
from contextlib import suppress
from typing import Any, TypeVar

__all__ = ["prefetch"]

Item = TypeVar("Item")


def prefetch(items: Generator[Item, None, None], depth: int) -> Generator[Item, None, None]:
    """Run a generator ahead in a thread that ends, and ends the generator, with this one.

    Args:
        items: what it raises is raised here, in its turn.
        depth: how many items may wait; one more is in the making. 0 runs nothing ahead, and no thread.
    """
    if depth == 0:
        yield from items
        return
    waiting: queue.Queue[tuple[bool, Any]] = queue.Queue(depth)
    stop = threading.Event()

    def put(done: bool, value: object) -> bool:
        while not stop.is_set():
            with suppress(queue.Full):
                waiting.put((done, value), timeout=0.1)
                return True
        return False

    def work() -> None:
        failure: BaseException | None = None
        try:
            for item in items:
                if not put(False, item):
                    break
        except BaseException as error:
            failure = error
        finally:
            items.close()
        put(True, failure)

    thread = threading.Thread(target=work, name="vlp-rvos-video", daemon=True)
    thread.start()
    try:
        while True:
            done, value = waiting.get()
            if not done:
                yield value
            elif value is None:
                return
            else:
                raise value
    finally:
        stop.set()
        thread.join()
