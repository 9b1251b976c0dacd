"""Clips made from stills: masks that follow the pixels exactly, through camera, pasting, hiding and mirroring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from coco_folder import Shape, write_coco

from vlp_rvos.data.language.colours import COLOURS, count_colours
from vlp_rvos.data.language.expressions import describe_group, describe_object
from vlp_rvos.data.language.invariance import is_portable
from vlp_rvos.data.language.objects import Motion
from vlp_rvos.data.sources.coco import CocoFolder
from vlp_rvos.data.synthesis.camera import Camera, apply_camera, draw_camera, make_affine_grid
from vlp_rvos.data.synthesis.cutouts import Cutout, CutoutBank
from vlp_rvos.data.synthesis.label_maps import combine_masks
from vlp_rvos.data.synthesis.motion_paths import MOTION_KINDS, ObjectPath, draw_path, draw_rider_path
from vlp_rvos.data.synthesis.pasting import paste_cutout
from vlp_rvos.data.synthesis.photometric import distort_photometrically
from vlp_rvos.data.synthesis.recolouring import recolour_objects
from vlp_rvos.data.synthesis.scene_clip import LabelledObject, SceneClip
from vlp_rvos.data.synthesis.stills import StillBank, widen_still

SIZE = (64, 96)
RED, BLUE, GREEN = (220, 20, 20), (20, 20, 220), (20, 200, 20)
PICTURE = [
    Shape("person", (30, 10, 70, 85), GREEN),
    Shape("dress", (35, 30, 65, 60), RED, "clothing"),
    Shape("car", (90, 30, 140, 70), BLUE),
]


@pytest.fixture
def bank(tmp_path: Path) -> StillBank:
    return StillBank(CocoFolder(write_coco(tmp_path / "coco", [PICTURE], source="street")))


def ground(frames: int = 4) -> SceneClip:
    return SceneClip(torch.full((frames, 3, *SIZE), 128.0), np.zeros((frames, *SIZE), np.int16), [])


def block(colour: tuple[int, int, int], category: str = "car", side: int = 20) -> Cutout:
    pixels = np.broadcast_to(np.array(colour, np.uint8), (1, side, side, 3)).copy()
    return Cutout(pixels, np.ones((1, side, side), np.int16), [LabelledObject(category, {1})])


def straight(start: tuple[float, float], end: tuple[float, float], frames: int = 4) -> ObjectPath:
    position = np.linspace(start, end, frames)
    motion = Motion(dx=(end[0] - start[0]) / SIZE[1], dy=(end[1] - start[1]) / SIZE[0])
    return ObjectPath(position, np.ones(frames), np.zeros(frames), motion)


def of_colour(frames: torch.Tensor, colour: tuple[int, int, int], tolerance: float = 60) -> np.ndarray:
    """(F, H, W) bool: the pixels of about this colour."""
    target = torch.tensor(colour, dtype=torch.float32)[None, :, None, None]
    return ((frames.float() - target).abs().amax(1) < tolerance).numpy()


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max((a | b).sum(), 1))


# --- stills ----------------------------------------------------------------------------------------------------------
def test_label_map_splits_overlaps() -> None:
    masks = [np.zeros((4, 6), bool) for _ in range(3)]
    masks[0][:, :4], masks[1][1:3, 2:6] = True, True
    labels, sets = combine_masks(masks, (4, 6))
    for mask, own in zip(masks, sets, strict=True):
        assert (np.isin(labels, sorted(own)) == mask).all()
    assert sets[2] == set()
    assert (labels[~(masks[0] | masks[1])] == 0).all()


def test_garments_belong_to_people(bank: StillBank) -> None:
    still = bank.load(bank.images[0])
    person, dress, car = still.objects
    assert (person.category, dress.category, dress.owner, car.owner) == ("person", "dress", 0, None)
    assert person.clothes_known
    assert dress.labels < person.labels
    assert not car.labels & person.labels
    assert {"car", "dress", "person"} <= set(still.absent_nouns), "what the collection marks may be said to be absent"


def test_widening_keeps_the_picture(bank: StillBank) -> None:
    still = bank.load(bank.images[0])
    wide = widen_still(still, 4.0, np.random.default_rng(0))
    assert wide.labels.shape[0] == 90
    assert wide.labels.shape[1] > 200
    car = np.isin(wide.labels, sorted(still.objects[2].labels))
    assert car.sum() == 50 * 40
    assert (wide.pixels[car] == BLUE).all()


# --- camera ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(30))
def test_the_camera_stays_inside(seed: int) -> None:
    rng = np.random.default_rng(seed)
    source = [(90, 160), (300, 100), (64, 64)][seed % 3]
    camera = draw_camera(source, SIZE, 6, rng, focus=(10.0, 10.0, 30.0, 40.0) if seed % 2 else None)
    corners = np.array([[x, y] for x in (-48, 48) for y in (-32, 32)])
    seen = camera.centre[:, None] + np.einsum("fij,cj->fci", camera.matrices(), corners)
    assert (seen > -1e-6).all()
    assert (seen < np.array([source[1], source[0]]) + 1e-6).all()


def test_the_camera_and_its_inverse() -> None:
    camera = draw_camera((90, 160), SIZE, 5, np.random.default_rng(3))
    points = np.array([[20.0, 10.0]] * 5)
    middle = np.array([SIZE[1], SIZE[0]]) / 2
    source = camera.centre + np.einsum("fij,fj->fi", camera.matrices(), points - middle)
    assert np.allclose(camera.to_output(source), points)


def test_affine_grid_is_torch_s() -> None:
    theta = np.random.default_rng(0).normal(size=(3, 2, 3))
    expected = torch.nn.functional.affine_grid(torch.from_numpy(theta).float(), [3, 1, 5, 7], align_corners=False)
    assert torch.allclose(make_affine_grid(theta, 5, 7), expected, atol=1e-6)


def test_identity_camera_changes_nothing() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    labels = np.arange(SIZE[0] * SIZE[1], dtype=np.int16).reshape(SIZE)
    camera = Camera(np.array([[48.0, 32.0]] * 2), np.ones(2), np.zeros(2), SIZE)
    frames, moved = apply_camera(pixels, labels, camera)
    assert torch.allclose(frames[1].permute(1, 2, 0), torch.from_numpy(pixels).float(), atol=0.05)
    assert (moved == labels).all()


@pytest.mark.parametrize("seed", range(5))
def test_labels_follow_the_pixels(bank: StillBank, seed: int) -> None:
    still = bank.load(bank.images[0])
    camera = draw_camera(still.labels.shape, SIZE, 4, np.random.default_rng(seed), (90.0, 30.0, 140.0, 70.0))
    frames, labels = apply_camera(still.pixels, still.labels, camera)
    car = np.isin(labels, sorted(still.objects[2].labels))
    assert car.any()
    assert overlap(car, of_colour(frames, BLUE)) > 0.93


# --- pasting ---------------------------------------------------------------------------------------------------------
def test_pasted_masks_follow_the_pixels_and_hide_what_is_behind() -> None:
    clip = ground()
    paste_cutout(clip, block(RED), straight((30, 32), (70, 32)), None)
    paste_cutout(clip, block(BLUE, side=24), straight((50, 32), (50, 32)), None)
    masks = [np.isin(clip.labels, sorted(obj.labels)) for obj in clip.objects]
    for mask, colour in zip(masks, (RED, BLUE), strict=True):
        assert overlap(mask, of_colour(clip.frames, colour)) > 0.85
    assert not (masks[0] & masks[1]).any()
    assert masks[0][1].sum() < 0.75 * masks[0][0].sum(), "half hidden behind the second"
    assert masks[1][1].sum() == masks[1][0].sum()
    red, blue = clip.measure().objects
    assert red.depth is not None
    assert blue.depth is not None
    assert red.depth < blue.depth
    assert red.track.displacement[0] == pytest.approx(40 / 96, abs=0.03)


def test_pasted_things_leave_the_picture() -> None:
    clip = ground(6)
    paste_cutout(clip, block(RED), straight((48, 32), (200, 32), 6), None)
    seen = clip.measure().objects[0].track.visible
    assert seen[0]
    assert not seen[-1]
    assert not of_colour(clip.frames[-1:], RED).any()


def test_still_things_move_with_the_background() -> None:
    """Pasted without a motion of its own, a thing keeps its place on the moving picture."""
    pixels = np.zeros((200, 300, 3), np.uint8)
    pixels[95:105, 145:155] = 255
    centre = np.stack([np.linspace(135, 165, 4), np.full(4, 100.0)], -1)
    camera = Camera(centre, np.linspace(0.8, 1.2, 4), np.linspace(-0.1, 0.1, 4), SIZE)
    frames, labels = apply_camera(pixels, np.zeros((200, 300), np.int16), camera)
    white = (frames.amin(1) > 128).numpy()
    clip = SceneClip(frames, labels, [])
    paste_cutout(
        clip, block(RED, side=16), ObjectPath(np.array([[48.0, 32.0]] * 4), np.ones(4), np.zeros(4), Motion()), camera
    )
    for f in range(4):
        marks = [np.argwhere(m[f]).mean(0) for m in (white, np.isin(clip.labels, sorted(clip.objects[0].labels)))]
        assert np.abs(marks[0] - marks[1]).max() < 1.0


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


def test_garments_are_cut_out_with_their_person(bank: StillBank) -> None:
    cutouts = CutoutBank([bank])
    assert cutouts.categories == ["car", "person"]
    cutout = cutouts.draw("person", np.random.default_rng(0), 60)
    assert [obj.category for obj in cutout.objects] == ["person", "dress"]
    assert cutout.objects[1].owner == 0
    assert max(cutout.labels.shape[1:]) == 60
    clip = ground()
    clip.objects.append(LabelledObject("sky", {1}))
    paste_cutout(clip, cutout, straight((48, 32), (48, 32)), None)
    _, person, dress = clip.objects
    assert dress.owner == 1
    assert dress.labels < person.labels
    assert np.isin(clip.labels, sorted(dress.labels)).any()


def test_recolouring_changes_only_the_garment() -> None:
    pixels = np.full((30, 30, 3), RED, np.uint8)
    labels = np.ones((30, 30), np.int16)
    labels[10:20] = 2
    parts = [LabelledObject("person", {1, 2}), LabelledObject("dress", {2}, owner=0)]
    results = [recolour_objects(pixels, labels, parts, np.random.default_rng(seed)) for seed in range(20)]
    assert all((result[labels == 1] == RED).all() for result in results)
    assert 2 < sum((result[labels == 2] != RED).any() for result in results) < 14


@pytest.mark.parametrize("old", [RED, (170, 170, 176), (60, 50, 120)])
def test_recoloured_things_get_every_colour_that_has_a_hue(old: tuple[int, int, int]) -> None:
    pixels = np.full((12, 12, 3), old, np.uint8)
    labels = np.ones((12, 12), np.int16)
    names: set[str] = set()
    for seed in range(120):
        changed = recolour_objects(pixels, labels, [LabelledObject("coat", {1})], np.random.default_rng(seed), 1.0)
        shares = count_colours(changed.reshape(-1, 3))[0]
        names.add(COLOURS[int(shares.argmax())])
    assert (pixels == old).all(), "the picture itself is not written to"
    assert names >= {"red", "orange", "yellow", "green", "blue", "purple", "pink"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the brown furry bear", True),
        ("a person on a bmx bike", True),
        ("the flamingo in front", False),
        ("the bird standing in the water", False),
        ("the dog that jumps", False),
    ],
)
def test_which_expressions_survive_cutting_out(text: str, expected: bool) -> None:
    assert is_portable(text) is expected


# --- samples ---------------------------------------------------------------------------------------------------------
def test_samples_join_the_masks_of_plurals() -> None:
    clip = ground(8)
    paste_cutout(clip, block(RED), straight((20, 32), (20, 32), 8), None)
    paste_cutout(clip, block(BLUE), straight((70, 32), (70, 32), 8), None)
    references = [
        describe_group(clip.measure(), np.random.default_rng(0)),
        describe_object(clip.measure(), 1, np.random.default_rng(0)),
    ]
    assert all(references)
    sample = clip.build_sample([reference for reference in references if reference is not None])
    assert sample.kinds == ["several", "pasted"]
    assert overlap(sample.masks[0].numpy(), of_colour(sample.frames, RED) | of_colour(sample.frames, BLUE)) > 0.85
    assert overlap(sample.masks[1].numpy(), of_colour(sample.frames, BLUE)) > 0.85


def test_light_changes_keep_colour_names() -> None:
    for seed in range(20):
        clip = ground(8)
        paste_cutout(clip, block(RED, side=30), straight((48, 32), (48, 32), 8), None)
        clip.frames = distort_photometrically(clip.frames, np.random.default_rng(seed))
        assert clip.frames.min() >= 0
        assert clip.frames.max() <= 255
        text = [describe_object(clip.measure(), 0, np.random.default_rng(k)) for k in range(12)]
        assert not any(word in t.text for t in text if t for word in ("blue", "green", "pink", "brown"))
