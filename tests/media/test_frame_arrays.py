"""Frames from memory or a generator."""

from __future__ import annotations

from clips import frames

from vlp_rvos.media.frame_arrays import ArraySource


def test_arrays_are_taken_one_by_one() -> None:
    taken = []

    def generate():  # type: ignore[no-untyped-def]
        for i, image in enumerate(frames(10)):
            taken.append(i)
            yield image

    iterator = iter(ArraySource(generate(), every=2, start=1 / 24))
    assert next(iterator).time == 1 / 24
    assert next(iterator).time == 3 / 24
    assert taken == [0, 1, 2, 3]


def test_frames_are_the_arrays_themselves() -> None:
    images = frames(4)
    source = ArraySource(images, fps=10, end=0.3)
    read = list(source)
    assert [frame.image is image for frame, image in zip(read, images, strict=False)] == [True] * 3
    assert [(frame.index, frame.time, frame.name) for frame in read] == [
        (0, 0.0, "00000"),
        (1, 0.1, "00001"),
        (2, 0.2, "00002"),
    ]
    assert len(list(source)) == 3
    assert len(list(source.read((24, 32)))) == 3
