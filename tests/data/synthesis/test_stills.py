"""Pictures with their objects, and what is known of their collections."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from coco_folder import Shape, write_coco
from scene_clips import BLUE, RED, write_bank

from vlp_rvos.data.sources.coco import CocoFolder
from vlp_rvos.data.synthesis.label_maps import Bounds
from vlp_rvos.data.synthesis.stills import StillBank, draw_focus, widen_still


@pytest.fixture
def bank(tmp_path: Path) -> StillBank:
    return write_bank(tmp_path)


def test_garments_belong_to_people(bank: StillBank) -> None:
    still = bank.load(bank.images[0])
    person, dress, car = still.objects
    assert (person.category, dress.category, dress.owner, car.owner) == ("person", "dress", 0, None)
    assert person.clothes_known
    assert dress.labels < person.labels
    assert not car.labels & person.labels
    assert {"car", "dress", "person"} <= set(still.absent_nouns), "what the collection marks may be said to be absent"


def test_whose_clothes_are_known(tmp_path: Path) -> None:
    """Where a collection annotates clothes, those of a person without any were left out."""
    person, coat = Shape("person", (30, 10, 70, 85), RED), Shape("coat", (45, 30, 55, 60), BLUE, "clothing")
    bank = StillBank(CocoFolder(write_coco(tmp_path, [[person, coat], [person]])))
    assert bank.has_clothes == {"shapes": True}
    assert [bank.load(image).objects[0].clothes_known for image in bank.images] == [True, False]


def test_who_is_beside_a_garment_does_not_wear_it(tmp_path: Path) -> None:
    person, coat = Shape("person", (30, 10, 70, 85), RED), Shape("coat", (60, 30, 100, 60), BLUE, "clothing")
    bank = StillBank(CocoFolder(write_coco(tmp_path, [[person, coat]])))
    assert bank.load(bank.images[0]).objects[1].owner is None


def test_only_the_named_pictures_are_drawn(tmp_path: Path) -> None:
    coco = CocoFolder(
        write_coco(tmp_path, [[Shape("dog", (10, 10, 50, 50), RED)], [Shape("cat", (10, 10, 50, 50), RED)]])
    )
    bank = StillBank(coco, {"picture2.png"})
    assert {bank.draw(np.random.default_rng(seed)).file_name for seed in range(8)} == {"picture2.png"}
    assert bank.category_shares() == {"cat": 1.0}
    assert set(bank.absent_nouns["shapes"]) == {"cat", "dog"}, "annotated in the collection, not in this picture alone"


def test_shares_of_categories(bank: StillBank) -> None:
    assert bank.category_shares() == pytest.approx({"person": 1, "dress": 1, "car": 1})


def test_widening_keeps_the_picture(bank: StillBank) -> None:
    still = bank.load(bank.images[0])
    wide = widen_still(still, 4.0, np.random.default_rng(0))
    assert wide.labels.shape[0] == 90
    assert wide.labels.shape[1] > 200
    car = np.isin(wide.labels, sorted(still.objects[2].labels))
    assert car.sum() == 50 * 40
    assert (wide.pixels[car] == BLUE).all()


def test_heightening_keeps_the_picture(bank: StillBank) -> None:
    still = bank.load(bank.images[0])
    tall = widen_still(still, 0.5, np.random.default_rng(0))
    assert tall.labels.shape[1] == 160
    assert tall.labels.shape[0] > 150
    assert (tall.labels > 0).sum() == (still.labels > 0).sum()


def test_the_focus_is_an_object(bank: StillBank) -> None:
    still = bank.load(bank.images[0])
    found = [draw_focus(still, np.random.default_rng(seed)) for seed in range(60)]
    person, dress, car = Bounds(30, 10, 70, 85), Bounds(35, 30, 65, 60), Bounds(90, 30, 140, 70)
    assert set(found) == {person, dress, car, None}
    assert found.count(person) > found.count(dress)
    still.objects = []
    assert draw_focus(still, np.random.default_rng(0)) is None
