"""The modifiers that the objects of a scene give rise to, each with a test of every object of the scene."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from vlp_rvos.data.language.colours import (
    COLOUR_WEIGHTS,
    COLOURS,
    SIMILAR_COLOURS,
    has_colour,
    has_two_colours,
    phrases_of,
)
from vlp_rvos.data.language.modifiers import Modifier, Slot
from vlp_rvos.data.language.nouns import indefinite_article, motion_verbs
from vlp_rvos.data.language.objects import SceneObject, Track
from vlp_rvos.data.language.predicates import (
    approaches,
    enters,
    horizontal_lead,
    is_at_bottom,
    is_at_top,
    is_behind,
    is_beside,
    is_central,
    is_in_front_of,
    is_large,
    is_near,
    is_on_left,
    is_on_right,
    is_small,
    leaves,
    moves,
    moves_along,
    recedes,
    rotates,
    stands_still,
    swings,
)
from vlp_rvos.data.language.scene import Scene
from vlp_rvos.data.language.truth import Truth, false_if
from vlp_rvos.data.language.vocabulary import BAGS, PEOPLE, PLURAL_ONLY, STUFF

__all__ = [
    "DIRECTIONS",
    "LEFT",
    "RIGHT",
    "candidate_modifiers",
    "clothing_modifiers",
    "colour_modifier",
    "colour_modifiers",
    "imagined_clothing_modifiers",
    "motion_modifiers",
    "place_modifiers",
    "ranking_modifiers",
    "relation_modifiers",
    "size_modifiers",
]

LEFT = ("on the left", "on the left side", "to the left")
RIGHT = ("on the right", "on the right side", "to the right")

# Axis (0 is horizontal), sign, and the ways to say the direction.
DIRECTIONS: tuple[tuple[int, int, tuple[str, ...]], ...] = (
    (0, -1, ("to the left", "left", "towards the left", "leftwards")),
    (0, 1, ("to the right", "right", "towards the right", "rightwards")),
    (1, -1, ("up", "upwards")),
    (1, 1, ("down", "downwards")),
)

_STILL = ("standing still", "not moving", "staying in place", "standing in one place")


def candidate_modifiers(scene: Scene, noun: str, index: int, rivals: list[int]) -> list[Modifier]:
    """The modifiers that may distinguish an object from its rivals; not all of them are true of it.

    Args:
        scene: The objects.
        noun: What the object is to be called.
        index: The object. It must not be worn or carried by a person.
        rivals: The other objects that the noun could mean.
    """
    obj = scene.objects[index]
    motions = motion_modifiers(scene, obj.category or noun)
    if not rivals:
        # Nobody calls a person still who was photographed while running, unless there is need to.
        motions = [modifier for modifier in motions if modifier.phrases != _STILL]
    verbs = tuple(verb for verb in motion_verbs(obj.category or noun) if verb not in ("going", "sliding"))
    found = [*place_modifiers(scene), *motions, Modifier("motion", verbs, _of_object(scene, moves))]
    found += clothing_modifiers(scene, index) if obj.category in PEOPLE else colour_modifiers(scene, index)
    found += size_modifiers(scene)
    found += relation_modifiers(scene, index)
    if rivals:
        found += ranking_modifiers(scene, noun, index, rivals)
    return found


def _of_object(scene: Scene, test: Callable[[SceneObject], Truth]) -> Callable[[int], Truth]:
    return lambda i: test(scene.objects[i])


def _of_track(scene: Scene, test: Callable[[Track], Truth]) -> Callable[[int], Truth]:
    return lambda i: test(scene.objects[i].track)


def colour_modifier(scene: Scene, name: str) -> Modifier:
    """The modifier for one of `COLOURS`."""
    test = _of_object(scene, lambda obj: has_colour(obj.colours, name))
    return Modifier("colour", phrases_of(name), test, weight=COLOUR_WEIGHTS[name])


def colour_modifiers(scene: Scene, index: int) -> list[Modifier]:
    """The modifiers for an object's most frequent colour, and for its two most frequent ones together."""
    first, second = (COLOURS[k] for k in np.argsort(scene.objects[index].colours)[::-1][:2])
    found = [colour_modifier(scene, first)]
    if second not in SIMILAR_COLOURS[first] or {first, second} == {"grey", "white"}:
        both = (f"{first} and {second}", f"{second} and {first}")
        test = _of_object(scene, lambda obj: has_two_colours(obj.colours, first, second))
        found.append(Modifier("colour", both, test))
    return found


def place_modifiers(scene: Scene) -> list[Modifier]:
    """The modifiers that say where in the picture an object is."""
    places: list[tuple[tuple[str, ...], Callable[[Track], Truth]]] = [
        (LEFT, is_on_left),
        (RIGHT, is_on_right),
        (("in the middle", "in the center", "in the centre of the picture"), is_central),
        (("at the top", "in the upper part of the picture"), is_at_top),
        (("at the bottom", "in the lower part of the picture"), is_at_bottom),
    ]
    return [Modifier("place", phrases, _of_track(scene, test)) for phrases, test in places]


def size_modifiers(scene: Scene) -> list[Modifier]:
    """The modifiers that say how large an object is in the picture."""
    return [
        Modifier("size", ("small", "little"), _of_track(scene, is_small)),
        Modifier("size", ("large", "big"), _of_track(scene, is_large)),
    ]


def motion_modifiers(scene: Scene, category: str) -> list[Modifier]:
    """The modifiers that say how an object moves, with the verbs of a category or noun."""
    verbs = motion_verbs(category)
    closer = ("coming closer", "approaching the camera", "moving towards the camera", "getting bigger")
    # The more rarely a motion is true, the more rarely it is said where it is false.
    others: list[tuple[tuple[str, ...], Callable[[SceneObject], Truth], float]] = [
        (_STILL, stands_still, 1.0),
        (closer, approaches, 0.5),
        (("moving away", "going away from the camera", "getting smaller"), recedes, 0.5),
        (("spinning", "rotating", "turning around itself"), rotates, 0.3),
        (("swinging back and forth", "moving from side to side"), partial(swings, axis=0), 0.3),
        (("jumping up and down", "bouncing", "moving up and down"), partial(swings, axis=1), 0.3),
        (("entering the picture", "coming into view", "entering the scene"), enters, 0.1),
        (("leaving the picture", "moving out of view", "leaving the scene"), leaves, 0.1),
    ]
    found = []
    for axis, sign, directions in DIRECTIONS:
        phrases = tuple(f"{verb} {direction}" for verb in verbs for direction in directions)
        found.append(Modifier("motion", phrases, _of_object(scene, partial(moves_along, axis=axis, sign=sign))))
    return found + [Modifier("motion", phrases, _of_object(scene, test), weight=w) for phrases, test, w in others]


def clothing_modifiers(scene: Scene, person: int) -> list[Modifier]:
    """The modifiers that say what a person wears and carries."""
    found = [
        _garment_modifier(scene, obj.names[0], colour)
        for obj in (scene.objects[j] for j in scene.belongings(person))
        if obj.track.mean_area >= 0.001 and obj.category != "accessories"
        for colour in (*COLOURS, "")
        if not colour or has_colour(obj.colours, colour)
    ]
    return found + [_clad_modifier(scene, colour) for colour in COLOURS if _is_clad(scene, person, colour)]


def imagined_clothing_modifiers(scene: Scene) -> list[Modifier]:
    """Modifiers that say what a person might wear, to be tested on the people of the scene."""
    garments = ("dress", "shirt", "coat", "skirt", "jacket")
    found = [_garment_modifier(scene, noun, colour) for noun in garments for colour in COLOURS]
    return found + [_clad_modifier(scene, colour) for colour in COLOURS]


def _clad_modifier(scene: Scene, colour: str) -> Modifier:
    phrases = (f"in {colour}", f"dressed in {colour}", f"wearing {colour}")
    return Modifier("clothing", phrases, lambda i: _is_clad(scene, i, colour), weight=COLOUR_WEIGHTS[colour])


def _is_clad(scene: Scene, index: int, colour: str) -> Truth:
    """Whether a person is "in red": true if a red garment covers a third of the person, false if nothing is red."""
    person = scene.objects[index]
    if person.category != "person":
        return None
    worn = [scene.objects[j] for j in scene.belongings(index)]
    worn = [obj for obj in worn if obj.category not in (*BAGS, "accessories")]
    if any(obj.track.mean_area > 0.33 * person.track.mean_area and has_colour(obj.colours, colour) for obj in worn):
        return True
    return false_if(person.clothes_known and all(has_colour(obj.colours, colour) is False for obj in worn))


def _garment_modifier(scene: Scene, noun: str, colour: str) -> Modifier:
    """The modifier for a garment or bag, of a colour unless that is ""."""
    named = f"{colour} {noun}".strip()
    garment = named if noun in PLURAL_ONLY else f"{indefinite_article(named)} {named}"
    carried = noun in BAGS
    phrases = [f"with {garment}", f"carrying {garment}"] if carried else [f"in {garment}", f"wearing {garment}"]
    if not carried and colour and noun not in ("hat", "belt", "gloves", "scarf"):
        phrases += [f"in the {named}", f"with the {named}"]

    def test(i: int) -> Truth:
        if scene.objects[i].category != "person":
            return None
        truths: list[Truth] = []
        for j in scene.belongings(i):
            kind = scene.is_called(noun, j)
            tint = has_colour(scene.objects[j].colours, colour) if colour else True
            truths.append(False if kind is False or tint is False else True if kind and tint else None)
        if any(truths):
            return True
        return false_if(scene.objects[i].clothes_known and None not in truths)

    return Modifier("clothing", tuple(phrases), test, weight=COLOUR_WEIGHTS.get(colour, 1.0))


def relation_modifiers(scene: Scene, index: int) -> list[Modifier]:
    """The modifiers that say where an object is relative to others, each of them the only one of its noun."""
    found = []
    for j in scene.visible:
        other = scene.objects[j]
        nameable = other.category and other.owner is None and other.category not in STUFF and j != index
        if not nameable or other.track.mean_area < scene.min_area or not other.track.visible.all():
            continue
        noun = other.names[0]
        if scene.rivals(noun, j) or scene.is_called(noun, index) is not False:
            continue
        name = f"the {noun}"
        to_track = partial(_relative_to_track, scene, j)
        found += [
            Modifier("relation", (f"next to {name}", f"beside {name}", f"near {name}"), to_track(is_near)),
            Modifier(
                "relation",
                (f"to the left of {name}", f"on the left of {name}"),
                to_track(partial(is_beside, sign=-1)),
            ),
            Modifier(
                "relation",
                (f"to the right of {name}", f"on the right of {name}"),
                to_track(partial(is_beside, sign=1)),
            ),
        ]
        if other.depth is not None:
            behind = _of_object(scene, partial(is_behind, b=other))
            found.append(Modifier("relation", (f"behind {name}", f"partly hidden by {name}"), behind))
            in_front = _of_object(scene, partial(is_in_front_of, b=other))
            found.append(Modifier("relation", (f"in front of {name}",), in_front))
    return found


def _relative_to_track(scene: Scene, other: int, test: Callable[[Track, Track], Truth]) -> Callable[[int], Truth]:
    return lambda i: None if i == other else test(scene.objects[i].track, scene.objects[other].track)


def ranking_modifiers(scene: Scene, noun: str, index: int, rivals: list[int]) -> list[Modifier]:
    """The modifiers that compare an object with its rivals, of which there is at least one; all are true of it."""
    me, others = scene.objects[index].track, [scene.objects[r].track for r in rivals]
    found: list[Modifier] = []

    def add(slot: Slot, *phrases: str) -> None:
        found.append(Modifier(slot, phrases, lambda i: i == index, exclusive=True))

    # Only where all are called by the noun, it can be counted.
    countable = all(scene.is_called(noun, r) for r in rivals)
    areas = [me.mean_area / max(other.mean_area, 1e-9) for other in others]
    if min(areas) > 1.5:
        add("size", *(("bigger", "larger") if len(others) == 1 else ("largest", "biggest")))
    if max(areas) < 1 / 1.5:
        add("size", *(("smaller",) if len(others) == 1 else ("smallest",)))
    leads = [horizontal_lead(me, other) for other in others]
    if all(lead < -0.08 for lead in leads):
        add("rank", "leftmost", *(("left",) if me.x_range[1] < 0.5 else ()))
        add("place", "on the far left", "furthest to the left")
        if countable:
            add("rank", "first {noun} from the left")
    if all(lead > 0.08 for lead in leads):
        add("rank", "rightmost", *(("right",) if me.x_range[1] > 0.5 else ()))
        add("place", "on the far right", "furthest to the right")
        if countable:
            add("rank", "first {noun} from the right")
    if countable and 2 <= len(others) <= 4 and all(abs(lead) > 0.05 for lead in leads):
        ordinals = ("second", "third", "fourth")
        left_of_me = sum(lead > 0 for lead in leads)
        right_of_me = len(others) - left_of_me
        if 1 <= left_of_me <= 3:
            add("rank", f"{ordinals[left_of_me - 1]} {{noun}} from the left")
        if 1 <= right_of_me <= 3:
            add("rank", f"{ordinals[right_of_me - 1]} {{noun}} from the right")
        if len(others) == 2 and left_of_me == 1:
            add("rank", "middle")
    lower = all(me.mean_box[3] - other.mean_box[3] > 0.06 for other in others)
    if lower and min(areas) > 1.4:
        add("place", "in front", "closest to the camera", "in the foreground")
        add("rank", "nearest", "closest")
    higher = all(me.mean_box[3] - other.mean_box[3] < -0.06 for other in others)
    if higher and all(me.mean_area * 1.6 < other.mean_area for other in others):
        add("place", "in the back", "in the background", "furthest away")
    return found
