"""Generated expressions are true of their target, of nothing else, and, where they should be, of nothing at all."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from scene_objects import draw_texts, make_object, make_track

from vlp_rvos.data.language.colours import COLOURS
from vlp_rvos.data.language.expressions import describe_absent, describe_group, describe_object
from vlp_rvos.data.language.invariance import mentions_motion
from vlp_rvos.data.language.objects import Motion, SceneObject
from vlp_rvos.data.language.scene import Scene


def test_a_bare_singular_needs_a_single_object() -> None:
    one = Scene([make_object("dog", make_track(0.2)), make_object("car", make_track(0.8))])
    assert {"dog", "the dog", "a dog"} & set(draw_texts(lambda rng: describe_object(one, 0, rng)))
    two = Scene([make_object("dog", make_track(0.2)), make_object("dog", make_track(0.8))])
    found = draw_texts(lambda rng: describe_object(two, 0, rng))
    assert found
    assert all(re.search("left", text) for text in found), "nothing but the place distinguishes the two"
    assert not any(
        re.search("right", text) for text in draw_texts(lambda rng: describe_object(two, 0, rng)) if "left" not in text
    )


def test_nothing_is_said_of_twins() -> None:
    twins = Scene([make_object("dog", make_track(0.5)), make_object("dog", make_track(0.51))])
    assert draw_texts(lambda rng: describe_object(twins, 0, rng)) == []


def test_what_only_motion_distinguishes_is_described_by_motion() -> None:
    def pair(**more: object) -> Scene:
        moving = make_object("dog", make_track(0.2, to=(0.5, 0.5)), Motion(dx=0.3), "red", **more)
        return Scene([moving, make_object("dog", make_track(0.8, to=(0.5, 0.5)), Motion(dx=-0.3), "blue")])

    free = draw_texts(lambda rng: describe_object(pair(), 0, rng))
    bound = draw_texts(lambda rng: describe_object(pair(told_by="motion"), 0, rng))
    assert any("red" in text for text in free)
    assert bound
    assert all(mentions_motion(text) for text in bound)
    assert not any(re.search("red|left", text) for text in bound)
    alone = Scene([make_object("dog", make_track(0.2), Motion(dx=0.3), told_by="motion")])
    assert {"dog", "the dog", "a dog"} & set(draw_texts(lambda rng: describe_object(alone, 0, rng)))


def test_what_only_clothes_distinguish_is_described_by_clothes() -> None:
    def people(**more: object) -> Scene:
        first = make_object("person", make_track(0.2), clothes_known=True, **more)
        second = make_object("person", make_track(0.8), clothes_known=True)
        coat = make_object("coat", make_track(0.2), colour="red", owner=0)
        return Scene([first, second, coat])

    free = draw_texts(lambda rng: describe_object(people(), 0, rng))
    bound = draw_texts(lambda rng: describe_object(people(told_by="clothing"), 0, rng))
    assert any("left" in text for text in free)
    assert bound
    assert all(re.search("coat|red", text) for text in bound)
    assert not any("left" in text for text in bound)


def test_unclear_rivals_need_a_difference() -> None:
    """A truck may be taken for a car, so "the car" alone is not said beside one."""
    scene = Scene(
        [make_object("car", make_track(0.2), colour="red"), make_object("truck", make_track(0.8), colour="blue")]
    )
    found = draw_texts(lambda rng: describe_object(scene, 0, rng))
    assert found
    assert all(re.search("red|left", text) for text in found)


def test_plurals_join_all() -> None:
    scene = Scene([make_object("car", make_track(x), colour=c) for x, c in ((0.2, "red"), (0.5, "blue"), (0.8, "red"))])
    seen = set()
    for seed in range(120):
        reference = describe_group(scene, np.random.default_rng(seed))
        assert reference is not None
        assert reference.members == ({0, 2} if "red" in reference.text else {0, 1, 2})
        seen.add(reference.text)
    assert {"the cars", "the three cars", "both red cars"} <= seen
    assert describe_group(Scene([make_object("car", make_track(0.2))]), np.random.default_rng(0)) is None


def test_clothes() -> None:
    people = [
        make_object("person", make_track(0.2, size=0.3), clothes_known=True),
        make_object("person", make_track(0.8, size=0.3), clothes_known=True),
    ]
    clothes = [
        make_object("dress", make_track(0.2), colour="yellow", owner=0),
        make_object("coat", make_track(0.8), colour="black", owner=1),
        make_object("boots", make_track(0.8, 0.6, 0.1), colour="red", owner=1),
    ]
    scene = Scene(people + clothes)
    person = " | ".join(draw_texts(lambda rng: describe_object(scene, 0, rng)))
    assert re.search(r"in (a|the) yellow dress|wearing a yellow dress", person)
    assert "woman" in person
    assert not re.search("coat|boots|right", person)
    boots = set(draw_texts(lambda rng: describe_object(scene, 4, rng)))
    assert {"the red boots"} & boots
    assert any(re.search(r"red boots (of|worn by) ", text) for text in boots)
    absent = " | ".join(draw_texts(lambda rng: describe_absent(scene, rng), 400))
    assert not re.search("yellow (dress|gown)|black (coat|overcoat)|red boots", absent)


def test_clothes_of_people_whose_clothes_are_unknown() -> None:
    """The other person may wear a coat too: say whose it is."""
    people = [
        make_object("person", make_track(0.2, size=0.3), clothes_known=True),
        make_object("person", make_track(0.8, size=0.3)),
    ]
    scene = Scene([*people, make_object("coat", make_track(0.2), colour="black", owner=0)])
    found = draw_texts(lambda rng: describe_object(scene, 2, rng))
    assert found
    assert all(re.search(r" (of|worn by) |'s ", text) for text in found)


def test_expressions_of_data_sets() -> None:
    bear = make_object("", make_track(0.3), None, expressions=("a bear", "the animal walking to the left"))
    alone = draw_texts(lambda rng: describe_object(Scene([bear]), 0, rng))
    assert any("bear" in text for text in alone)
    assert any("animal" in text for text in alone)
    beside_dog = Scene([bear, make_object("dog", make_track(0.8))])
    assert not any(
        "animal" in t and "bear" not in t for t in draw_texts(lambda rng: describe_object(beside_dog, 0, rng))
    )
    assert not any(
        "animal" in t for t in draw_texts(lambda rng: describe_object(beside_dog, 1, rng)) if "right" not in t
    )
    absent = draw_texts(lambda rng: describe_absent(beside_dog, rng), 300)
    assert not any(re.search(r"^(the |a )?(bear|animal)$", text) for text in absent)


@pytest.mark.parametrize(
    ("phrase", "names"),
    [("a motor scooter", "motorcycle motorbike"), ("the duck", "bird animal"), ("a small suv", "car truck")],
)
def test_what_a_word_of_a_data_set_implies_is_not_absent(phrase: str, names: str) -> None:
    scene = Scene(
        [make_object("", make_track(0.3), None, expressions=(phrase,))], absent_nouns=[*names.split(), "pizza"]
    )
    absent = " | ".join(draw_texts(lambda rng: describe_absent(scene, rng), 200))
    assert "pizza" in absent
    assert not set(names.split()) & set(re.findall(r"[a-z]+", absent))


def test_objects_out_of_sight_are_absent() -> None:
    scene = Scene(
        [make_object("dog", make_track(0.5)), make_object("cat", make_track(5.0))], absent_nouns=["cat", "dog"]
    )
    absent = draw_texts(lambda rng: describe_absent(scene, rng), 300)
    assert any(re.search(r"\bcat\b", text) for text in absent)
    assert "the dog" not in absent
    assert scene.targets == [0]


def test_somebody_is_in_the_colour_of_most_of_what_is_worn() -> None:
    def dressed(x: float, colour: str, size: float) -> list[SceneObject]:
        person = make_object("person", make_track(x, size=0.4), clothes_known=True)
        return [person, make_object("dress", make_track(x, size=size), colour=colour)]

    def scene(size: float) -> Scene:
        first, second = dressed(0.25, "red", size), dressed(0.75, "blue", size)
        return Scene([*first, *(replace(obj, owner=2) if obj.category == "dress" else obj for obj in second)])

    def owned(scene: Scene) -> Scene:
        return Scene([replace(obj, owner=0) if k == 1 else obj for k, obj in enumerate(scene.objects)])

    clad = r"\b(in|dressed in|wearing) (red|blue)$"
    found = [
        text
        for text in draw_texts(lambda rng: describe_object(owned(scene(0.35)), 0, rng), 400)
        if re.search(clad, text)
    ]
    assert found
    assert not any("blue" in text for text in found)
    false = draw_texts(lambda rng: describe_absent(owned(scene(0.35)), rng), 400)
    assert not any(re.search(clad, text) for text in false)
    assert any(re.search(r"\b(in|dressed in|wearing) (green|white|black)$", text) for text in false)
    little = draw_texts(lambda rng: describe_object(owned(scene(0.12)), 0, rng), 400)
    assert not any(re.search(clad, text) for text in little), "a red scarf does not make a person red"


# --- a reader that shares nothing with the generator -----------------------------------------------------------------
_MOVES = r"moving|walking|running|going|driving|moves|walks|runs|goes|drives"


def _understood(text: str, objects: list[SceneObject]) -> set[int] | None:
    """The objects that an expression means; None when it has words that this reader does not know."""
    words = text
    found = set(range(len(objects)))
    nouns = {"dog": {"dog"}, "cat": {"cat"}, "animal": {"dog", "cat"}, "pet": {"dog", "cat"}, "car": {"car"}}
    nouns |= {"automobile": {"car"}, "vehicle": {"car"}}
    for noun, categories in nouns.items():
        if re.search(rf"\b{noun}\b", words):
            found &= {i for i in found if objects[i].category in categories}
            words = re.sub(rf"\b{noun}\b", "", words)
    for name in COLOURS:
        spoken = "gr[ea]y" if name == "grey" else name
        if re.search(rf"\b{spoken}\b", words):
            found &= {i for i in found if objects[i].colours[COLOURS.index(name)] > 0.5}
            words = re.sub(rf"\b{spoken}\b", "", words)
    for axis, sign, way in ((0, -1, "left"), (0, 1, "right"), (1, -1, "up"), (1, 1, "down")):
        pattern = rf"({_MOVES}) (to the |towards the )?{way}(wards)?\b"
        if re.search(pattern, words):
            found &= {i for i in found if sign * objects[i].track.displacement[axis] > 0.05}
            words = re.sub(pattern, "", words)
    for pattern, holds in (
        (r"(on|to) the left( side)?\b(?! of)", lambda t: t.track.x_range[1] < 0.45),
        (r"(on|to) the right( side)?\b(?! of)", lambda t: t.track.x_range[1] > 0.55),
        (r"(in the (middle|center)|in the centre of the picture)", lambda t: 0.35 < t.track.x_range[1] < 0.65),
        (r"stand(s|ing) (still|in one place)|not moving|stay(s|ing) in place", lambda t: not t.motion.moves),
        (rf"\b({_MOVES})\b", lambda t: t.motion.moves),
    ):  # fmt: skip
        if re.search(pattern, words):
            found &= {i for i in found if holds(objects[i])}
            words = re.sub(pattern, "", words)
    rest = set(words.split()) - {"the", "a", "an", "that", "is"}
    return None if rest else found


def test_expressions_mean_what_they_refer_to() -> None:
    rng = np.random.default_rng(5)
    read = absent = 0
    for _ in range(250):
        objects = []
        for _ in range(int(rng.integers(1, 5))):
            start = rng.uniform(0.15, 0.85, 2)
            end = start + (rng.uniform(-0.5, 0.5, 2) if rng.random() < 0.5 else 0)
            motion = Motion(dx=float(end[0] - start[0]), dy=float(end[1] - start[1]))
            objects.append(
                make_object(
                    str(rng.choice(["dog", "cat", "car"])),
                    make_track(*start, size=float(rng.uniform(0.1, 0.3)), to=tuple(end)),
                    motion,
                    str(rng.choice(["red", "blue", "white"])),
                )
            )
        scene = Scene(objects)
        for index in scene.targets:
            reference = describe_object(scene, index, rng)
            understood = None if reference is None else _understood(reference.text, scene.objects)
            if reference is not None and understood is not None:
                read += 1
                # What merely drifts is clearly neither still nor moving, so the reader may see more than one.
                assert understood >= reference.members, reference.text
                assert understood == reference.members or re.search(_MOVES, reference.text), reference.text
        nothing = describe_absent(scene, rng)
        understood = None if nothing is None else _understood(nothing.text, scene.objects)
        if understood is not None:
            absent += 1
            assert understood == set(), nothing
    assert read > 200
    assert absent > 50
