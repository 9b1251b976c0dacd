"""Makes referring expressions for the objects of a scene: each true and unique, or false of everything.

An expression for an object uses only modifiers that are clearly true of it, and so many of them that each rival that
the noun could mean clearly fails one. An expression for something absent clearly fails for every object.
[D] (our decision; `docs/method.md`, section 5, explains the marks).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np

from vlp_rvos.data.language.colours import COLOUR_WEIGHTS, COLOURS, phrases_of
from vlp_rvos.data.language.invariance import mentions_motion
from vlp_rvos.data.language.modifiers import Modifier, draw_modifier, imagined_modifier
from vlp_rvos.data.language.nouns import find_head_noun, is_a, motion_verbs, pluralize
from vlp_rvos.data.language.objects import SceneObject
from vlp_rvos.data.language.paraphrase import paraphrase
from vlp_rvos.data.language.phrasing import compose_expression
from vlp_rvos.data.language.scene import Scene
from vlp_rvos.data.language.scene_modifiers import (
    DIRECTIONS,
    LEFT,
    RIGHT,
    candidate_modifiers,
    colour_modifier,
    colour_modifiers,
    imagined_clothing_modifiers,
    motion_modifiers,
    place_modifiers,
)
from vlp_rvos.data.language.vocabulary import BAGS, GENERIC_NOUNS, HYPERNYMS, PEOPLE, PLURAL_ONLY, STUFF

__all__ = ["Reference", "describe_absent", "describe_group", "describe_object"]

_MAX_MODIFIERS = 3


@dataclass(frozen=True)
class Reference:
    """An expression and what it refers to.

    Attributes:
        text: The expression.
        members: Indices of the objects of the scene that it refers to; empty when it refers to nothing.
    """

    text: str
    members: frozenset[int]


def describe_object(scene: Scene, index: int, rng: np.random.Generator, tries: int = 8) -> Reference | None:
    """Makes a true and unique expression for one object.

    Args:
        scene: All objects.
        index: The object.
        rng: Source of all choices.
        tries: Number of random starts.

    Returns:
        The reference, or None when no such expression was found.
    """
    obj = scene.objects[index]
    if obj.expressions and (not obj.category or rng.random() < 0.5):
        text = _vary_known_expression(scene, index, rng)
        if text is not None:
            return Reference(text, frozenset({index}))
        if not obj.category:
            return None
    for _ in range(tries):
        text = _describe_as(scene, _draw_noun(obj, rng), index, rng)
        if text is not None:
            return Reference(text, frozenset({index}))
    return None


def describe_group(scene: Scene, rng: np.random.Generator) -> Reference | None:
    """Makes a plural expression for all objects of one noun: "the cars", "both red cups".

    Returns:
        The reference, or None when no noun fits two objects and clearly no others.
    """
    objects = scene.objects
    nouns = {objects[i].names[0] for i in scene.targets if objects[i].names and objects[i].owner is None}
    for noun in (str(n) for n in rng.permutation(sorted(nouns))):
        members = [i for i in scene.visible if scene.is_called(noun, i)]
        if noun in PLURAL_ONLY or len(members) < 2 or objects[members[0]].category in STUFF:
            continue
        if any(scene.is_called(noun, i) is None for i in scene.visible):
            continue
        if sum(objects[i].track.area.mean() for i in members) < 2 * scene.min_area:
            continue
        plural = pluralize(noun)
        colour = _draw_true_colour(scene, members[0], rng)
        if colour is not None and rng.random() < 0.4:
            truths = [colour.test(i) for i in members]
            if None not in truths and sum(map(bool, truths)) >= 2:
                members = [i for i, truth in zip(members, truths, strict=True) if truth]
                plural = f"{rng.choice(colour.phrases)} {plural}"
        forms = [f"the {plural}", f"all the {plural}", f"all {plural}", plural]
        numbers = {2: ("two", "both"), 3: ("three",), 4: ("four",)}
        # Somebody who overlooks a tiny one would count differently.
        all_noticed = min(objects[i].track.area.min() for i in members) >= scene.min_area / 2
        if len(members) in numbers and all_noticed:
            forms += [f"{'the ' if word != 'both' else ''}{word} {plural}" for word in numbers[len(members)]]
        return Reference(str(rng.choice(forms)), frozenset(members))
    return None


def describe_absent(scene: Scene, rng: np.random.Generator, tries: int = 8) -> Reference | None:
    """Makes an expression that is clearly false of everything in the scene.

    Returns:
        The reference, without members, or None when no such expression was found.
    """
    for _ in range(tries):
        text = _combine_wrongly(scene, rng) if rng.random() < 0.5 else _name_missing_object(scene, rng)
        if text is not None:
            return Reference(text, frozenset())
    return None


# --- one object ------------------------------------------------------------------------------------------------------
def _vary_known_expression(scene: Scene, index: int, rng: np.random.Generator) -> str | None:
    """An expression of the data set in other words, where it is unique in this scene."""
    obj = scene.objects[index]
    known = [expression for expression in obj.expressions if _is_unique(scene, expression, index)]
    if not known:
        return None
    original = str(rng.choice(known))
    text = paraphrase(original, rng, known)
    if not _is_unique(scene, text, index):
        text = original
    if mentions_motion(text) or rng.random() < (0.8 if obj.motion is None else 0.5):
        return text
    candidates = place_modifiers(scene) if obj.motion is None else motion_modifiers(scene, "")
    true = [modifier for modifier in candidates if modifier.test(index)]
    return f"{text} {rng.choice(true[int(rng.integers(len(true)))].phrases)}" if true else text


def _is_unique(scene: Scene, expression: str, index: int) -> bool:
    """Whether every other object is of another kind, or lacks a colour that the expression mentions."""
    noun = find_head_noun(expression)
    rivals = [i for i in scene.rivals(noun, index) if scene.objects[i].owner != index] if noun else []
    colours = [c for c in COLOURS if any(re.search(rf"\b{word}\b", expression) for word in phrases_of(c))]
    return all(
        any(scene.objects[r].colours[COLOURS.index(c)] < 0.03 and scene.objects[r].colours.any() for c in colours)
        for r in rivals
    )


def _draw_noun(obj: SceneObject, rng: np.random.Generator) -> str:
    names = list(obj.names)
    roll = rng.random()
    if obj.motion is not None and obj.motion.moves and obj.owner is None and roll < 0.06:
        return str(rng.choice(GENERIC_NOUNS))
    if obj.extra_names and roll < 0.6:
        return str(rng.choice(obj.extra_names))
    broader = HYPERNYMS.get(obj.category, ())
    if broader and roll < 0.22:
        return str(rng.choice(broader))
    return names[0] if roll < 0.7 or len(names) == 1 else str(rng.choice(names[1:]))


def _draw_true_colour(scene: Scene, index: int, rng: np.random.Generator) -> Modifier | None:
    true = [modifier for modifier in colour_modifiers(scene, index) if modifier.test(index)]
    return true[int(rng.integers(len(true)))] if true else None


def _describe_as(scene: Scene, noun: str, index: int, rng: np.random.Generator) -> str | None:
    """An expression with this noun, or None where the chosen modifiers leave a rival."""
    obj = scene.objects[index]
    rivals = scene.rivals(noun, index)
    if obj.category in STUFF:
        return _describe_stuff(scene, noun, index, rivals, rng)
    if obj.owner is not None:
        return _describe_belonging(scene, noun, index, rivals, rng)
    candidates = candidate_modifiers(scene, noun, index, rivals)
    only = "motion" if noun in GENERIC_NOUNS else obj.told_by if rivals else None
    if only:
        candidates = [modifier for modifier in candidates if modifier.slot == only]
    true = [modifier for modifier in candidates if modifier.test(index)]
    order = [true[k] for k in rng.permutation(len(true))]
    wanted = 1 if only else int(rng.choice([0, 1, 2], p=[0.4, 0.42, 0.18]))
    chosen: list[Modifier] = []
    left = set(rivals)
    for modifier in order:
        if len(chosen) >= _MAX_MODIFIERS or any(
            modifier.slot == other.slot or (modifier.exclusive and other.exclusive) for other in chosen
        ):
            continue
        excluded = left if modifier.exclusive else {r for r in left if modifier.test(r) is False}
        if excluded or len(chosen) < wanted:
            chosen.append(modifier)
            left = left - excluded
        if not left and len(chosen) >= wanted:
            break
    if left or (only and not chosen):
        return None
    article = None if rivals or rng.random() < 0.6 else "a"
    return compose_expression(noun, chosen, rng, article=article or ("the" if rng.random() < 0.75 else None))


def _describe_stuff(scene: Scene, noun: str, index: int, rivals: list[int], rng: np.random.Generator) -> str | None:
    colour = _draw_true_colour(scene, index, rng) if rng.random() < 0.25 else None
    if rivals:
        return None
    spoken = pluralize(noun) if noun in ("tree", "building") and rng.random() < 0.6 else noun
    return compose_expression(spoken, [colour] if colour else [], rng, article="the" if rng.random() < 0.7 else None)


def _describe_belonging(scene: Scene, noun: str, index: int, rivals: list[int], rng: np.random.Generator) -> str | None:
    """An expression for what a person wears or carries, which names the person where it must."""
    obj = scene.objects[index]
    owner = obj.owner
    assert owner is not None
    colour = _draw_true_colour(scene, index, rng)

    def differs_in_colour(rival: int) -> bool:
        return colour is not None and colour.test(rival) is False

    same_owner = [r for r in rivals if scene.objects[r].owner == owner]
    if not all(differs_in_colour(r) for r in same_owner):
        return None
    # People whose clothes are not all known may wear the same.
    unknown_clothes = any(not scene.objects[p].clothes_known for p in scene.rivals("person", owner))
    other_owner = [r for r in rivals if scene.objects[r].owner != owner]
    needs_owner = unknown_clothes or not all(differs_in_colour(r) for r in other_owner)
    chosen = [colour] if colour and (same_owner or not needs_owner or rng.random() < 0.7) else []
    if not needs_owner and rng.random() < 0.5:
        return compose_expression(noun, chosen, rng, article="the" if rng.random() < 0.6 else "a")
    owner_noun = _draw_noun(scene.objects[owner], rng)
    ambiguous = bool(scene.rivals(owner_noun, owner))
    name = _describe_as(scene, owner_noun, owner, rng) if ambiguous else f"the {owner_noun}"
    if name is None or not name.startswith(("the ", "a ")):
        return None
    core = compose_expression(noun, chosen, rng, article=None, allow_relative_clause=False)
    participle = "carried" if obj.category in BAGS | {"umbrella", "backpack"} else "worn"
    forms = [f"the {core} of {name}", f"the {core} {participle} by {name}"]
    if not ambiguous:
        forms += [f"{name}'s {core}"] * 2
    return str(rng.choice(forms))


# --- nothing ---------------------------------------------------------------------------------------------------------
def _name_missing_object(scene: Scene, rng: np.random.Generator) -> str | None:
    """An expression with a noun that nothing in the scene deserves, and sometimes a modifier."""
    if not scene.absent_nouns:
        return None
    noun = str(rng.choice(scene.absent_nouns))
    if scene.rivals(noun) or any(noun in scene.objects[i].mentioned for i in scene.visible):
        return None
    modifier = None
    if rng.random() < 0.45:
        modifier = draw_modifier(_imagined_modifiers(scene, noun), rng)
    article = str(rng.choice(["the", "a", ""], p=[0.5, 0.4, 0.1]))
    return compose_expression(noun, [modifier] if modifier else [], rng, article=article or None)


def _imagined_modifiers(scene: Scene, noun: str) -> list[Modifier]:
    found = [imagined_modifier("colour", *phrases_of(name), weight=weight) for name, weight in COLOUR_WEIGHTS.items()]
    found += [imagined_modifier("place", *LEFT), imagined_modifier("place", *RIGHT)]
    # One picture shows no motion.
    if any(len(obj.track.visible) > 1 for obj in scene.objects):
        found += [
            imagined_modifier("motion", f"{verb} {direction}")
            for verb in motion_verbs(noun)
            for _, _, directions in DIRECTIONS[:2]
            for direction in directions[:2]
        ]
    return found


def _combine_wrongly(scene: Scene, rng: np.random.Generator) -> str | None:
    """An expression with the noun of an object and a modifier that is false of all objects of that noun."""
    pool = [i for i in scene.targets if scene.objects[i].category not in STUFF]
    if not pool:
        return None
    obj = scene.objects[int(rng.choice(pool))]
    noun = _draw_noun(obj, rng) if obj.category else find_head_noun(str(rng.choice(obj.expressions)))
    if noun is None or noun in (*GENERIC_NOUNS, "someone"):
        return None
    if not obj.category and is_a(noun, "person") is not False:
        return None
    candidates = scene.rivals(noun)
    if obj.owner is not None and any(not scene.objects[p].clothes_known for p in scene.rivals("person")):
        return None
    modifiers: list[Modifier] = []
    if not any(scene.objects[i].category in PEOPLE for i in candidates):
        modifiers += [colour_modifier(scene, name) for name in COLOURS]
    if obj.owner is None:
        modifiers += [*motion_modifiers(scene, obj.category or noun), *place_modifiers(scene)]
        if all(scene.objects[i].clothes_known for i in candidates):
            modifiers += imagined_clothing_modifiers(scene)
    false = [modifier for modifier in modifiers if all(modifier.test(i) is False for i in candidates)]
    if not obj.category:
        false = [m for m in false if m.slot in ("colour", "place") and not obj.mentioned & set(m.phrases)]
    modifier = draw_modifier(false, rng)
    if modifier is None:
        return None
    return compose_expression(noun, [modifier], rng, article="the" if rng.random() < 0.7 else "a")
