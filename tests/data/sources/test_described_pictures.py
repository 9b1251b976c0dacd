"""The reader of described pictures: what it reads, and what it says of files that it cannot read."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from coco_folder import Shape, write_coco
from described_folder import ALIKE, EXPRESSIONS, LEFT, box_mask, write_described

from vlp_rvos.data.sources.described_pictures import DescribedPictures, PictureExpression
from vlp_rvos.data.sources.holdout import is_in_part
from vlp_rvos.errors import UserError

REAL = Path(__file__).parents[4] / "shared" / "data"


def test_reads_pictures_things_and_expressions(tmp_path: Path) -> None:
    data = DescribedPictures(write_described(tmp_path))
    assert data.origins == ["expressions", "alike"]
    first, second = data.pictures
    assert (first.name, first.path, first.size) == ("picture1.png", tmp_path / "images" / "picture1.png", (90, 160))
    assert [(thing.id, thing.category, thing.is_crowd) for thing in first.things] == [
        ("1", "car", False),
        ("2", "car", False),
    ]
    assert (first.things[0].mask() == box_mask(*LEFT)).all()
    assert first.load_image().shape == (90, 160, 3)
    assert first.expressions == (
        PictureExpression("the red car", ("1",), "expressions"),
        PictureExpression("the car on the left", ("1",), "expressions"),
        PictureExpression("the car next to the red one", ("2",), "expressions"),
        PictureExpression("both cars", ("1", "2"), "expressions"),
        PictureExpression("the bus", (), "expressions"),
        PictureExpression("the green car", (), "expressions"),
        PictureExpression("second car from the left", ("2",), "alike"),
        PictureExpression("third car", (), "alike"),
    )
    assert [x.text for x in second.expressions] == ["the dog"]


def test_loading_processes_can_take_a_picture(tmp_path: Path) -> None:
    picture = pickle.loads(pickle.dumps(DescribedPictures(write_described(tmp_path)).pictures[0]))
    assert picture.things[1].mask().sum() == 1600


def test_files_of_other_kinds_are_left_alone(tmp_path: Path) -> None:
    folder = write_described(tmp_path, expressions=EXPRESSIONS, sources=[1], other={"images": []}, z={"a": 1})
    assert DescribedPictures(folder).origins == ["expressions"]


def test_pictures_that_nobody_described_need_no_file(tmp_path: Path) -> None:
    folder = write_described(tmp_path, expressions={"images": {}})
    (tmp_path / "images" / "picture1.png").unlink()
    assert [picture.expressions for picture in DescribedPictures(folder).pictures] == [(), ()]


def edited(edit: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    content = deepcopy(EXPRESSIONS)
    edit(content["images"]["picture1.png"])  # type: ignore[arg-type]
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "is not a file of expressions: it needs"),
        ({"images": []}, "is not a file of expressions: it needs"),
        ({"images": {"other.png": {}}}, "describes 'other.png', which instances.json does not list"),
        ({"images": {"picture1.png": []}}, "is not a mapping with objects, groups and absent"),
        (edited(lambda e: e.update(objects=[])), "'objects': [] is none of objects, groups and absent"),
        (edited(lambda e: e.update(abesnt=[])), "'abesnt': [] is none of"),
        (edited(lambda e: e.update(absent="the bus")), "'absent': 'the bus' is none of"),
        (edited(lambda e: e["objects"].update({"1": "car"})), "the expressions of thing '1' are 'car', not a list"),
        (edited(lambda e: e["objects"].update({"3": ["dog"]})), "'dog' means thing '3', which instances.json"),
        (edited(lambda e: e["groups"].append([[1, 9], "all"])), "'all' means thing 9, which instances.json"),
        (edited(lambda e: e["groups"].append([[1, True], "all"])), "'all' means thing True, which"),
        (edited(lambda e: e["groups"].append([[1, 1.5], "all"])), "'all' means thing 1.5, which"),
        (edited(lambda e: e["groups"].append([[1, 1], "all"])), "'all' means a thing twice: [1, 1]"),
        (edited(lambda e: e["groups"].append([[], "all"])), "the group [[], 'all'] is not [[id, ...], text]"),
        (edited(lambda e: e["groups"].append("all")), "the group 'all' is not [[id, ...], text]"),
        (edited(lambda e: e["absent"].append(" ")), "' ' is not an expression"),
        (edited(lambda e: e["absent"].append("\u200d")), "'\\u200d' is not an expression"),
        (edited(lambda e: e["absent"].append(5)), "5 is not an expression"),
    ],
)
def test_mistakes_in_a_file_of_expressions(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        DescribedPictures(write_described(tmp_path, expressions=content))
    assert message in str(caught.value)
    assert str(tmp_path / "expressions.json") in str(caught.value)
    assert "\n" not in str(caught.value)


def test_mistakes_in_a_further_file_name_it(tmp_path: Path) -> None:
    alike = deepcopy(ALIKE)
    alike["images"]["picture1.png"]["absent"] = [None]  # type: ignore[list-item]
    with pytest.raises(UserError, match=r"alike\.json, picture 'picture1\.png': None is not an expression"):
        DescribedPictures(write_described(tmp_path, expressions=EXPRESSIONS, alike=alike))


def test_hidden_files_are_left_alone(tmp_path: Path) -> None:
    folder = write_described(tmp_path / "described")
    # As macOS leaves it beside a file on the disks of others.
    (folder / "._alike.json").write_bytes(b"\x00\x05\x16\x07")
    assert DescribedPictures(folder).origins == ["expressions", "alike"]


def test_files_elsewhere_may_speak_of_other_pictures_too(tmp_path: Path) -> None:
    folder = write_described(tmp_path / "described")
    further = tmp_path / "further.json"
    further.write_text(json.dumps({"images": {"picture2.png": {"absent": ["cat"]}, "other.png": {"absent": ["cow"]}}}))
    data = DescribedPictures(folder, [further])
    assert data.origins == ["expressions", "alike", "further"]
    assert data.pictures[1].expressions[-1] == PictureExpression("cat", (), "further")
    further.write_text(json.dumps({"images": {"picture2.png": {"objects": {"1": ["cat"]}}}}))
    with pytest.raises(UserError, match=r"further.json, picture 'picture2.png': 'cat' means thing '1'"):
        DescribedPictures(folder, [further])


@pytest.mark.parametrize("content", ["[]", '{"pictures": {}}'])
def test_a_file_elsewhere_must_be_one_of_expressions(content: str, tmp_path: Path) -> None:
    further = tmp_path / "further.json"
    further.write_text(content)
    with pytest.raises(UserError, match=r"further.json is not a file of expressions"):
        DescribedPictures(write_described(tmp_path / "described"), [further])


def test_missing_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"instances\.json"):
        DescribedPictures(tmp_path)
    write_coco(tmp_path / "bare", [[Shape("dog", (0, 0, 9, 9), (1, 2, 3))]])
    with pytest.raises(UserError, match=r"no such file: .*expressions\.json"):
        DescribedPictures(tmp_path / "bare")
    folder = write_described(tmp_path / "described")
    (folder / "images" / "picture2.png").unlink()
    with pytest.raises(UserError, match=r"no such file: .*picture2\.png, which expressions\.json describes"):
        DescribedPictures(folder)


@pytest.mark.skipif(not (REAL / "pictures" / "alike.json").is_file(), reason="needs the real pictures")
def test_the_real_pictures() -> None:
    data = DescribedPictures(REAL / "pictures")
    held_out = [picture for picture in data.pictures if is_in_part(picture.name, "held-out")]
    assert (len(data), len(held_out), data.origins) == (277, 53, ["expressions", "alike"])
