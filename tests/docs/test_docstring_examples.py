"""The examples in docstrings and in the page about Python run."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scripts import ROOT

SOURCE = ROOT / "src" / "vlp_rvos"
MODULES = sorted(
    "vlp_rvos." + ".".join(file.relative_to(SOURCE).with_suffix("").parts)
    for file in SOURCE.rglob("*.py")
    if re.search(r"^ *>>> (?!.*\+SKIP)", file.read_text(), re.MULTILINE)
)
#: examples that run a real model
WITH_MODEL = {"vlp_rvos.inference.segmenter", "vlp_rvos.inference.stream"}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in WITH_MODEL else name for name in MODULES]
)
def test_examples_in_docstrings(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"frames": [np.zeros((48, 64, 3), np.uint8)] * 2}
    if name in WITH_MODEL:
        from vlp_rvos import Segmenter

        names["segmenter"] = Segmenter.from_pretrained("mini", device="cpu", size=128)
        write_dog(tmp_path / "dog.mp4")
    module = importlib.import_module(name)
    failed, tried = doctest.testmod(module, extraglobs=names, optionflags=doctest.ELLIPSIS)
    assert tried
    assert not failed


def write_dog(path: Path) -> None:
    """A short video."""
    from vlp_rvos.media.video_writer import VideoWriter

    with VideoWriter(path, fps=24) as writer:
        for number in range(2):
            writer.write(np.full((48, 64, 3), 90 * number, np.uint8), number / 24)


@pytest.mark.slow
def test_the_first_example_of_the_page_about_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "python.md").read_text()
    example = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0]
    write_dog(tmp_path / "dog.mp4")
    monkeypatch.chdir(tmp_path)
    exec(example, {})
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["00000.png", "00001.png"]
