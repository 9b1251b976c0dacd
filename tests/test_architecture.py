"""The structure of the package: which way imports point, names of modules, and tests that mirror the tree."""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections import Counter
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def architecture() -> ModuleType:
    spec = importlib.util.spec_from_file_location("architecture", ROOT / "tools" / "architecture.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["architecture"] = module
    spec.loader.exec_module(module)
    return module


def test_no_circle_and_no_import_that_points_up(architecture: ModuleType) -> None:
    assert architecture.problems() == []


def test_circles_are_found(architecture: ModuleType) -> None:
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"e"}, "e": set(), "f": {"g"}, "g": {"f"}}
    assert sorted(architecture.circles(graph)) == [["a", "b", "c"], ["f", "g"]]


def test_imports_count_wherever_they_stand(architecture: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "module.py"
    file.write_text(
        "from typing import TYPE_CHECKING\n"
        "from vlp_rvos.models import checkpoint\n"
        "if TYPE_CHECKING:\n    from vlp_rvos.media.rle import encode_mask\n"
        "def function():\n    import vlp_rvos.results\n    import torch\n"
    )
    files = architecture.module_files()
    assert architecture.imports_of(file, files) == {"models.checkpoint", "media.rle", "results"}


def test_picture_and_page_are_fresh(architecture: ModuleType) -> None:
    remedy = "run: python tools/architecture.py"
    assert architecture.PICTURE.read_text(encoding="utf-8") == architecture.draw(), remedy
    page = architecture.PAGE.read_text(encoding="utf-8")
    assert page == architecture.page(page), remedy


def test_no_two_modules_share_a_name(architecture: ModuleType) -> None:
    names = Counter(file.stem for file in architecture.module_files().values() if not file.stem.startswith("__"))
    assert [name for name, count in names.items() if count > 1] == []


def has_logic(file: Path) -> bool:
    """Whether a module has a function that does something: more than a docstring, `...` or `raise`."""

    def does_something(statement: ast.stmt) -> bool:
        constant = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
        return not constant and not isinstance(statement, ast.Raise | ast.Pass)

    functions = (node for node in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(node, ast.FunctionDef))
    return any(does_something(statement) for function in functions for statement in function.body)


def test_every_module_with_logic_has_a_test_file(architecture: ModuleType) -> None:
    missing = []
    for file in architecture.module_files().values():
        if file.stem.startswith("__") or not has_logic(file):
            continue
        test = ROOT / "tests" / file.relative_to(architecture.SOURCE).with_name(f"test_{file.name}")
        if not test.is_file():
            missing.append(str(test.relative_to(ROOT)))
    assert missing == []


def test_no_two_test_files_share_a_name() -> None:
    # pytest cannot collect both, which a run of some of the folders does not show.
    names = Counter(file.name for file in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []
