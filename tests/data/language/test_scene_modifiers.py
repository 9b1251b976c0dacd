"""The modifiers of constructed scenes, and what they are true of."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from scene_objects import make_colours, make_object, make_track

from vlp_rvos.data.language.modifiers import Modifier
from vlp_rvos.data.language.objects import Motion, SceneObject
from vlp_rvos.data.language.scene import Scene
from vlp_rvos.data.language.scene_modifiers import (
    candidate_modifiers,
    clothing_modifiers,
    colour_modifier,
    colour_modifiers,
    imagined_clothing_modifiers,
    motion_modifiers,
    place_modifiers,
    ranking_modifiers,
    relation_modifiers,
    size_modifiers,
)


def by_phrase(modifiers: Iterable[Modifier]) -> dict[str, Modifier]:
    return {phrase: modifier for modifier in modifiers for phrase in modifier.phrases}


def row(*xs: float, sizes: tuple[float, ...] = ()) -> Scene:
    """Dogs in a row."""
    tracks = [make_track(x, size=size) for x, size in zip(xs, sizes or [0.1] * len(xs), strict=True)]
    return Scene([make_object("dog", track) for track in tracks])


def ranks(scene: Scene, index: int) -> set[str]:
    rivals = [i for i in scene.visible if i != index]
    modifiers = ranking_modifiers(scene, "dog", index, rivals)
    assert all(m.exclusive and m.test(index) and not any(map(m.test, rivals)) for m in modifiers)
    return set(by_phrase(modifiers))


def test_ranks_in_a_row() -> None:
    two, three = row(0.2, 0.8), row(0.2, 0.5, 0.8)
    assert {"left", "leftmost", "first {noun} from the left"} <= ranks(two, 0)
    assert {"right", "rightmost", "furthest to the right"} <= ranks(two, 1)
    assert ranks(three, 1) == {"second {noun} from the left", "second {noun} from the right", "middle"}
    assert "third {noun} from the right" in ranks(three, 0)
    assert ranks(row(0.5, 0.52), 0) == set(), "too close to tell"


def test_ranks_by_size() -> None:
    scene = row(0.5, 0.5, sizes=(0.3, 0.1))
    assert {"bigger", "larger", "in front", "nearest"} <= ranks(scene, 0)
    assert {"smaller", "in the back", "furthest away"} <= ranks(scene, 1)
    third = row(0.5, 0.5, 0.5, sizes=(0.4, 0.2, 0.1))
    assert {"largest", "biggest"} <= ranks(third, 0)
    assert "smallest" in ranks(third, 2)
    assert not ranks(third, 1) & {"largest", "smallest", "bigger", "smaller"}


def test_what_may_be_one_of_them_is_not_counted() -> None:
    scene = Scene([make_object("car", make_track(0.2)), make_object("truck", make_track(0.8))])
    found = by_phrase(ranking_modifiers(scene, "car", 0, [1]))
    assert "leftmost" in found
    assert not any("{noun}" in phrase for phrase in found)


def test_colours_of_an_object() -> None:
    scene = Scene(
        [
            SceneObject("dog", make_track(0.2), make_colours(red=0.5, white=0.5)),
            SceneObject("dog", make_track(0.8), make_colours(red=0.7, orange=0.3)),
        ]
    )
    both = by_phrase(colour_modifiers(scene, 0))["red and white"]
    assert (both.test(0), both.test(1)) == (True, False)
    assert set(by_phrase(colour_modifiers(scene, 1))) == {"red"}, "nobody tells red and orange apart"
    assert colour_modifier(scene, "green").test(0) is False
    assert colour_modifier(scene, "grey").phrases == ("grey", "gray")


def test_places_and_sizes_follow_the_object() -> None:
    scene = row(0.2, 0.8, sizes=(0.1, 0.5))
    places, sizes = by_phrase(place_modifiers(scene)), by_phrase(size_modifiers(scene))
    assert (places["on the left"].test(0), places["on the left"].test(1)) == (True, False)
    assert (sizes["small"].test(0), sizes["large"].test(0)) == (True, False)
    assert (sizes["small"].test(1), sizes["large"].test(1)) == (False, True)


def test_motions_have_the_verbs_of_the_category() -> None:
    scene = Scene([make_object("bird", make_track(0.7, to=(0.3, 0.5)), Motion(dx=-0.4))])
    found = by_phrase(motion_modifiers(scene, "bird"))
    assert found["flying to the left"].test(0) is True
    assert found["moving right"].test(0) is False
    assert "walking left" not in found
    assert "walking left" in by_phrase(motion_modifiers(scene, "dog"))


def test_nobody_is_called_still_without_need() -> None:
    scene = row(0.2, 0.8)
    assert "standing still" not in by_phrase(candidate_modifiers(scene, "dog", 0, []))
    assert by_phrase(candidate_modifiers(scene, "dog", 0, [1]))["standing still"].test(0) is True


def dressed() -> Scene:
    """Somebody in a red dress with a bag, somebody in a blue coat, and somebody whose clothes are unknown."""
    people = [make_object("person", make_track(x, size=0.3), clothes_known=x < 0.7) for x in (0.2, 0.5, 0.8)]
    clothes = [
        make_object("dress", make_track(0.2, size=0.25), colour="red", owner=0),
        make_object("bag", make_track(0.25, size=0.05), owner=0),
        make_object("coat", make_track(0.5, size=0.25), colour="blue", owner=1),
    ]
    return Scene(people + clothes)


def test_clothes_of_a_person() -> None:
    found = by_phrase(clothing_modifiers(dressed(), 0))
    assert {"in a red dress", "wearing a dress", "with the red dress", "carrying a bag", "in red"} <= set(found)
    assert not any("blue" in phrase or "in a bag" in phrase for phrase in found)
    for phrase in ("in a red dress", "in red"):
        assert [found[phrase].test(i) for i in range(3)] == [True, False, None]
    assert clothing_modifiers(dressed(), 2) == []


def test_imagined_clothes_are_false_of_who_wears_others() -> None:
    found = by_phrase(imagined_clothing_modifiers(dressed()))
    assert [found["in a yellow shirt"].test(i) for i in range(3)] == [False, False, None]
    assert [found["dressed in blue"].test(i) for i in range(3)] == [False, True, None]
    assert found["in a yellow shirt"].test(3) is None, "a dress wears nothing"


def test_relations_name_what_is_the_only_one_of_its_kind() -> None:
    dog, car = make_object("dog", make_track(0.3), depth=0), make_object("car", make_track(0.5), depth=1)
    found = by_phrase(relation_modifiers(Scene([dog, car]), 0))
    assert found["next to the car"].test(0) is True
    assert found["to the left of the car"].test(0) is True
    assert found["to the right of the car"].test(0) is False
    assert found["next to the car"].test(1) is None, "nothing is beside itself"
    assert found["behind the car"].test(0) is None
    second = make_object("truck", make_track(0.9))
    assert not any("car" in phrase for phrase in by_phrase(relation_modifiers(Scene([dog, car, second]), 0)))
    garment = make_object("coat", make_track(0.5), owner=0)
    assert relation_modifiers(Scene([dog, garment]), 0) == []


@pytest.mark.parametrize(("depth", "behind", "in_front"), [(0, True, None), (2, None, True)])
def test_who_covers_whom(depth: int, behind: bool | None, in_front: bool | None) -> None:
    dog = make_object("dog", make_track(0.45, size=0.3), depth=depth)
    car = make_object("car", make_track(0.5, size=0.3), depth=1)
    found = by_phrase(relation_modifiers(Scene([dog, car]), 0))
    assert found["behind the car"].test(0) is behind
    assert found["in front of the car"].test(0) is in_front


def test_a_small_garment_does_not_give_its_colour_to_the_person() -> None:
    person = make_object("person", make_track(0.5, size=0.3), clothes_known=True)
    for size, clad in ((0.05, False), (0.25, True)):
        scene = Scene([person, make_object("scarf", make_track(0.5, size=size), colour="red", owner=0)])
        found = by_phrase(clothing_modifiers(scene, 0))
        assert "wearing a red scarf" in found
        assert ("in red" in found) == clad
