"""Put measured numbers into the documents, so that no number is typed in by hand.

    vlp-rvos evaluate run DATA/davis16/val --skip-ends --json scores.json
    python tools/report.py add davis16-val-shipped scores.json --kind segmentation --title shipped \\
        --command 'vlp-rvos evaluate run DATA/davis16/val --skip-ends'
    python tools/report.py add training-run-12 runs/12/model.safetensors --kind training --title 'run 12' \\
        --command 'vlp-rvos train mini-further -o runs/12 --set data.root=DATA'
    python tools/report.py fill
    python tools/report.py check

`add` puts a row into `docs/results.jsonl`, in place of the row with that name if there is one. `fill` writes the tables
between the `<!-- results:NAME -->` and `<!-- /results -->` marks of all documents, and the plots. `check` names the
documents whose tables are not what `fill` would write, and fails if there are any.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cost_tables
import result_tables
from results_file import Result, put_result, read_results
from script_options import errors_in_one_line, script_parser

from vlp_rvos.data.sources.files import read_json
from vlp_rvos.errors import UserError
from vlp_rvos.utils.atomic import write_bytes

ROOT = Path(__file__).parents[1]
TABLES = {**result_tables.TABLES, **cost_tables.TABLES}
MARKED = re.compile(r"<!-- results:(\w+) -->.*?<!-- /results -->", re.DOTALL)


def documents() -> list[Path]:
    """The pages that may show numbers."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("src/vlp_rvos/weights/*.md"))]


def read_values(file: Path, kind: str) -> dict[str, Any]:
    """What a command wrote, as the table keeps it: a training by its model file, everything else by its JSON file."""
    if kind == "training":
        from vlp_rvos.models.checkpoint import peek

        return dict(peek(file).training)
    values = read_json(file)
    if isinstance(values, list):
        return {"rows": values}
    if kind == "segmentation":
        _drop_curves(values)
    if kind == "pictures":
        # What is kept are the sums, not every expression.
        for key in ("videos", "reliability", "metrics"):
            del values[key]
        values["dataset"], values["model"] = Path(values["dataset"]).name, Path(values["model"]).stem
    return dict(values)


def _drop_curves(scores: dict[str, Any]) -> None:
    """Keep the means of a score file, not the value of every frame, and no folders of this machine."""
    for expressions in scores["videos"].values():
        for expression in expressions.values():
            for curve in ("J", "F"):
                expression.pop(curve, None)
    scores["dataset"] = Path(scores["dataset"]).name
    scores["model"] = Path(scores["model"]).stem


def stale(pages: Iterable[Path]) -> Iterator[tuple[Path, str]]:
    """The documents whose tables are not those of the results, with the text that they should have.

    Raises:
        UserError: A mark names a table that does not exist.
    """
    results = read_results()
    tables: dict[str, str] = {}

    def table(match: re.Match[str]) -> str:
        name = match[1]
        if name not in TABLES:
            raise UserError(f"there is no table {name}; there are {', '.join(TABLES)}")
        if name not in tables:
            tables[name] = TABLES[name](results)
        return f"<!-- results:{name} -->\n{tables[name]}\n<!-- /results -->"

    for page in pages:
        text = page.read_text("utf-8")
        if (filled := MARKED.sub(table, text)) != text:
            yield page, filled


@errors_in_one_line
def main() -> None:
    parser = script_parser(__doc__)
    commands = parser.add_subparsers(dest="action", required=True)
    add = commands.add_parser("add", help="put a row into the table of results")
    add.add_argument("name", help="unique name of the row")
    add.add_argument("file", type=Path, help="JSON file with the values; of a training its model file")
    add.add_argument("--kind", required=True, help="section of docs/results.md")
    add.add_argument("--title", required=True, help="the row in words")
    add.add_argument("--base", help="name of the row that it is compared with")
    add.add_argument("--command", required=True, help="the command that measures it")
    commands.add_parser("fill", help="write the tables of all documents")
    commands.add_parser("check", help="fail where a document does not show the results of the table")
    arguments = parser.parse_args()
    if arguments.action == "add":
        values = read_values(arguments.file, arguments.kind)
        put_result(Result(arguments.name, arguments.kind, arguments.title, arguments.base, arguments.command, values))
        return
    found = list(stale(documents()))
    if arguments.action == "fill":
        cost_tables.draw_plots(ROOT / "docs" / "plots")
        for page, text in found:
            write_bytes(page, text.encode())
            print(f"written: {page.relative_to(ROOT)}")
    elif found:
        names = ", ".join(str(page.relative_to(ROOT)) for page, _ in found)
        raise UserError(f"tables are stale in {names}: run `python tools/report.py fill`")


if __name__ == "__main__":
    sys.exit(main())
