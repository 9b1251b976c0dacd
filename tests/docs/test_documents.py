"""What the documents say about this repository is true: links, files, modules, commands, options and numbers exist."""

from __future__ import annotations

import importlib
import re
import shlex
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import typer
from scripts import ROOT, load_tool

DIARY = ROOT / "docs" / "log"
PAGES = sorted(
    page
    for pattern in (
        "*.md",
        "docs/**/*.md",
        "examples/*.md",
        "benchmarks/*.md",
        "tools/*.md",
        "src/vlp_rvos/weights/*.md",
    )
    for page in ROOT.glob(pattern)
)
#: the diary speaks of files and commands of its time, the list of changes of modules that have moved
GUIDES = [page for page in PAGES if DIARY not in page.parents and page.name != "CHANGELOG.md"]


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


def prose(page: Path) -> str:
    """The page without its blocks of code."""
    return re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            broken.append(link)
    assert broken == []


@cache
def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return listed.stdout.splitlines()


def exists(path: str) -> bool:
    """Whether a file or folder of the repository has this path, or a longer one that ends with it."""
    folders = f"/{path.rstrip('/')}/"
    return any(f"/{file}".endswith(f"/{path}") or folders in f"/{file}/" for file in tracked())


@pytest.mark.parametrize("page", GUIDES, ids=named)
def test_named_files_exist(page: Path) -> None:
    pattern = r"`([\w./-]+\.(?:py|yaml|toml|svg)|(?:src|docs|tests|tools|benchmarks)/[\w./-]*)`"
    paths = re.findall(pattern, prose(page))
    assert [path for path in paths if "NAME" not in path and not exists(path)] == []


@pytest.mark.parametrize("page", GUIDES, ids=named)
def test_named_modules_exist(page: Path) -> None:
    unknown = []
    for name in set(re.findall(r"\bvlp_rvos(?:\.\w+)+(?<!\.py)\b", page.read_text("utf-8"))):
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            try:
                found: Any = importlib.import_module(".".join(parts[:length]))
            except ModuleNotFoundError:
                continue
            break
        for attribute in parts[length:]:
            found = getattr(found, attribute, None)
        if found is None:
            unknown.append(name)
    assert unknown == []


def commands(page: Path) -> Iterator[list[str]]:
    """The words of every command in the page's shell blocks and inline code."""
    text = page.read_text("utf-8")
    blocks = re.findall(r"^```(?:bash|sh)?\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    lines = [line for block in blocks for line in re.sub(r"\\\n\s*", " ", block).splitlines()]
    lines += re.findall(r"`((?:vlp-rvos|python) [^`]+)`", text)
    for line in lines:
        for command in re.split(r"&&|;", line.partition(" # ")[0].removesuffix("...")):
            if re.match(r"\s*(vlp-rvos|python) ", command):
                try:
                    yield shlex.split(command)
                except ValueError:
                    # The end of the command stands on another line of a quotation.
                    yield command.split()


def with_helpers(script: Path) -> list[Path]:
    """A script and the modules beside it that it imports, which may declare its options."""
    names = re.findall(r"^from (\w+) import", script.read_text(), re.MULTILINE)
    return [script, *(file for name in names if (file := script.with_name(f"{name}.py")).exists())]


def options_of(words: list[str]) -> set[str]:
    """The options that a command of the program has."""
    from vlp_rvos.cli.app import app

    command: Any = typer.main.get_command(app)
    for word in words[1:]:
        if not hasattr(command, "commands"):
            break
        if word.startswith("-"):
            continue
        assert word in command.commands, f"vlp-rvos has no command {word}"
        command = command.commands[word]
    found = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    return found | {"--help", "-h"}


@pytest.mark.parametrize("page", GUIDES, ids=named)
def test_commands_and_their_options_exist(page: Path) -> None:
    unknown = []
    for words in commands(page):
        used = {re.split("=", word)[0] for word in words[1:] if re.match(r"--?[a-z]", word)}
        if words[0] == "vlp-rvos":
            names = [word for word in words if word not in ("NAME", "NAME,")]
            has = options_of(names) if len(names) == len(words) else used
        elif words[1].endswith(".py"):
            assert (ROOT / words[1]).is_file(), words[1]
            source = "".join(file.read_text() for file in with_helpers(ROOT / words[1]))
            has = {option for option in used if f'"{option}"' in source} | {"--help", "-h"}
        else:
            continue
        unknown += [(" ".join(words[:3]), option) for option in used - has]
    assert unknown == []


def test_commands_of_the_results_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    page = "\n".join(
        f"```bash\n{row.command}\n```"
        for row in load_tool("results_file", monkeypatch).read_results().values()
        if row.command is not None
    )
    assert page.count("vlp-rvos evaluate run") > 50
    for block in page.split("```bash\n")[1:]:
        words = shlex.split(block.split("\n```")[0])
        if words[0] == "vlp-rvos":
            assert {word for word in words[1:] if word.startswith("--")} <= options_of(words)
        else:
            assert (ROOT / words[1]).is_file()


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_numbers_with_a_source_are_those_of_the_results(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A number before a row's name, as in "66.9 (`held-out-shipped`)", is its J&F or what the name goes on with."""
    results = load_tool("results_file", monkeypatch).read_results()
    text = " ".join(prose(page).split())
    wrong = []
    for number, name, _, keys in re.findall(r"([\d.]+) \(`([a-z0-9-]+)(: ([\w.&]+))?`\)", text):
        value: Any = results[name].result
        for key in (keys or "J&F").split("."):
            value = value[key]
        if number != f"{100 * value:.1f}":
            wrong.append((number, name, f"{100 * value:.1f}"))
    assert wrong == []


def test_the_page_of_experiments_names_its_sources() -> None:
    text = (ROOT / "docs" / "experiments.md").read_text()
    assert len(re.findall(r"[\d.]+\s\(`[a-z0-9-]+`\)", text)) >= 20


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_code_in_python_compiles(page: Path) -> None:
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.MULTILINE | re.DOTALL):
        compile(block, str(page), "exec")


def test_imports_that_moved_exist_where_they_are_now() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    moved = re.findall(r"^\| `(vlp_rvos[\w.]+)` \| `(vlp_rvos[\w.]+)` \|$", text, re.MULTILINE)
    assert moved
    for _, name in moved:
        module, _, attribute = name.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute), name


def test_there_is_one_version() -> None:
    import yaml

    from vlp_rvos import __version__

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    released = re.findall(r"^## \[(\d[\w.]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert citation["version"] == __version__ == released[0]
    assert 'dynamic = ["version"]' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.parametrize("folder", ["benchmarks", "tools"])
def test_every_script_is_listed(folder: str) -> None:
    listed = set(re.findall(r"\]\((\w+\.py)\)", (ROOT / folder / "README.md").read_text()))
    assert {file.name for file in (ROOT / folder).glob("*.py")} == listed
