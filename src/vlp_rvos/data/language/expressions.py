"""Referring expressions made from what is known of a scene, each of them true and unique, or false of everything.

A scene is a list of things, each with its category, its track through the frames, its colours and its motion. Every
modifier ("red", "on the left", "moving away") is a predicate with three answers: clearly true, clearly false, or
neither (None). An expression for a thing uses only predicates that are clearly true of it, and enough of them that
each rival that the noun could mean fails one clearly. An expression for what is *not* there fails clearly for all.
`docs/method.md` section 5, [D].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from vlp_rvos.data.language.colours import (
    COLOUR_WEIGHTS,
    COLOURS,
    NEAR_COLOURS,
    SPOKEN_COLOURS,
    has_colour,
    has_two_colours,
)
from vlp_rvos.data.language.objects import Motion, Thing, Track, Truth, categories_in, head_noun, is_a
from vlp_rvos.data.language.paraphrase import flip_words, paraphrase, tells_motion
from vlp_rvos.data.language.phrasing import colour_fillers, drawn, filler, say, verbs_of
from vlp_rvos.data.language.predicates import (
    DIRECTIONS,
    LEFT,
    PLACES,
    RIGHT,
    Attribute,
    Slot,
    comes_closer,
    enters,
    goes_away,
    heads,
    leaves,
    stays,
    swings,
    turns,
    unless,
)
from vlp_rvos.data.language.vocabulary import (
    CATEGORY_NAMES,
    FEMALE_GARMENTS,
    FEMALE_NAMES,
    HYPERNYMS,
    MALE_NAMES,
    PAIRS,
    PEOPLE,
    STUFF,
    article_of,
    plural_of,
)

__all__ = [
    "CATEGORY_NAMES",
    "COLOURS",
    "Motion",
    "Reference",
    "Scene",
    "Thing",
    "Track",
    "flip_words",
    "has_colour",
    "is_a",
    "paraphrase",
]


_HELD = ("bag", "purse", "wallet", "handbag")

_STILL = ("standing still", "not moving", "staying in place", "standing in one place")


@dataclass(frozen=True)
class Reference:
    """An expression and what it refers to.

    Attributes:
        text: the expression.
        members: indices of the things of the scene; their masks together are the answer; empty when nothing fits.
    """

    text: str
    members: frozenset[int]


class Scene:
    """Things in one sample, and the expressions that can be made of them.

    Args:
        things: all that is marked, in any order; `Thing.owner` indexes this list.
        absent: names that nothing in the picture deserves, beyond what the things themselves rule out. Each of them
            must be right in other scenes: a word that is only ever wrong is learned as absent, whatever is seen.
        min_area: mean share of the picture below which a thing is not asked about.
    """

    def __init__(self, things: Sequence[Thing], absent: Iterable[str] = (), min_area: float = 0.002) -> None:
        self.things = list(things)
        self.absent_nouns = tuple(absent)
        self.min_area = min_area
        self.visible = [i for i, thing in enumerate(self.things) if thing.track.seen.any()]
        for i in self.visible:
            worn = {self.things[j].category for j in self._wardrobe(i)}
            if self.things[i].category == "person" and worn & FEMALE_GARMENTS and not self.things[i].extra_names:
                self.things[i] = replace(self.things[i], extra_names=FEMALE_NAMES)

    @property
    def targets(self) -> list[int]:
        """Things large enough, and long enough in the picture, to be asked about."""
        return [
            i
            for i in self.visible
            if self.things[i].askable
            and self.things[i].track.area.mean() >= self.min_area
            and self.things[i].track.seen.sum() >= min(2, len(self.things[i].track.seen))
        ]

    def is_called(self, noun: str, index: int) -> Truth:
        """Whether the noun fits a thing."""
        thing = self.things[index]
        if noun in ("object", "thing"):
            return thing.owner is None and thing.category not in STUFF
        if noun in thing.extra_names:
            return True
        if thing.extra_names and noun in MALE_NAMES:
            return False
        if thing.category:
            return is_a(noun, thing.category)
        if noun in thing.spoken or not thing.phrases:
            return None
        return False if all(is_a(noun, c) is False for c in categories_in(thing.spoken)) else None

    def rivals(self, noun: str, index: int | None = None) -> list[int]:
        """Other visible things that the noun could mean."""
        return [i for i in self.visible if i != index and self.is_called(noun, i) is not False]

    def describe(self, index: int, rng: np.random.Generator, tries: int = 8) -> Reference | None:
        """A true and unique expression for a thing, or None when none was found.

        Args:
            index: of the thing.
            rng: source of all choices.
            tries: how many random starts are made.
        """
        thing = self.things[index]
        if thing.phrases and (not thing.category or rng.random() < 0.5):
            said = self._repeat_phrase(index, rng)
            if said is not None or not thing.category:
                return None if said is None else Reference(said, frozenset({index}))
        for _ in range(tries):
            noun = self._pick_noun(thing, rng)
            text = self._describe_as(noun, index, rng)
            if text is not None:
                return Reference(text, frozenset({index}))
        return None

    def _repeat_phrase(self, index: int, rng: np.random.Generator) -> str | None:
        thing = self.things[index]
        phrases = [phrase for phrase in thing.phrases if self._phrase_is_unique(phrase, index)]
        if not phrases:
            return None
        plain = str(rng.choice(phrases))
        text = paraphrase(plain, rng, phrases)
        if not self._phrase_is_unique(text, index):
            text = plain
        if tells_motion(text) or rng.random() < (0.8 if thing.motion is None else 0.5):
            return text
        extra = self._place_attributes() if thing.motion is None else self._motion_attributes("")
        true = [a for a in extra if a.test(index)]
        return f"{text} {rng.choice(true[int(rng.integers(len(true)))].phrases)}" if true else text

    def _phrase_is_unique(self, phrase: str, index: int) -> bool:
        """Whether no other thing could be meant by a phrase: another kind of thing, or without the colours it names."""
        noun = head_noun(phrase)
        rivals = [i for i in self.rivals(noun, index) if self.things[i].owner != index] if noun else []
        colours = [c for c in COLOURS if any(re.search(rf"\b{w}\b", phrase) for w in SPOKEN_COLOURS.get(c, (c,)))]
        return all(
            any(self.things[r].colours[COLOURS.index(c)] < 0.03 and self.things[r].colours.any() for c in colours)
            for r in rivals
        )

    def _describe_as(self, noun: str, index: int, rng: np.random.Generator) -> str | None:
        thing = self.things[index]
        rivals = self.rivals(noun, index)
        if thing.category in STUFF:
            colour = self._true_colour(index, rng) if rng.random() < 0.25 else None
            if rivals:
                return None
            spoken = plural_of(noun) if noun in ("tree", "building") and rng.random() < 0.6 else noun
            return say(spoken, [colour] if colour else [], rng, article="the" if rng.random() < 0.7 else None)
        if thing.owner is not None:
            return self._describe_worn(noun, index, rivals, rng)
        candidates = self._attributes(noun, index, rivals)
        only_motion = noun in ("object", "thing") or (thing.by_motion and bool(rivals))
        if only_motion:
            candidates = [a for a in candidates if a.slot == "motion"]
        true = [a for a in candidates if a.test(index)]
        order = [true[k] for k in rng.permutation(len(true))]
        wanted = 1 if only_motion else int(rng.choice([0, 1, 2], p=[0.4, 0.42, 0.18]))
        chosen: list[Attribute] = []
        left = set(rivals)
        for attribute in order:
            if len(chosen) >= 3 or any(
                attribute.slot == other.slot or (attribute.selects and other.selects) for other in chosen
            ):
                continue
            excluded = left if attribute.selects else {r for r in left if attribute.test(r) is False}
            if excluded or len(chosen) < wanted:
                chosen.append(attribute)
                left = left - excluded
            if not left and len(chosen) >= wanted:
                break
        if left or (only_motion and not chosen):
            return None
        article = None if rivals or rng.random() < 0.6 else "a"
        return say(noun, chosen, rng, article=article or ("the" if rng.random() < 0.75 else None))

    def _describe_worn(self, noun: str, index: int, rivals: list[int], rng: np.random.Generator) -> str | None:
        thing = self.things[index]
        owner = thing.owner
        assert owner is not None
        alike = [r for r in rivals if self.things[r].owner == owner]
        colour = self._true_colour(index, rng)
        if any(colour is None or colour.test(r) is not False for r in alike):
            return None
        bare_people = [p for p in self.rivals("person", owner) if not self.things[p].dressed]
        elsewhere = [r for r in rivals if self.things[r].owner != owner]
        needs_owner = bool(bare_people) or any(colour is None or colour.test(r) is not False for r in elsewhere)
        chosen = [colour] if colour and (alike or needs_owner is False or rng.random() < 0.7) else []
        if elsewhere and not needs_owner and not chosen:
            return None
        if not needs_owner and rng.random() < 0.5:
            return say(noun, chosen, rng, article="the" if rng.random() < 0.6 else "a")
        whose = self._pick_noun(self.things[owner], rng)
        others = self.rivals(whose, owner)
        if others:
            name = self._describe_as(whose, owner, rng)
            if name is None or not name.startswith(("the ", "a ")):
                return None
        else:
            name = f"the {whose}"
        core = say(noun, chosen, rng, article=None, relative=False)
        carried = thing.category in ("bag", "purse", "wallet", "handbag", "umbrella", "backpack")
        forms = [f"the {core} of {name}", f"the {core} {'carried' if carried else 'worn'} by {name}"]
        if not others:
            forms += [f"{name}'s {core}"] * 2
        return str(rng.choice(forms))

    def describe_all(self, rng: np.random.Generator) -> Reference | None:
        """A plural expression for all things of one noun ("the cars", "both red cups"), or None."""
        nouns = {self.things[i].names[0] for i in self.targets if self.things[i].names and self.things[i].owner is None}
        for noun in (str(n) for n in rng.permutation(sorted(nouns))):
            members = [i for i in self.visible if self.is_called(noun, i)]
            if noun in PAIRS or len(members) < 2 or self.things[members[0]].category in STUFF:
                continue
            if any(self.is_called(noun, i) is None for i in self.visible):
                continue
            if sum(self.things[i].track.area.mean() for i in members) < 2 * self.min_area:
                continue
            plural, count = plural_of(noun), len(members)
            colour = self._true_colour(members[0], rng)
            if colour is not None and rng.random() < 0.4:
                truths = [colour.test(i) for i in members]
                if None not in truths and sum(map(bool, truths)) >= 2:
                    members = [i for i, truth in zip(members, truths, strict=True) if truth]
                    plural, count = f"{rng.choice(colour.phrases)} {plural}", len(members)
            forms = [f"the {plural}", f"all the {plural}", f"all {plural}", plural]
            numbers = {2: ("two", "both"), 3: ("three",), 4: ("four",)}
            small = min(self.things[i].track.area.min() for i in members) < self.min_area / 2
            if count in numbers and not small:
                forms += [f"{'the ' if word != 'both' else ''}{word} {plural}" for word in numbers[count]]
            return Reference(str(rng.choice(forms)), frozenset(members))
        return None

    def describe_nothing(self, rng: np.random.Generator, tries: int = 8) -> Reference | None:
        """An expression that is clearly false of everything in the scene, or None when none was found."""
        for _ in range(tries):
            text = self._wrong_attribute(rng) if rng.random() < 0.5 else self._missing_noun(rng)
            if text is not None:
                return Reference(text, frozenset())
        return None

    def _missing_noun(self, rng: np.random.Generator) -> str | None:
        if not self.absent_nouns:
            return None
        noun = str(rng.choice(self.absent_nouns))
        if self.rivals(noun) or any(noun in self.things[i].spoken for i in self.visible):
            return None
        chosen = []
        if rng.random() < 0.45:
            fillers = [*colour_fillers(), filler("place", *LEFT), filler("place", *RIGHT)]
            if any(len(thing.track.seen) > 1 for thing in self.things):
                fillers += [
                    filler("motion", f"{verb} {direction}")
                    for verb in verbs_of(noun)
                    for _, _, directions in DIRECTIONS[:2]
                    for direction in directions[:2]
                ]
            chosen += drawn(fillers, rng)
        article = str(rng.choice(["the", "a", ""], p=[0.5, 0.4, 0.1]))
        return say(noun, chosen, rng, article=article or None)

    def _wrong_attribute(self, rng: np.random.Generator) -> str | None:
        pool = [i for i in self.targets if self.things[i].category not in STUFF]
        if not pool:
            return None
        thing = self.things[int(rng.choice(pool))]
        noun = self._pick_noun(thing, rng) if thing.category else head_noun(str(rng.choice(thing.phrases)))
        if (
            noun is None
            or noun in ("object", "thing", "someone")
            or (not thing.category and is_a(noun, "person") is not False)
        ):
            return None
        candidates = self.rivals(noun)
        if any(not self.things[p].dressed for p in self.rivals("person")) and thing.owner is not None:
            return None
        wrong: list[Attribute] = []
        if not any(self.things[i].category in PEOPLE for i in candidates):
            wrong += [self._colour_attribute(c) for c in COLOURS]
        if thing.owner is None:
            wrong += [*self._motion_attributes(thing.category or noun), *self._place_attributes()]
            if all(self.things[i].dressed for i in candidates):
                wrong += self._wear_attributes(imagined=True)
        false = [a for a in wrong if all(a.test(i) is False for i in candidates)]
        if not thing.category:
            false = [a for a in false if a.slot in ("colour", "place") and not thing.spoken & set(a.phrases)]
        chosen = drawn(false, rng)
        return say(noun, chosen, rng, article="the" if rng.random() < 0.7 else "a") if chosen else None

    def _pick_noun(self, thing: Thing, rng: np.random.Generator) -> str:
        names = list(thing.names)
        roll = rng.random()
        if thing.motion is not None and thing.motion.moves and thing.owner is None and roll < 0.06:
            return str(rng.choice(["object", "thing"]))
        if thing.extra_names and roll < 0.6:
            return str(rng.choice(thing.extra_names))
        above = HYPERNYMS.get(thing.category, ())
        if above and roll < 0.22:
            return str(rng.choice(above))
        return names[0] if roll < 0.7 or len(names) == 1 else str(rng.choice(names[1:]))

    def _wardrobe(self, person: int) -> list[int]:
        return [j for j in self.visible if self.things[j].owner == person]

    def _attributes(self, noun: str, index: int, rivals: list[int]) -> list[Attribute]:
        thing = self.things[index]
        motions = self._motion_attributes(thing.category or noun)
        if not rivals:
            # Somebody photographed in full run is not called still without need.
            motions = [attribute for attribute in motions if attribute.phrases != _STILL]
        verbs = tuple(verb for verb in verbs_of(thing.category or noun) if verb not in ("going", "sliding"))
        moving = Attribute("motion", verbs, self._motion_test(lambda t: t.motion.moves if t.motion else None))
        found = [*self._place_attributes(), *motions, moving]
        if thing.category not in PEOPLE:
            found += self._colour_attributes(index)
        else:
            found += self._wear_attributes(person=index)
        found += self._size_attributes()
        found += self._near_attributes(index)
        if rivals:
            found += self._rank_attributes(noun, index, rivals)
        return found

    def _colour_attribute(self, name: str) -> Attribute:
        phrases = SPOKEN_COLOURS.get(name, (name,))
        weight = COLOUR_WEIGHTS[name]
        return Attribute("colour", phrases, lambda i: has_colour(self.things[i].colours, name), weight=weight)

    def _colour_attributes(self, index: int) -> list[Attribute]:
        shares = self.things[index].colours
        first, second = (COLOURS[k] for k in np.argsort(shares)[::-1][:2])
        found = [self._colour_attribute(first)]
        if second not in NEAR_COLOURS[first].split() or {first, second} == {"grey", "white"}:
            both = (f"{first} and {second}", f"{second} and {first}")
            found.append(Attribute("colour", both, lambda i: has_two_colours(self.things[i].colours, first, second)))
        return found

    def _true_colour(self, index: int, rng: np.random.Generator) -> Attribute | None:
        true = [a for a in self._colour_attributes(index) if a.test(index)]
        return true[int(rng.integers(len(true)))] if true else None

    def _place_attributes(self) -> list[Attribute]:
        def attribute(phrases: tuple[str, ...], test: Callable[[Track], Truth]) -> Attribute:
            return Attribute("place", phrases, lambda i: test(self.things[i].track))

        return [attribute(phrases, test) for phrases, test in PLACES]

    def _size_attributes(self) -> list[Attribute]:
        def small(i: int) -> Truth:
            size = self.things[i].track.size
            return True if size < 0.015 else unless(size > 0.05)

        def large(i: int) -> Truth:
            size = self.things[i].track.size
            return True if size > 0.2 else unless(size < 0.08)

        return [Attribute("size", ("small", "little"), small), Attribute("size", ("large", "big"), large)]

    def _motion_attributes(self, category: str) -> list[Attribute]:
        verbs = verbs_of(category)
        found = []
        for axis, sign, directions in DIRECTIONS:
            phrases = tuple(f"{verb} {direction}" for verb in verbs for direction in directions)
            found.append(Attribute("motion", phrases, self._motion_test(partial(heads, axis=axis, sign=sign))))
        closer = ("coming closer", "approaching the camera", "moving towards the camera", "getting bigger")
        # The rarer it is true, the rarer it is said where it is false.
        plain: list[tuple[tuple[str, ...], Callable[[Thing], Truth], float]] = [
            (_STILL, stays, 1.0),
            (closer, comes_closer, 0.5),
            (("moving away", "going away from the camera", "getting smaller"), goes_away, 0.5),
            (("spinning", "rotating", "turning around itself"), turns, 0.3),
            (("swinging back and forth", "moving from side to side"), lambda t: swings(t, 0), 0.3),
            (("jumping up and down", "bouncing", "moving up and down"), lambda t: swings(t, 1), 0.3),
            (("entering the picture", "coming into view", "entering the scene"), enters, 0.1),
            (("leaving the picture", "moving out of view", "leaving the scene"), leaves, 0.1),
        ]
        return found + [Attribute("motion", phrases, self._motion_test(test), weight=w) for phrases, test, w in plain]

    def _motion_test(self, test: Callable[[Thing], Truth]) -> Callable[[int], Truth]:
        return lambda i: test(self.things[i])

    def _wear_attributes(self, person: int | None = None, imagined: bool = False) -> list[Attribute]:
        if imagined:
            wishes = [(noun, colour) for noun in ("dress", "shirt", "coat", "skirt", "jacket") for colour in COLOURS]
            clad = list(COLOURS)
        else:
            assert person is not None
            wishes = [
                (self.things[j].names[0], colour)
                for j in self._wardrobe(person)
                if self.things[j].track.size >= 0.001 and self.things[j].category != "accessories"
                for colour in (*COLOURS, "")
                if not colour or has_colour(self.things[j].colours, colour)
            ]
            clad = [colour for colour in COLOURS if self._is_clad(person, colour)]
        found = [self._wear_attribute(noun, colour) for noun, colour in wishes]
        for colour in clad:
            phrases = (f"in {colour}", f"dressed in {colour}", f"wearing {colour}")
            test = partial(self._is_clad, colour=colour)
            found.append(Attribute("wear", phrases, test, weight=COLOUR_WEIGHTS[colour]))
        return found

    def _is_clad(self, index: int, colour: str) -> Truth:
        """Whether somebody is "in red": true by what covers a third of the person, false when nothing worn is red."""
        person = self.things[index]
        if person.category != "person":
            return None
        worn = [self.things[j] for j in self._wardrobe(index)]
        worn = [thing for thing in worn if thing.category not in (*_HELD, "accessories")]
        if any(t.track.size > 0.33 * person.track.size and has_colour(t.colours, colour) for t in worn):
            return True
        return unless(person.dressed and all(has_colour(t.colours, colour) is False for t in worn))

    def _wear_attribute(self, noun: str, colour: str) -> Attribute:
        spoken = f"{colour} {noun}".strip()
        garment = spoken if noun in PAIRS else f"{article_of(spoken)} {spoken}"
        held = noun in _HELD
        phrases = [f"with {garment}", f"carrying {garment}"] if held else [f"in {garment}", f"wearing {garment}"]
        if not held and colour and noun not in ("hat", "belt", "gloves", "scarf"):
            phrases += [f"in the {spoken}", f"with the {spoken}"]

        def test(i: int) -> Truth:
            if self.things[i].category != "person":
                return None
            truths: list[Truth] = []
            for j in self._wardrobe(i):
                kind = self.is_called(noun, j)
                tint = has_colour(self.things[j].colours, colour) if colour else True
                truths.append(False if kind is False or tint is False else True if kind and tint else None)
            if any(truths):
                return True
            return False if self.things[i].dressed and None not in truths else None

        return Attribute("wear", tuple(phrases), test, weight=COLOUR_WEIGHTS.get(colour, 1.0))

    def _near_attributes(self, index: int) -> list[Attribute]:
        found = []
        for j in self.visible:
            other = self.things[j]
            anchored = other.category and other.owner is None and other.category not in STUFF and j != index
            if not anchored or other.track.size < self.min_area or not bool(other.track.seen.all()):
                continue
            noun = other.names[0]
            if self.rivals(noun, j) or self.is_called(noun, index) is not False:
                continue
            name = f"the {noun}"
            found += [
                Attribute("near", (f"next to {name}", f"beside {name}", f"near {name}"), self._near_test(j)),
                Attribute("near", (f"to the left of {name}", f"on the left of {name}"), self._side_test(j, -1)),
                Attribute("near", (f"to the right of {name}", f"on the right of {name}"), self._side_test(j, 1)),
            ]
            if other.depth is not None:
                found.append(Attribute("near", (f"behind {name}", f"partly hidden by {name}"), self._behind_test(j)))
                found.append(Attribute("near", (f"in front of {name}",), self._before_test(j)))
        return found

    def _gaps(self, i: int, j: int) -> tuple[float, float]:
        a, b = self.things[i].track.bounds, self.things[j].track.bounds
        return max(a[0], b[0]) - min(a[2], b[2]), max(a[1], b[1]) - min(a[3], b[3])

    def _near_test(self, j: int) -> Callable[[int], Truth]:
        def test(i: int) -> Truth:
            if i == j:
                return None
            gap_x, gap_y = self._gaps(i, j)
            sizes = self.things[i].track.size, self.things[j].track.size
            apart = gap_x > -0.02 and gap_y < 0
            if apart and gap_x < 0.05 and max(sizes) < 12 * min(sizes) and self._steady(i, j):
                return True
            return unless(max(gap_x, gap_y) > 0.15)

        return test

    def _side_test(self, j: int, sign: int) -> Callable[[int], Truth]:
        def test(i: int) -> Truth:
            if i == j:
                return None
            a, b = self.things[i].track, self.things[j].track
            ahead = sign * (a.x[1] - b.x[1])
            if ahead > 0.08 and self._gaps(i, j)[0] > -0.03 and self._gaps(i, j)[1] < 0.05 and self._steady(i, j):
                return True
            return unless(sign * (a.x[0 if sign < 0 else 2] - b.x[2 if sign < 0 else 0]) < -0.02)

        return test

    def _steady(self, i: int, j: int) -> bool:
        """Whether two things keep their places relative to each other."""
        a, b = self.things[i].track, self.things[j].track
        both = a.seen & b.seen
        if both.sum() < min(2, len(both)):
            return False
        distance = a.centre[both] - b.centre[both]
        return bool((np.ptp(distance, axis=0) < 0.12).all())

    def _overlap(self, i: int, j: int) -> bool:
        gap_x, gap_y = self._gaps(i, j)
        a = self.things[i].track.bounds
        return -gap_x > 0.25 * (a[2] - a[0]) and -gap_y > 0.25 * (a[3] - a[1])

    def _behind_test(self, j: int) -> Callable[[int], Truth]:
        def test(i: int) -> Truth:
            a, b = self.things[i], self.things[j]
            if a.depth is not None and b.depth is not None and a.depth < b.depth and self._overlap(i, j):
                return True
            return unless(max(self._gaps(i, j)) > 0.05)

        return test

    def _before_test(self, j: int) -> Callable[[int], Truth]:
        def test(i: int) -> Truth:
            a, b = self.things[i], self.things[j]
            if a.depth is not None and b.depth is not None and a.depth > b.depth and self._overlap(i, j):
                return True
            return unless(max(self._gaps(i, j)) > 0.05)

        return test

    def _rank_attributes(self, noun: str, index: int, rivals: list[int]) -> list[Attribute]:
        """Modifiers that compare a thing with its rivals; built only where they hold."""
        me, others = self.things[index].track, [self.things[r].track for r in rivals]
        found: list[Attribute] = []

        def add(slot: Slot, *phrases: str) -> None:
            found.append(Attribute(slot, phrases, lambda i: i == index, selects=True))

        certain = all(self.is_called(noun, r) for r in rivals)
        ratio = min(me.size / max(o.size, 1e-9) for o in others)
        if ratio > 1.5:
            add("size", *(("bigger", "larger") if len(others) == 1 else ("largest", "biggest")))
        if max(me.size / max(o.size, 1e-9) for o in others) < 1 / 1.5:
            add("size", *(("smaller",) if len(others) == 1 else ("smallest",)))
        gaps = [self._clear_gap(me, o) for o in others]
        if all(gap < -0.08 for gap in gaps):
            add("side", "leftmost", *(("left",) if me.x[1] < 0.5 else ()))
            add("place", "on the far left", "furthest to the left")
            if certain:
                add("side", "first {noun} from the left")
        if all(gap > 0.08 for gap in gaps):
            add("side", "rightmost", *(("right",) if me.x[1] > 0.5 else ()))
            add("place", "on the far right", "furthest to the right")
            if certain:
                add("side", "first {noun} from the right")
        if certain and 2 <= len(others) <= 4 and all(abs(gap) > 0.05 for gap in gaps):
            names = ("second", "third", "fourth")
            before = sum(gap > 0 for gap in gaps)
            if 1 <= before <= 3:
                add("side", f"{names[before - 1]} {{noun}} from the left")
            if 1 <= len(others) - before <= 3:
                add("side", f"{names[len(others) - before - 1]} {{noun}} from the right")
            if len(others) == 2 and before == 1:
                add("side", "middle")
        lower = all(me.bounds[3] - o.bounds[3] > 0.06 for o in others)
        if lower and ratio > 1.4:
            add("place", "in front", "closest to the camera", "in the foreground")
            add("side", "nearest", "closest")
        higher = all(me.bounds[3] - o.bounds[3] < -0.06 for o in others)
        if higher and all(me.size * 1.6 < o.size for o in others):
            add("place", "in the back", "in the background", "furthest away")
        return found

    def _clear_gap(self, a: Track, b: Track) -> float:
        """Smallest horizontal distance of a to the right of b over the frames that show both; 0 when it flips sign."""
        both = a.seen & b.seen
        if not both.all() or not both.any():
            return 0.0
        distance = a.centre[:, 0] - b.centre[:, 0]
        if distance.min() > 0:
            return float(distance.min())
        return float(distance.max()) if distance.max() < 0 else 0.0
