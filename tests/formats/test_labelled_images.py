"""Labelled frames whose masks are images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from vlp_rvos.errors import UserError
from vlp_rvos.formats.labelled_images import read_davis, read_mots, read_palette_folder, read_ref_youtube_vos

IDS = np.zeros((6, 8), np.uint8)
IDS[1:3, 2:5], IDS[4:, :2] = 1, 7


def save(path: Path, values: np.ndarray = IDS) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(values).save(path)
    return path


# --- folders of palette images ---------------------------------------------------------------------------------------
def test_a_folder_of_palette_images(tmp_path: Path) -> None:
    for name in ("10", "9"):
        save(tmp_path / f"{name}.png")
    frames = list(read_palette_folder(tmp_path))
    assert [frame.name for frame in frames] == ["9", "10"]
    assert [(thing.track, int(thing.mask().sum())) for thing in frames[0].things] == [("1", 6), ("7", 4)]
    assert frames[0].size == (6, 8)


def test_an_empty_frame_has_no_things(tmp_path: Path) -> None:
    save(tmp_path / "0.png", np.zeros((5, 3), np.uint8))
    (frame,) = read_palette_folder(tmp_path)
    assert (frame.size, frame.things) == ((5, 3), ())


def test_an_image_that_was_changed_is_read_again(tmp_path: Path) -> None:
    save(tmp_path / "0.png")
    (frame,) = read_palette_folder(tmp_path)
    save(tmp_path / "0.png", np.ones((16, 18), np.uint8))
    assert frame.things[0].mask().sum() == 16 * 18


@pytest.mark.parametrize("content", [b"", b"no image", b"\x89PNG\r\n\x1a\n"])
def test_a_broken_image(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0.png").write_bytes(content)
    with pytest.raises(UserError, match=r"0\.png"):
        list(read_palette_folder(tmp_path))


def test_a_folder_without_images(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no PNG files"):
        read_palette_folder(tmp_path)


# --- DAVIS -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("level", ["", "480p"])
def test_davis_with_and_without_resolutions(tmp_path: Path, level: str) -> None:
    save(tmp_path / "Annotations" / level / "dog" / "00000.png")
    picture = save(tmp_path / "JPEGImages" / level / "dog" / "00000.jpg", np.zeros((6, 8, 3), np.uint8))
    (tmp_path / "objects.txt").write_text("1\ta red car\nx\ty\n7\n")
    (frame,) = read_davis(tmp_path)
    assert (frame.video, frame.name, frame.image) == ("dog", "00000", picture)
    assert [(thing.track, thing.texts) for thing in frame.things] == [("1", ("a red car",)), ("7", ())]


def test_numbers_that_are_no_object_ids_are_left_out(tmp_path: Path) -> None:
    save(tmp_path / "Annotations" / "dog" / "0.png")
    (tmp_path / "objects.txt").write_text(f"{'9' * 5000}\ta\n-1\tb\n²\tc\n7\td\n")
    (frame,) = read_davis(tmp_path)
    assert [thing.texts for thing in frame.things] == [(), ("d",)]


def test_davis_without_videos(tmp_path: Path) -> None:
    (tmp_path / "Annotations").mkdir()
    with pytest.raises(UserError, match="no videos in"):
        read_davis(tmp_path)


# --- Ref-YouTube-VOS -------------------------------------------------------------------------------------------------
def test_an_object_has_all_that_is_said_about_it(tmp_path: Path) -> None:
    save(tmp_path / "Annotations" / "dog" / "00000.png")
    save(tmp_path / "JPEGImages" / "dog" / "00000.jpg", np.zeros((6, 8, 3), np.uint8))
    expressions = '{"0": {"exp": "a", "obj_id": "1"}, "1": {"exp": "b", "obj_id": "1"}, "2": {"exp": "c"}}'
    (tmp_path / "meta_expressions.json").write_text(
        f'{{"videos": {{"dog": {{"expressions": {expressions}, "frames": ["00000", "00005"]}}}}}}'
    )
    (frame,) = read_ref_youtube_vos(tmp_path)
    (thing,) = frame.things
    assert (thing.track, thing.texts, int(thing.mask().sum())) == ("1", ("a", "b"), 6)


# --- MOTS ------------------------------------------------------------------------------------------------------------
def mots(folder: Path, values: np.ndarray, labels: str = "car\nperson\n") -> Path:
    save(folder / "train" / "instances" / "a.png", values)
    (folder / "train" / "instances" / "labels.txt").write_text(labels)
    return folder


def test_mots_of_another_program(tmp_path: Path) -> None:
    ids = np.zeros((6, 8), np.uint16)
    ids[:2], ids[3], ids[5] = 1003, 2001, 10000
    for folder in (mots(tmp_path, ids), tmp_path / "train"):
        (frame,) = read_mots(folder)
        assert [(thing.track, thing.label) for thing in frame.things] == [("car 3", "car"), ("person 1", "person")]
        assert [int(thing.mask().sum()) for thing in frame.things] == [16, 8]


def test_with_ten_labels_the_tenth_is_no_longer_ignored(tmp_path: Path) -> None:
    ids = np.full((6, 8), 10001, np.uint16)
    (frame,) = read_mots(mots(tmp_path, ids, "".join(f"l{i}\n" for i in range(1, 11))))
    assert [thing.label for thing in frame.things] == ["l10"]


def test_a_label_that_is_not_listed(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"label number 5, but labels\.txt lists 2"):
        list(read_mots(mots(tmp_path, np.full((6, 8), 5001, np.uint16))))


def test_an_image_in_colours_is_no_mots(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a\.png is not an image of 16-bit numbers"):
        list(read_mots(mots(tmp_path, np.zeros((6, 8, 3), np.uint8))))


def test_mots_without_labels(tmp_path: Path) -> None:
    (tmp_path / "instances").mkdir()
    with pytest.raises(UserError, match=r"no instances/labels\.txt"):
        read_mots(tmp_path)
