"""The site of the documents builds without a warning, and fetches nothing from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from scripts import ROOT

import vlp_rvos

pytest.importorskip("mkdocs")
pytest.importorskip("material")
pytest.importorskip("mkdocstrings")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_it_has_every_page(site: Path) -> None:
    pages = [page.relative_to(ROOT / "docs") for page in (ROOT / "docs").rglob("*.md")]
    assert len(pages) > 30
    names = [page.with_name("index.html" if page.name == "README.md" else f"{page.stem}.html") for page in pages]
    assert [name for name in names if not (site / name).is_file()] == []


def test_it_fetches_nothing_from_elsewhere(site: Path) -> None:
    fetched = r"<(?:script|img|iframe|source|video)\b[^>]*\bsrc=\"(?:https?:)?//|<link\b[^>]*\bhref=\"(?:https?:)?//"
    pages = list(site.rglob("*.html"))
    assert [page for page in pages if re.search(fetched, page.read_text("utf-8"))] == []
    styles = [style.read_text("utf-8") for style in site.rglob("*.css")]
    assert not any(re.search(r"url\([\"']?(?:https?:)?//|@import", style) for style in styles)


def test_links_to_files_of_the_repository_lead_to_pages(site: Path) -> None:
    method = (site / "method.html").read_text("utf-8")
    assert 'href="repository/src/vlp_rvos/models/cube_frame.py.html"' in method
    assert "class CubeFrame" in re.sub(
        "<[^>]+>", "", (site / "repository/src/vlp_rvos/models/cube_frame.py.html").read_text("utf-8")
    )


def test_the_reference_has_every_public_name(site: Path) -> None:
    reference = (site / "api" / "index.html").read_text("utf-8")
    names = [name for name in vlp_rvos.__all__ if name != "__version__"]
    assert [name for name in names if f'.{name}" class="doc doc-heading"' not in reference] == []
