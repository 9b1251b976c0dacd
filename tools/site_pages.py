"""Hooks of MkDocs that make the site from `docs/` and from what its pages link to (`mkdocs.yml`).

The pages read as well in the repository: they link to files there, and need nothing of the site. What lies outside
`docs/` and is linked to becomes a page below `repository/`, a source file with its text in colours. The reference of
`vlp_rvos` is made of the docstrings, and notebooks become pages. In `mkdocs.yml`, an entry of the navigation that ends
in `*.md` stands for all pages of a folder that are not named elsewhere.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "vlp_rvos"
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"(^ *```.*?^ *```[^\n]*$)", re.MULTILINE | re.DOTALL)
COLOURS = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".cjs": "javascript", ".cff": "yaml"}

IMAGES = (".png", ".jpg", ".svg", ".gif", ".mp4")
#: How mkdocstrings shows a module, below a heading and a link to its file.
MODULE_OPTIONS = ("      heading_level: 3", "      show_root_heading: false", "      show_root_toc_entry: false")

#: Folders of the package whose modules the reference describes, and what they are for.
REFERENCE = {
    "inference": "Models on videos and live sources",
    "media": "Videos, images and masks as files",
    "formats": "Formats of other tools",
    "evaluation": "Scores",
    "explaining": "Why a mask was painted",
    "batch": "Many videos",
    "serving": "The service",
    "web": "The page in the browser",
    "teaching": "Things of your own",
    "models": "The method, part by part",
    "models/backbones": "Frozen backbones",
    "runtimes": "What runs a model",
    "export": "Models for other runtimes",
    "training": "Training",
    "data/benchmarks": "Benchmarks",
    "data/sources": "Data sets of your own",
    "data/synthesis": "Clips made of pictures",
}


def place(path: str) -> str:
    """Where the site has a file of the repository; both paths use slashes and begin at the root."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/").removesuffix(".ipynb") + (".md" if path.endswith(".ipynb") else "")
    if (ROOT / path).is_dir():
        path += "/README.md"
    return f"repository/{path}" + ("" if path.endswith((".md", *IMAGES)) else ".md")


def targets(text: str, path: str) -> Iterator[tuple[str, str]]:
    """The links of a page to files of the repository: as written, and as paths from the root without anchors."""
    for link in LINK.findall("".join(FENCE.split(text)[::2])):
        target = link.partition("#")[0]
        if target and "://" not in target and not target.startswith("mailto:"):
            yield link, posixpath.normpath(posixpath.join(posixpath.dirname(path), target))


def text_of(path: str) -> str:
    """A file of the repository as Markdown."""
    file = ROOT / path
    if file.is_dir():
        names = sorted(entry.name for entry in file.iterdir() if not entry.name.startswith((".", "__")))
        if "README.md" in names:
            return (file / "README.md").read_text("utf-8")
        return f"# `{path}`\n\n" + "".join(f"- `{name}`\n" for name in names)
    text = file.read_text("utf-8")
    if file.suffix == ".md":
        return text
    if file.suffix == ".ipynb":
        return notebook(text)
    fence = "`" * (1 + max(map(len, re.findall(r"`{3,}", text)), default=2))
    return f"# `{path}`\n\n{fence}{COLOURS.get(file.suffix, 'text')}\n{text}\n{fence}\n"


def notebook(text: str) -> str:
    """The cells of a notebook, one after the other."""
    cells = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        cells.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
    return "\n\n".join(cells) + "\n"


def relinked(text: str, path: str) -> str:
    """The page with its links to files of the repository as links to pages of the site."""
    here = posixpath.dirname(place(path))
    parts = FENCE.split(text)
    for number in range(0, len(parts), 2):
        for link, target in targets(parts[number], path):
            anchor = link[link.index("#") :] if "#" in link else ""
            parts[number] = parts[number].replace(
                f"]({link})", f"]({posixpath.relpath(place(target), here or '.')}{anchor})"
            )
    return "".join(parts)


def as_python_markdown(text: str) -> str:
    """The page with what GitHub's Markdown takes and Python's does not: lists and tables right after another block."""
    parts = FENCE.split(text)
    for number in range(0, len(parts), 2):
        part = parts[number]
        if number:
            part = re.sub(r"\A\n(?=[-*|]|\d+\. )", "\n\n", part)
        part = re.sub(r"^(<!-- [^\n]* -->)\n(?=\S)", r"\1\n\n", part, flags=re.MULTILINE)
        parts[number] = re.sub(r"^(\|.*)\n(?=<!--)", r"\1\n\n", part, flags=re.MULTILINE)
    return "".join(parts)


def public_modules(folder: str) -> list[Path]:
    """The modules of a folder of the package, without those that begin with an underscore."""
    return [file for file in sorted((PACKAGE / folder).glob("*.py")) if not file.name.startswith("_")]


def reference() -> dict[str, str]:
    """The pages of the reference: their places and texts."""
    import vlp_rvos

    names = [name for name in vlp_rvos.__all__ if name != "__version__"]
    first = ["# Python reference", "", "These names come from `vlp_rvos` itself:", ""]
    first += [f"- [`{name}`](#{vlp_rvos._MODULES[name]}.{name})" for name in names]
    first += ["", "The modules below them:", ""]
    first += [f"- [{title}]({folder.replace('/', '-')}.md): `vlp_rvos.{folder.replace('/', '.')}`"
              for folder, title in REFERENCE.items()]  # fmt: skip
    for name in names:
        first += ["", f"::: {vlp_rvos._MODULES[name]}.{name}", "    options:", "      heading_level: 2"]
    pages = {"api/README.md": "\n".join(first) + "\n"}
    for folder, title in REFERENCE.items():
        lines = [f"# {title}", ""]
        for file in public_modules(folder):
            path = file.relative_to(ROOT).as_posix()
            lines += [f"## {file.stem}", "", f"[`{path}`](../repository/{path}.md)", ""]
            module = f"vlp_rvos.{folder.replace('/', '.')}.{file.stem}"
            elsewhere = [name for name in names if vlp_rvos._MODULES[name] == module]
            if elsewhere:
                lines += [f"`{', '.join(elsewhere)}`: [on the first page](README.md).", ""]
            hidden = [f'"!^{name}$"' for name in ("_.*", *elsewhere)]
            lines += [f"::: {module}", "    options:", *MODULE_OPTIONS, f"      filters: [{', '.join(hidden)}]", ""]
        pages[f"api/{folder.replace('/', '-')}.md"] = "\n".join(lines)
    return pages


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages of a folder into the navigation where it says so."""
    named = set(leaves(config.nav or []))
    config.nav = expanded(config.nav, lambda pattern: unnamed(pattern, named, Path(config.docs_dir)))
    return config


def leaves(entries: Iterable[Any]) -> Iterator[str]:
    """The paths that a navigation names."""
    for entry in entries:
        values = entry.values() if isinstance(entry, dict) else [entry]
        for value in values:
            yield from leaves(value) if isinstance(value, list) else [value]


def expanded(entries: list[Any], pages: Callable[[str], list[str]]) -> list[Any]:
    """A navigation whose patterns are replaced by the pages that they stand for."""
    found: list[Any] = []
    for entry in entries:
        if isinstance(entry, str) and "*" in entry:
            found += pages(entry)
        elif isinstance(entry, dict):
            found.append({k: expanded(v, pages) if isinstance(v, list) else v for k, v in entry.items()})
        else:
            found.append(entry)
    return found


def unnamed(pattern: str, named: set[str], docs: Path) -> list[str]:
    """The pages that a pattern stands for: of the folder `docs`, or of the reference."""
    pages = reference() if pattern.startswith("api/") else {p.relative_to(docs).as_posix() for p in docs.glob(pattern)}
    return [page for page in (pages if isinstance(pages, dict) else sorted(pages)) if page not in named]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are made: of linked files of the repository, of notebooks, and of the reference."""
    for src_uri, text in reference().items():
        files.append(File.generated(config, src_uri, content=text))
    listed = [*files]
    waiting = [f"docs/{file.src_uri}" for file in listed if file.is_documentation_page() and file.generated_by is None]
    for file in listed:
        if file.src_uri.endswith(".ipynb"):
            waiting.append(f"docs/{file.src_uri}")
            files.append(File.generated(config, place(f"docs/{file.src_uri}"), content=notebook(file.content_string)))
    # The reference links to every module, the pages to some of them.
    found = [path.relative_to(ROOT).as_posix() for folder in REFERENCE for path in public_modules(folder)]
    seen = set(waiting)
    while found or waiting:
        if not found:
            path = waiting.pop()
            found = [target for _, target in targets(text_of(path), path)]
        for target in found:
            if target.startswith("docs/") or target in seen or not (ROOT / target).exists():
                continue
            seen.add(target)
            if target.endswith(IMAGES):
                files.append(File.generated(config, place(target), abs_src_path=str(ROOT / target)))
                continue
            text = text_of(target)
            if not target.endswith(".md"):
                text = f"---\nhide: [navigation, toc]\nsearch: {{exclude: true}}\n---\n{text}"
            else:
                waiting.append(target)
            files.append(File.generated(config, place(target), content=text, inclusion=InclusionLevel.NOT_IN_NAV))
        found = []
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to the pages of the site."""
    uri = page.file.src_uri
    if uri.startswith("api/"):
        return markdown
    path = uri.removeprefix("repository/") if uri.startswith("repository/") else f"docs/{uri}"
    if uri.startswith("repository/") and not path.endswith("README.md") and not (ROOT / path).exists():
        path = path.removesuffix(".md")
    if not path.endswith((".md", ".ipynb")):
        return markdown
    return as_python_markdown(relinked(markdown, path))
