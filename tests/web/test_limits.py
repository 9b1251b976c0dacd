from __future__ import annotations

import pytest

from vlp_rvos.errors import UserError
from vlp_rvos.web.limits import Limits, read_expressions


def test_lines_are_expressions() -> None:
    assert read_expressions(" the  dog \n\nthe car\nthe dog\r\n") == ["the dog", "the car"]
    assert read_expressions("  \n") == []


def test_too_much_is_refused() -> None:
    with pytest.raises(UserError, match="21 expressions"):
        read_expressions("\n".join(f"thing number {i}" for i in range(21)))
    with pytest.raises(UserError, match="300 letters"):
        read_expressions("x" * 301)


def test_size_and_length_are_limited() -> None:
    limits = Limits(max_seconds=10, max_megabytes=1)
    limits.check_size(1_000_000)
    with pytest.raises(UserError, match=r"2\.0 MB, and this page takes 1 MB"):
        limits.check_size(2_000_000)
    limits.check_part(5, 15)
    with pytest.raises(UserError, match="11 s long"):
        limits.check_part(5, 16)
    with pytest.raises(UserError, match="empty"):
        limits.check_part(5, 5)


@pytest.mark.parametrize(
    "wrong", [{"max_seconds": 0}, {"max_megabytes": -1}, {"queue": -1}, {"max_seconds": float("nan")}]
)
def test_values_out_of_range_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UserError):
        Limits(**wrong)  # type: ignore[arg-type]


def test_frames_of_too_many_pixels() -> None:
    Limits().check_frame(7680, 4320)
    with pytest.raises(UserError, match="the frames are 12000 x 12000"):
        Limits().check_frame(12000, 12000)
