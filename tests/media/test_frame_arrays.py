"""Frames from memory or a generator."""

from __future__ import annotations

from clips import frames

from vlp_rvos.media.frame_arrays import ArraySource


def test_arrays_are_taken_one_by_one() -> None:
    taken = []

    def generate():  # type: ignore[no-untyped-def]
        for i, picture in enumerate(frames(10)):
            taken.append(i)
            yield picture

    iterator = iter(ArraySource(generate(), every=2, start=1 / 24))
    assert next(iterator).time == 1 / 24
    assert next(iterator).time == 3 / 24
    assert taken == [0, 1, 2, 3]
