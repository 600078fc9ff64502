"""`compiler/ARCHITECTURE.md`: its picture is that of the imports, and its walks go through functions that are really entered."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from benchmarks.walk import FLOW, LINEAR, walk
from mai.compiler.passes.pipeline import GROWN, OPTIMISATION, preparation

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "compiler" / "ARCHITECTURE.md").read_text(encoding="utf-8")
(PICTURE,) = re.findall(r"```mermaid\n(.*?)```", PAGE, re.DOTALL)
BOXES = dict(re.findall(r'(\w+)\["([\w/]+)"\]', PICTURE))
WALKS = {"linear": (LINEAR, "f"), "integrate": (FLOW, "sample"), "~": (FLOW, "sample")}
Arrow = tuple[str, str]


def arrows(kind: str = r"-->|-\.->") -> set[Arrow]:
    """The picture's: `a --> b & c` says that a imports b and c; a dotted arrow, that a part of a needs what b holds."""
    drawn = re.findall(rf"^\s*(\w+)(?:\[.*?\])? (?:{kind}) ([\w &]+)$", PICTURE, re.MULTILINE)
    return {(BOXES[source], BOXES[target.strip()]) for source, targets in drawn for target in targets.split("&")}


def room_of(path: str) -> str | None:
    """The box that a file or a module's path belongs to."""
    return next((room for room in BOXES.values() if f"{path}/".startswith(f"{room}/")), None)


def imported(node: ast.AST) -> Iterator[str]:
    """The modules of mai that are imported when code runs, as paths; what only type checkers import is left out."""
    if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
        return
    if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mai"):
        yield from (f"{node.module}.{alias.name}".removeprefix("mai.").replace(".", "/") for alias in node.names)
    for child in (c for c in ast.iter_child_nodes(node) if not isinstance(c, ast.expr)):
        yield from imported(child)


@cache
def imports() -> frozenset[Arrow]:
    """Which room imports which; the arrays' type, which is no more than a name for numpy's, counts for nobody."""
    arrows = set()
    for path in (p for folder in ("spec", "compiler", "runtime") for p in (ROOT / folder).rglob("*.py")):
        own = room_of(str(path.relative_to(ROOT)))
        names = imported(ast.parse(path.read_text(encoding="utf-8")))
        arrows |= {(own, room_of(n)) for n in names if n != "runtime/arrays/Array"}
    return frozenset((a, b) for a, b in arrows if a and b and a != b)


def reached(start: str, drawn: set[Arrow]) -> set[str]:
    """The rooms that arrows lead to."""
    rooms: set[str] = set()
    left = [start]
    while left:
        after = {b for a, b in drawn if a == left[-1]} - rooms
        left.pop()
        rooms |= after
        left += after
    return rooms


def test_every_room_has_its_box() -> None:
    rooms = {f"compiler/{p.name}" for p in (ROOT / "compiler").iterdir() if (p / "__init__.py").exists()}
    assert set(BOXES.values()) == rooms | {"spec", "runtime"}


def test_every_folder_of_a_room_has_its_sentence() -> None:
    """The first paragraph of what its `__init__.py` says of it."""
    (table,) = re.findall(r"^\| folder \| what it holds \|\n(.*?)\n\n", PAGE, re.DOTALL | re.MULTILINE)
    described = dict(re.findall(r"^\| `([\w/]+)` \| (.+) \|$", table, re.MULTILINE))
    packages = [p.parent for folder in ("spec", "compiler", "runtime") for p in (ROOT / folder).rglob("__init__.py")]
    inside = {
        str(p.relative_to(ROOT)): p for p in packages if str(p.relative_to(ROOT)) not in {"compiler", *BOXES.values()}
    }
    says = {
        name: ast.get_docstring(ast.parse((p / "__init__.py").read_text("utf-8"))) or "" for name, p in inside.items()
    }
    assert described == {name: text.split("\n\n")[0].replace("\n", " ") for name, text in says.items()}


def test_the_picture_is_read_to_the_last_line() -> None:
    lines = [line for line in PICTURE.splitlines() if "->" in line]
    assert sum(1 + line.count("&") for line in lines) == len(arrows())
    assert len(BOXES) == PICTURE.count("[")


def test_every_arrow_is_an_import() -> None:
    assert arrows() - imports() == set()


def test_every_import_goes_along_arrows() -> None:
    """Down any number of solid ones, or by a dotted one."""
    solid, dotted = arrows("-->"), arrows(r"-\.->")
    assert {(a, b) for a, b in imports() - dotted if b not in reached(a, solid)} == set()


def test_arrows_go_down() -> None:
    """Without the dotted ones there is no way back to where one came from."""
    drawn = arrows("-->")
    assert [room for room in BOXES.values() if room in reached(room, drawn)] == []


def test_the_passes_are_those_of_the_pipeline() -> None:
    """A pass that runs a second time is called after the first, with what it cleans up behind an underscore."""
    listed = [*preparation(), *(p for way in GROWN.values() for p in way), *preparation(drafts=1), *OPTIMISATION]
    (table,) = re.findall(r"^\| pass \| what it does \|\n(.*?)\n\n", PAGE, re.DOTALL | re.MULTILINE)
    described = set(re.findall(r"`(\w+)`(?=[^|]* \| )", table))
    assert described == {re.sub(r"^(share|prune)_.*", r"\1", p.name) for p in listed}


@cache
def functions_of(text: str, export: str) -> frozenset[tuple[str, str]]:
    """The functions that a walk enters, by file. What a process does once is done in a walk before, as `benchmarks.walk` has it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MAI_VERIFY", raising=False)  # Tests look at the graph after every pass.
        walk(text, export)
        return frozenset((file, function.replace("<locals>.", "")) for file, function in walk(text, export).all)


def test_the_walks_are_as_long_as_the_page_says() -> None:
    (said,) = re.findall(r"counts (\d+) functions in (\d+) files for `linear`, and (\d+) in (\d+) for the flow", PAGE)
    entered = [functions_of(*WALKS[name]) for name in ("linear", "integrate")]
    counts = [n for functions in entered for n in (len(functions), len({file for file, _ in functions}))]
    assert counts == pytest.approx([*map(int, said)], rel=0.02)


@pytest.mark.parametrize("name", WALKS)
def test_a_walk_is_what_is_entered(name: str) -> None:
    """Each of its rows names a file and a function that the walk from text to bytes enters, in this order of stages."""
    (section,) = re.findall(rf"^### `{re.escape(name)}`.*?\n(.*?)^##", PAGE, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| `([\w/]+\.py)` \| `([\w.]+)`", section, re.MULTILINE)
    entered = functions_of(*WALKS[name])
    assert len(rows) > 5
    assert [row for row in rows if row not in entered] == []
