"""Line-ups, and what is said of them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from candidate_runs import PICTURES, opened
from coco_folder import Shape, write_coco

from vlp_rvos.data.outlined_pictures import GENERATED
from vlp_rvos.data.picture_config import PictureSource


def test_line_ups_say_what_people_say_of_one_picture(tmp_path: Path) -> None:
    names = ["lizard", "bridge", "bird", "bird"]
    shapes = [[Shape(name, (40, 20, 120, 80), (200, 30, 30))] for name in (*names, "lizard")]
    write_coco(tmp_path / "single", shapes)
    said = {
        f"picture{k}.png": {
            "objects": {str(k): [f"the {name}", f"the red {name} on the left"]},
            "absent": [f"the blue {name}", "the bird on a roof" if name == "bird" else "the bird in a tree"],
        }
        for k, name in enumerate(names, 1)
    }
    (tmp_path / "single" / "expressions.json").write_text(json.dumps({"images": said}))
    source = PictureSource("single", hold_out_share=0.0, line_ups=12)
    (found,) = opened(tmp_path, source)
    assert 6 < len(found.line_ups) <= 12
    assert not any("picture5" in line_up.name for line_up in found.line_ups), "it may show a bridge, or a bird"
    assert {len(line_up.load().ids) for line_up in found.line_ups} == {2}
    for line_up in found.line_ups:
        loaded = line_up.load()
        assert np.array_equal(loaded.masks, line_up.load().masks), "it must be the same each time"
        # Two birds never stand side by side, and a bird may be the bird that another picture lacks.
        shown = [names[int(i.split("/")[1]) - 1] for i in loaded.ids]
        assert len(set(shown)) == len(shown)
        true = {x.text: x.thing_ids for x in line_up.expressions if x.thing_ids}
        assert true == {f"the {name}": (i,) for name, i in zip(shown, loaded.ids, strict=True)}
        false = {x.text for x in line_up.expressions if not x.thing_ids}
        bird = "the bird on a roof" if "bird" in shown else "the bird in a tree"
        assert false == {*(f"the blue {name}" for name in shown), bird}


def test_an_animal_never_stands_beside_a_cat(tmp_path: Path) -> None:
    names = ["animal", "cat", "newt", "bridge"]
    write_coco(tmp_path / "single", [[Shape(name, (40, 20, 120, 80), (200, 30, 30))] for name in names])
    said = {f"picture{k}.png": {"objects": {str(k): [f"the small {name}"]}} for k, name in enumerate(names, 1)}
    (tmp_path / "single" / "expressions.json").write_text(json.dumps({"images": said}))
    (found,) = opened(tmp_path, PictureSource("single", hold_out_share=0.0, line_ups=40))
    shown = {frozenset(names[int(i.split("/")[1]) - 1] for i in line_up.load().ids) for line_up in found.line_ups}
    assert {"cat", "newt", "bridge"} in shown or {"cat", "newt"} in shown
    assert not any("animal" in one and not one.isdisjoint({"cat", "newt"}) for one in shown)


def test_expressions_are_generated_about_line_ups(root: Path) -> None:
    (root / "described" / "expressions.json").unlink()
    (found,) = opened(root, replace(PICTURES, hold_out_share=0.0, line_ups=1))
    (line_up,) = found.line_ups
    made = line_up.generate(np.random.default_rng(0), 12)
    assert {x.origin for x in made} == {GENERATED}
    ids = set(line_up.load().ids)
    assert all(set(x.thing_ids) <= ids for x in made)
    assert line_up.generate(np.random.default_rng(0), 0) == []
