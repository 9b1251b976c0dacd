"""Safe names and labels."""

from __future__ import annotations

import pytest
from frame_results import result

from vlp_rvos.formats.file_names import frame_stem, one_line_label, safe_name, unique_labels


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("the dog", "the-dog"),
        ("../../etc/passwd", "etc-passwd"),
        ("a\\b:c*d?", "a-b-c-d"),
        ("der größte Hund", "der-größte-Hund"),
        ("赤い車", "赤い車"),
        ("\x1b[31mred\n", "31mred"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("...", "thing"),
        ("", "thing"),
        ("x" * 500, "x" * 60),
        ("a\udce9b", "a-b"),
    ],
)
def test_safe_names(text: str, name: str) -> None:
    assert safe_name(text, "thing") == name


@pytest.mark.parametrize("name", ["00012", "frame 7", "img_3.left", "Ä (1)"])
def test_good_names_of_frames_stay(name: str) -> None:
    assert frame_stem(result(7, name=name)) == name


@pytest.mark.parametrize("name", ["../a", "a/b", "a\\b", ".a", "-a", "con", "a\nb", "a ", "a.", "x" * 300, "a\udce9"])
def test_other_names_of_frames_become_numbers(name: str) -> None:
    assert frame_stem(result(7, name=name)) == "00007"


def test_labels() -> None:
    assert one_line_label("the  red\n\x1bcar ") == "the red car"
    assert unique_labels(["a", "b\n", "a ", "b"]) == (["a", "b"], [0, 1, 0, 1])
    assert one_line_label("\n") == "thing"
