"""Motions that are what they are called."""

from __future__ import annotations

import numpy as np
import pytest
from scene_clips import SIZE

from vlp_rvos.data.synthesis.motion_paths import MOTION_KINDS, draw_path, draw_rider_path


@pytest.mark.parametrize("kind", MOTION_KINDS)
def test_motions_are_what_they_are_called(kind: str) -> None:
    for seed in range(10):
        path = draw_path(12, SIZE, (20, 20), np.random.default_rng(seed), kind)
        motion, moved = path.motion, (path.position[-1] - path.position[0]) / [SIZE[1], SIZE[0]]
        if kind != "swing":
            assert (moved == pytest.approx([motion.dx, motion.dy], abs=1e-6)) or kind in ("enter", "leave")
        assert path.scale[-1] / path.scale[0] == pytest.approx(motion.zoom)
        assert np.rad2deg(path.angle[-1] - path.angle[0]) == pytest.approx(motion.rotation, abs=1e-6)
        assert (motion.moves is False) == (kind == "still")
        inside = [(0 < p[0] < SIZE[1]) for p in path.position]
        if kind in ("enter", "leave"):
            assert (inside[0], inside[-1]) == ((False, True) if kind == "enter" else (True, False))


def test_kinds_are_drawn_by_their_shares() -> None:
    assert sum(MOTION_KINDS.values()) == pytest.approx(1)
    paths = [draw_path(6, SIZE, (20, 20), np.random.default_rng(seed)) for seed in range(200)]
    still = sum(path.motion.moves is False for path in paths) / 200
    assert still == pytest.approx(MOTION_KINDS["still"], abs=0.08)


@pytest.mark.parametrize("shape", [(20, 20), (200, 40), (40, 300)])
def test_cutouts_fit_into_the_picture(shape: tuple[int, int]) -> None:
    for seed in range(20):
        path = draw_path(1, SIZE, shape, np.random.default_rng(seed), "still")
        assert path.position.shape == (1, 2)
        assert path.scale[0] * shape[0] <= 0.85 * SIZE[0] + 1e-6
        assert path.scale[0] * shape[1] <= 0.75 * SIZE[1] + 1e-6


@pytest.mark.parametrize("seed", range(8))
def test_riders_stay_on_what_they_ride(seed: int) -> None:
    rng = np.random.default_rng(seed)
    mount = draw_path(9, SIZE, (20, 30), rng)
    rider = draw_rider_path(mount, (20, 30), (60, 20), rng)
    assert rider.motion == mount.motion
    assert np.array_equal(rider.angle, mount.angle)
    assert np.ptp(rider.scale / mount.scale) < 1e-9
    # In the mount's own frame, in its pixels: always the same place, the feet on it and the head above.
    cos, sin = np.cos(mount.angle), np.sin(mount.angle)
    offset = (rider.position - mount.position) / mount.scale[:, None]
    above = -sin * offset[:, 0] + cos * offset[:, 1]
    assert np.ptp(above) < 1e-9
    tall = 60 * rider.scale[0] / mount.scale[0]
    assert -10 < above[0] + tall / 2 < 10
    assert above[0] - tall / 2 < -5


@pytest.mark.parametrize("seed", range(8))
def test_kinds_keep_their_promise(seed: int) -> None:
    motions = {kind: draw_path(8, SIZE, (20, 20), np.random.default_rng(seed), kind).motion for kind in MOTION_KINDS}
    assert abs(motions["across"].dx) >= 0.2 > abs(motions["across"].dy)
    assert abs(motions["vertical"].dy) >= 0.2 > abs(motions["vertical"].dx)
    assert motions["closer"].zoom >= 1.45
    assert motions["away"].zoom <= 1 / 1.45
    assert abs(motions["turn"].rotation) >= 60
    assert sorted(motions["swing"].swing)[0] == 0 < sorted(motions["swing"].swing)[1]
    assert abs(motions["enter"].dx) > 0.3
    assert abs(motions["leave"].dx) > 0.3
