"""The expressions that come with the package: they fit the data sets that they are about, and nothing held out."""

from __future__ import annotations

from pathlib import Path

import pytest

from vlp_rvos.data.further_expressions import find_expressions, further_expressions
from vlp_rvos.data.sources.described_pictures import DescribedPicture, DescribedPictures
from vlp_rvos.data.sources.files import read_json
from vlp_rvos.data.sources.holdout import DESCRIBED_SHARE, is_held_out
from vlp_rvos.training.train_config import load_config


def test_names_of_the_package_come_before_paths(tmp_path: Path) -> None:
    assert sorted(further_expressions()) == ["pictures", "pictures-held-out", "stills"]
    assert find_expressions("pictures", tmp_path) == further_expressions()["pictures"]
    assert find_expressions("own/said.json", tmp_path) == tmp_path / "own" / "said.json"


@pytest.mark.parametrize("recipe", ["mini", "mini-candidates"])
def test_nothing_is_said_of_what_the_recipes_hold_out(recipe: str) -> None:
    config = load_config(Path(recipe))
    assert config.choice is not None
    named = {name: source.hold_out_share for source in config.choice.sources for name in source.expressions}
    assert named.keys() == {"pictures", "stills"}
    for name, share in named.items():
        pictures = read_json(further_expressions()[name])["images"]
        assert not [picture for picture in pictures if is_held_out(picture, share)]


def test_what_is_said_for_tests_is_about_what_is_held_out() -> None:
    pictures = read_json(further_expressions()["pictures-held-out"])["images"]
    assert pictures
    assert all(is_held_out(picture, DESCRIBED_SHARE) for picture in pictures)


@pytest.mark.parametrize("name", ["pictures", "stills"])
def test_the_real_pictures(name: str, shared: Path) -> None:
    folder = shared / "data" / name
    described = DescribedPictures(folder, [further_expressions()[name]]).pictures
    assert sum(1 for picture in described for x in picture.expressions if x.origin == name) > 3000
    assert not [text for picture in described for text in _said_twice(picture, name)]
    if name == "pictures":
        held_out = [picture for picture in described if is_held_out(picture.name, DESCRIBED_SHARE)]
        assert not [x for picture in held_out for x in picture.expressions if x.origin == name]


def _said_twice(picture: DescribedPicture, origin: str) -> list[str]:
    """Texts of a file that the picture has already, of whatever it means."""
    texts = [x.text.lower() for x in picture.expressions]
    return [x.text for x in picture.expressions if x.origin == origin and texts.count(x.text.lower()) > 1]
