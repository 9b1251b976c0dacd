"""Which names are held out: always the same ones, about the share that was asked for."""

from __future__ import annotations

from vlp_rvos.data.sources.holdout import DESCRIBED_SHARE, fold_of, is_held_out, is_in_part

NAMES = [f"picture_{index}.jpg" for index in range(2000)]


def test_a_share_is_held_out() -> None:
    assert 0.05 < sum(map(is_held_out, NAMES)) / len(NAMES) < 0.11
    assert 0.45 < sum(is_held_out(name, 0.5) for name in NAMES) / len(NAMES) < 0.55
    assert not any(is_held_out(name, 0.0) for name in NAMES)
    assert all(is_held_out(name, 1.0) for name in NAMES)


def test_a_larger_share_holds_out_more_of_the_same() -> None:
    small, large = ({name for name in NAMES if is_held_out(name, share)} for share in (0.1, 0.3))
    assert small < large


def test_the_names_are_those_of_earlier_versions() -> None:
    # Models have been trained without these: other ones would make their validation worthless.
    assert [index for index in range(60) if is_held_out(NAMES[index])] == [9, 14, 20, 21, 31]


def test_every_name_is_on_one_side() -> None:
    # The folders of old archives have names that are not UTF-8.
    assert not is_held_out("caf\udce9 \ud800", 0.0)
    assert is_held_out("caf\udce9 \ud800", 1.0)


def test_parts_of_the_described_pictures() -> None:
    held_out, training, both = (
        [name for name in NAMES if is_in_part(name, part)] for part in ("held-out", "training", "all")
    )
    assert 0.18 < len(held_out) / len(NAMES) < 0.22
    assert held_out == [name for name in NAMES if is_held_out(name, DESCRIBED_SHARE)]
    assert sorted(held_out + training) == sorted(both) == sorted(NAMES)


def test_folds_are_of_one_size_and_do_not_follow_what_is_held_out() -> None:
    counts = [sum(fold_of(name, 3) == fold for name in NAMES) for fold in range(3)]
    assert sum(counts) == len(NAMES)
    assert min(counts) > 0.29 * len(NAMES)
    held = [name for name in NAMES if is_held_out(name, 0.2)]
    assert 0.4 < sum(fold_of(name, 2) for name in held) / len(held) < 0.6
    assert [fold_of(name, 2) for name in ("duck", "boat", "picture1.png")] == [
        int(fold_of(n, 4) / 2) for n in ("duck", "boat", "picture1.png")
    ]
