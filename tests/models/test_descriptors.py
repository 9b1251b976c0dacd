from __future__ import annotations

import pytest
import torch
from torch import Tensor

from vlp_rvos.models.descriptors import COLOURS, GEOMETRY, MOTION, FrameMaps, describe, descriptor_widths

STEM, HIDDEN, CLASSES, SHARED = {8: 6, 16: 7, 32: 8}, 5, 9, 4
#: pixels of the frame, and of the masks
SIZE, MASKS = (64, 96), (16, 24)


def make_maps() -> FrameMaps:
    torch.manual_seed(0)
    sizes = {stride: (SIZE[0] // stride, SIZE[1] // stride) for stride in (8, 16, 32)}
    return FrameMaps(
        torch.rand(3, *MASKS),
        {s: torch.randn(STEM[s], *size) for s, size in sizes.items()},
        torch.randn(SHARED, *sizes[32]),
        {s: torch.randn(HIDDEN, *size) for s, size in sizes.items()},
        {s: torch.rand(CLASSES, *size) for s, size in sizes.items()},
    )


def mask_of(rows: slice, columns: slice) -> Tensor:
    mask = torch.zeros(1, *MASKS)
    mask[0, rows, columns] = 1
    return mask


NAMES = torch.eye(CLASSES, SHARED)


def test_shapes() -> None:
    masks = torch.cat([mask_of(slice(0, 8), slice(0, 8)), mask_of(slice(3, 4), slice(5, 6)), torch.ones(1, *MASKS)])
    found = describe(make_maps(), NAMES, masks)
    widths = descriptor_widths(STEM, HIDDEN, CLASSES, SHARED)
    shapes = {name: tuple(value.shape) for name, value in vars(found).items()}
    assert shapes.pop("names") == (3, 2, widths["names"] // 2)
    assert shapes.pop("parts") == (3, 16, widths["parts"])
    assert shapes == {name: (3, width) for name, width in widths.items() if name not in ("names", "parts")}
    assert all(value.isfinite().all() for value in vars(found).values())
    assert not found.motion.any()
    batch = found.as_batch()
    assert torch.equal(batch.parts[0], found.parts)


def test_means_inside_the_mask() -> None:
    maps = make_maps()
    # The left half of the upper row of the coarsest map: every level is covered by whole positions.
    found = describe(maps, NAMES, mask_of(slice(0, 8), slice(0, 8)))
    means = [level[s][:, : 32 // s, : 32 // s].mean((1, 2)) for level in (maps.stem, maps.hidden) for s in (8, 16, 32)]
    torch.testing.assert_close(found.looks[0], torch.cat(means))
    torch.testing.assert_close(found.names[0, 0], maps.named[:, 0, 0])
    inside = [maps.classes[s][:, : 32 // s, : 32 // s] for s in (8, 16, 32)]
    strongest = torch.stack([x.amax((1, 2)) for x in inside]).amax(0)
    mean = torch.stack([x.mean((1, 2)) for x in inside]).mean(0)
    torch.testing.assert_close(found.classes[0], (strongest + mean) / 2)
    weights = found.classes[0].square() / found.classes[0].square().sum()
    torch.testing.assert_close(found.names[0, 1], weights[:SHARED] * found.classes[0].max())


def test_geometry() -> None:
    found = describe(make_maps(), NAMES, mask_of(slice(4, 8), slice(6, 18))).geometry[0]
    area = 4 * 12 / (16 * 24)
    expected = [-0.5, -0.5, 0.5, 0, 0.5, 0.25, 0, -0.25, area, torch.tensor(area).log() / 4 + 1, 1]
    torch.testing.assert_close(found[:-1], torch.tensor(expected))
    torch.testing.assert_close(found[-1], torch.tensor(12 / 4).log() / 2)
    assert len(found) == GEOMETRY


def test_colours() -> None:
    maps = make_maps()
    maps.pixels[:] = 0
    # From above: red, green, and half of it blue.
    maps.pixels[0, 0:2], maps.pixels[1, 2:4], maps.pixels[2, 4:6, ::2] = 1, 1, 1
    found = describe(maps, NAMES, mask_of(slice(0, 6), slice(4, 8))).colours[0]
    assert len(found) == COLOURS
    mean = torch.tensor([1 / 3, 1 / 3, 1 / 6])
    torch.testing.assert_close(found[:3], mean)
    torch.testing.assert_close(found[3:6], 2 * (mean - mean.square()).sqrt())
    torch.testing.assert_close(found[6:].view(3, 3), torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 0.5]]))
    # A mask of one row has no pixel in two of the bands.
    flat = describe(maps, NAMES, mask_of(slice(3, 4), slice(4, 8))).colours[0]
    torch.testing.assert_close(flat[6:].view(3, 3), torch.tensor([0.0, 1, 0]).expand(3, -1))


def test_surroundings_are_around_the_mask() -> None:
    maps = make_maps()
    maps.stem[16][:] = 0
    maps.classes[16][:] = 0.1
    maps.stem[16][:, 1, 2] = 5
    maps.classes[16][0, 1, 2] = 0.9
    # The mask covers that position. Twice as large a box covers all its neighbours.
    found = describe(maps, NAMES, mask_of(slice(4, 8), slice(8, 12))).surroundings[0]
    torch.testing.assert_close(found[: STEM[16]], torch.zeros(STEM[16]))
    torch.testing.assert_close(found[-CLASSES:], torch.full((CLASSES,), 0.1))
    beside = describe(maps, NAMES, mask_of(slice(4, 8), slice(4, 8))).surroundings[0]
    assert beside[0] > 0.5
    assert beside[-CLASSES] == 0.9


def test_parts_follow_the_box() -> None:
    maps = make_maps()
    maps.stem[8][0] = torch.linspace(0, 1, 12).expand(8, -1)
    mask = mask_of(slice(0, 16), slice(0, 24))
    mask[0, :, 12:] = 0
    mask[0, 0, 23] = 1
    found = describe(maps, NAMES, mask).parts[0].view(4, 4, -1)
    # From left to right the ramp grows; the mask is in the left half of its box.
    assert (found[:, 1:, 0] > found[:, :-1, 0]).all()
    assert found[1:, :2, -1].mean() > 0.9
    assert found[1:, 2:, -1].mean() < 0.1


def test_an_empty_mask_is_described_as_the_whole_frame() -> None:
    maps = make_maps()
    found = describe(maps, NAMES, torch.stack([torch.zeros(MASKS), torch.ones(MASKS)]))
    for name, value in vars(found).items():
        torch.testing.assert_close(value[0], value[1], msg=name)
        assert value.isfinite().all(), name
    # Nothing surrounds it.
    assert not found.surroundings.any()


def test_candidates_do_not_influence_each_other() -> None:
    maps = make_maps()
    masks = torch.cat([mask_of(slice(0, 8), slice(2, 9)), mask_of(slice(6, 15), slice(10, 24))])
    together, alone = describe(maps, NAMES, masks), describe(maps, NAMES, masks[1:])
    for name, value in vars(together).items():
        torch.testing.assert_close(value[1:], getattr(alone, name), msg=name)


def test_soft_masks_weigh_positions() -> None:
    maps = make_maps()
    mask = torch.zeros(1, *MASKS)
    mask[0, 0, 0], mask[0, 0, 1] = 0.3, 0.1
    found = describe(maps, NAMES, mask)
    torch.testing.assert_close(found.colours[0, :3], 0.75 * maps.pixels[:, 0, 0] + 0.25 * maps.pixels[:, 0, 1])
    assert found.geometry[0, 4].item() == pytest.approx(2 / 24)
    assert found.motion.shape[1] == MOTION


def test_classes_are_the_strongest_and_the_mean_inside_the_mask() -> None:
    maps = make_maps()
    masks = torch.cat([mask_of(slice(0, 8), slice(8, 24)), mask_of(slice(5, 6), slice(3, 4)), torch.ones(1, *MASKS)])
    strongest, mean = [], []
    for stride, values in maps.classes.items():
        shares = torch.nn.functional.interpolate(masks[None], values.shape[-2:], mode="area")[0]
        inside = shares > shares.amax((1, 2), keepdim=True) / 2
        strongest.append((values * inside[:, None]).amax((2, 3)))
        mean.append((values * shares[:, None]).sum((2, 3)) / shares.sum((1, 2))[:, None])
        assert len(inside[1].nonzero()) == 1, stride
    expected = (torch.stack(strongest).amax(0) + torch.stack(mean).mean(0)) / 2
    torch.testing.assert_close(describe(maps, NAMES, masks).classes, expected)


def test_other_devices_take_the_strongest_values_in_another_way() -> None:
    found = describe(make_maps(), NAMES, torch.ones(2, *MASKS))
    maps = make_maps()
    on_meta = FrameMaps(
        maps.pixels.to("meta"),
        *({s: x.to("meta") for s, x in maps.stem.items()}, maps.named.to("meta")),
        *({s: x.to("meta") for s, x in levels.items()} for levels in (maps.hidden, maps.classes)),
    )
    shapes = describe(on_meta, NAMES.to("meta"), torch.ones(2, *MASKS, device="meta"))
    assert {n: x.shape for n, x in vars(shapes).items()} == {n: x.shape for n, x in vars(found).items()}
