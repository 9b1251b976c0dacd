"""Draw the architecture from the code's own imports, and list the modules of each room.

    python tools/architecture.py            # writes docs/architecture.svg and the list in docs/architecture.md
    python tools/architecture.py --check    # fails where one of them is stale, or where an import breaks the rules

A room is a folder of the package, or one of the modules beside them. Imports count wherever they stand, also inside
functions and under TYPE_CHECKING. The rules: no circle of modules, no import from a room into a room above it.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "vlp_rvos"
PICTURE, PAGE = ROOT / "docs" / "architecture.svg", ROOT / "docs" / "architecture.md"
BEGIN, END = "<!-- modules: made by tools/architecture.py -->", "<!-- /modules -->"

#: Room -> (what it is for, column of the picture), from the top down. "" is the package's front door, which only hands
#: names on and is not drawn.
ROOMS: dict[str, tuple[str, int]] = {
    "": ("the front door", 0),
    "cli": ("the commands", 2),
    "diagnosis": ("what this machine can do", 1),
    "web": ("the page in the browser", 4),
    "profiling": ("costs as ratios", 3),
    "explaining": ("why a mask was painted, or none", 1),
    "teaching": ("teaches things of the user's own", 2),
    "training": ("trains a model, ablates its parts", 2),
    "pretraining": ("aligns mini's tower with words", 3),
    "evaluation": ("scores masks, by each benchmark's rules", 1),
    "batch": ("many videos on many workers", 3),
    "serving": ("a service over HTTP and WebSocket", 2),
    "inference": ("a model on videos and live sources", 2),
    "export": ("writes models for other runtimes", 2),
    "runtimes": ("what runs a model on one clip", 2),
    "models": ("the method, part by part", 2),
    "models.backbones": ("frozen vision-language towers", 2),
    "data": ("mixes data sets into samples", 0),
    "data.synthesis": ("training clips made of pictures", 0),
    "data.benchmarks": ("the six benchmarks, as published", 0),
    "data.language": ("expressions, and when they are true", 0),
    "formats": ("results and labels of other tools", 1),
    "data.sources": ("general layouts on disk", 0),
    "results": ("what users get for one frame", 1),
    "media": ("video, images and masks as files", 1),
    "utils": ("tools that know no model and no video", 3),
    "base": ("array types, errors, version", 2),
}
BASE = ("arrays", "errors", "_version")
FRONT_DOOR = ("", "video")


def module_files() -> dict[str, Path]:
    """Module name below the package -> its file."""
    names = {}
    for file in sorted(SOURCE.rglob("*.py")):
        parts = file.relative_to(SOURCE).with_suffix("").parts
        names[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return names


def room_of(module: str, files: Mapping[str, Path]) -> str:
    """The room that a module belongs to."""
    if module in FRONT_DOOR:
        return ""
    if module == "__main__":
        return "cli"
    if module in BASE:
        return "base"
    folder = module if files[module].name == "__init__.py" else module.rpartition(".")[0] or module
    while folder not in ROOMS:
        folder, _, _ = folder.rpartition(".")
        if not folder:
            raise ValueError(f"module {module} is in no room: add its folder to ROOMS in tools/architecture.py")
    return folder


def imports_of(file: Path, files: Mapping[str, Path]) -> set[str]:
    """The package's modules that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "vlp_rvos":
            base = node.module.removeprefix("vlp_rvos").lstrip(".")
            for name in (alias.name for alias in node.names):
                inner = f"{base}.{name}".lstrip(".")
                found.add(inner if inner in files else base)
        elif isinstance(node, ast.Import):
            names = (alias.name for alias in node.names if alias.name.split(".")[0] == "vlp_rvos")
            found.update(name.removeprefix("vlp_rvos").lstrip(".") for name in names)
    return found


def module_imports() -> dict[str, set[str]]:
    """Module -> the modules that it imports; the package's front door is left out, because it imports on demand."""
    files = module_files()
    return {name: imports_of(file, files) - {name, ""} for name, file in files.items() if name not in FRONT_DOOR}


def circles(graph: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Groups of nodes that import each other in a loop."""
    order: list[str] = []
    seen: set[str] = set()

    def visit(node: str, edges: Mapping[str, Iterable[str]], into: list[str]) -> None:
        stack = [(node, iter(sorted(edges.get(node, ()))))]
        seen.add(node)
        while stack:
            current, targets = stack[-1]
            target = next((t for t in targets if t not in seen), None)
            if target is None:
                into.append(current)
                stack.pop()
            else:
                seen.add(target)
                stack.append((target, iter(sorted(edges.get(target, ())))))

    backwards = defaultdict(set)
    for node, targets in graph.items():
        for target in targets:
            backwards[target].add(node)
    for node in sorted(graph):
        if node not in seen:
            visit(node, graph, order)
    seen.clear()
    groups = []
    for node in reversed(order):
        if node not in seen:
            group: list[str] = []
            visit(node, backwards, group)
            if len(group) > 1:
                groups.append(sorted(group))
    return groups


def room_imports() -> dict[str, set[str]]:
    """Room -> the rooms that it imports."""
    files = module_files()
    rooms: dict[str, set[str]] = {room: set() for room in ROOMS if room}
    for module, targets in module_imports().items():
        here = room_of(module, files)
        rooms[here] |= {room_of(target, files) for target in targets} - {here}
    return rooms


def upward_imports() -> list[str]:
    """Imports that point from a room to one that stands above it in `ROOMS`."""
    files, rank = module_files(), {room: i for i, room in enumerate(ROOMS)}
    return [
        f"{module} -> {target}"
        for module, targets in module_imports().items()
        for target in sorted(targets)
        if rank[room_of(target, files)] < rank[room_of(module, files)]
    ]


def floors(rooms: Mapping[str, Iterable[str]]) -> dict[str, int]:
    """Room -> its floor: one above the highest room that it imports, 1 where it imports none."""
    found: dict[str, int] = {}
    for room in reversed(list(rooms)):
        found[room] = 1 + max((found.get(target, 0) for target in rooms[room]), default=0)
    return found


def direct_arrows(rooms: Mapping[str, Iterable[str]]) -> list[tuple[str, str]]:
    """Imports between rooms without those that a longer way of arrows implies."""
    reachable: dict[str, set[str]] = {}
    for room in reversed(list(rooms)):
        reachable[room] = set().union(*({target} | reachable.get(target, set()) for target in rooms[room]))
    return [
        (room, target)
        for room, targets in rooms.items()
        for target in sorted(targets)
        if not any(target in reachable[other] for other in targets if other != target)
    ]


def draw() -> str:
    """The picture, as SVG."""
    rooms, files = room_imports(), module_files()
    level = floors(rooms)
    counts = Counter(
        room_of(name, files) for name, file in files.items() if name not in FRONT_DOOR and file.name != "__init__.py"
    )
    width, height, gap, rise, margin = 270, 62, 40, 104, 24
    columns = 1 + max(column for _, column in ROOMS.values())
    top = max(level.values())
    canvas = 2 * margin + columns * width + (columns - 1) * gap, 2 * margin + (top - 1) * rise + height
    taken: dict[tuple[int, int], str] = {}
    for room in rooms:
        # Where two rooms of one floor want the same column, the later one takes the nearest that is free.
        free = (c for c in range(columns) if (c, level[room]) not in taken)
        taken[min(free, key=lambda c: abs(c - ROOMS[room][1])), level[room]] = room
    place = {room: (margin + c * (width + gap), margin + (top - floor) * rise) for (c, floor), room in taken.items()}
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {canvas[0]} {canvas[1]}" '
        'font-family="Helvetica, Arial, sans-serif">',
        '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" fill="#64748b"/></marker></defs>',
        f'<rect width="{canvas[0]}" height="{canvas[1]}" fill="#ffffff"/>',
    ]
    for room, target in direct_arrows(rooms):
        (x1, y1), (x2, y2) = place[room], place[target]
        aside = (x2 > x1) - (x2 < x1)
        x1, y1, x2 = x1 + width * (0.5 + 0.3 * aside), y1 + height, x2 + width * (0.5 - 0.3 * aside)
        bend = min((y2 - y1) / 2, 60)
        parts.append(
            f'<path d="M{x1:.0f} {y1} C{x1:.0f} {y1 + bend:.0f} {x2:.0f} {y2 - bend:.0f} {x2:.0f} {y2 - 2}" '
            'fill="none" stroke="#64748b" stroke-width="1.4" marker-end="url(#head)"/>'
        )
    for room, (x, y) in place.items():
        size = f"{counts[room]} modules" if counts[room] > 1 else "1 module"
        parts.append(
            f'<g transform="translate({x} {y})"><rect width="{width}" height="{height}" rx="7" fill="#eff6ff" '
            'stroke="#2563eb"/><text x="12" y="20" font-size="14" font-weight="bold" fill="#1e3a8a">'
            f"{escape(room.replace('.', '/'))}</text>"
            f'<text x="12" y="37" font-size="12" fill="#334155">{escape(ROOMS[room][0])}</text>'
            f'<text x="12" y="53" font-size="10" fill="#64748b">{size}</text></g>'
        )
    return "\n".join([*parts, "</svg>", ""])


def module_list() -> str:
    """The modules of each room with the first line of their docstrings, as Markdown."""
    files = module_files()
    lines = []
    for room, (purpose, _) in ROOMS.items():
        if not room:
            continue
        lines += [f"### {room.replace('.', '/')}: {purpose}", ""]
        for module, file in files.items():
            if module and file.name != "__init__.py" and room_of(module, files) == room:
                docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
                summary = " ".join(docstring.partition("\n\n")[0].split())
                lines.append(f"- [`{file.name}`](../{file.relative_to(ROOT).as_posix()}): {summary}")
        lines.append("")
    return "\n".join(lines)


def page(text: str) -> str:
    """The page with a fresh list of modules."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{module_list()}\n{END}{after}"


def problems() -> list[str]:
    """What breaks the rules, one line each."""
    return [
        *(f"a circle of imports: {', '.join(group)}" for group in circles(module_imports())),
        *(f"an import that points up: {line}" for line in upward_imports()),
    ]


def main() -> int:
    """Write the picture and the page, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; fail where something is stale")
    check = parser.parse_args().check
    found = problems()
    for file, fresh in ((PICTURE, draw()), (PAGE, page(PAGE.read_text(encoding="utf-8")))):
        if check and (not file.exists() or file.read_text(encoding="utf-8") != fresh):
            found.append(f"{file.relative_to(ROOT)} is stale: run python tools/architecture.py")
        elif not check:
            file.write_text(fresh, encoding="utf-8")
    print("\n".join(found) or "no circle, no import that points up", file=sys.stderr if found else sys.stdout)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
