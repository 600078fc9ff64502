"""Rules of the tests themselves: no test file imports another, and none reaches for private names."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.slow_tests import LONG, OF_THINGS, SOME, THING, choose_slow, listed

TESTS = Path(__file__).parent
PRIVATE = re.compile(r"_[a-z]\w*(?<!_)")  # `_repr_html_`, with a line at both ends, is what notebooks ask for.
OF_TUPLES = {"_replace", "_asdict", "_fields"}  # public, though they do not look it
FILES = sorted(TESTS.rglob("*.py"))


def imports_between_tests(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Imports from a test file or a conftest; `tests.support` is for what is shared."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            if node.level or (source.split(".")[0] == "tests" and source.split(".")[1:2] != ["support"]):
                yield f"line {node.lineno} imports from {source}"


def private_names(nodes: Sequence[ast.AST]) -> Iterator[str]:
    """Private functions that are imported, and private attributes of what is not the object itself."""
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "self"):
            names = [node.attr]
        elif isinstance(node, ast.Constant) and str(node.value).startswith("mai."):
            names = str(node.value).split(".")
        else:
            continue
        yield from (f"line {node.lineno} uses {n}" for n in names if PRIVATE.fullmatch(n) and n not in OF_TUPLES)


@pytest.mark.parametrize("folder", sorted({path.parent for path in FILES}), ids=lambda f: str(f.relative_to(TESTS)))
def test_a_test_stands_alone_and_uses_public_names(folder: Path) -> None:
    wrong = []
    for path in (p for p in FILES if p.parent == folder):
        nodes = [*ast.walk(ast.parse(path.read_text(encoding="utf-8")))]
        wrong += [f"{path.name}, {what}" for what in (*imports_between_tests(nodes), *private_names(nodes))]
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    [
        "from tests.ops.test_parity import CASES",
        "from .conftest import build",
        "from mai.spec.parsing.parse import _tree",
        "model._session.run()",
        "patch('mai.spec.parsing.parse._tree', None)",
    ],
)
def test_the_rules_see_what_breaks_them(text: str) -> None:
    nodes = [*ast.walk(ast.parse(text))]
    assert [*imports_between_tests(nodes), *private_names(nodes)]


def test_the_slow_ones_are_those_that_take_long() -> None:
    """Of a test with several parameters one stays."""
    seconds = {
        "a": LONG - 0.1,
        "b": LONG + 0.1,
        "c[1]": SOME + 0.05,
        "c[2]": SOME + 0.01,
        "c[3]": LONG + 1,
        "d[1]": LONG + 1,
        f"{OF_THINGS[0]}e[1]": THING - 0.01,
        f"{OF_THINGS[0]}e[2]": THING + 0.1,
    }
    assert choose_slow(seconds) == ["b", "c[1]", "c[3]", "d[1]", f"{OF_THINGS[0]}e[2]"]


def test_the_slow_ones_are_there() -> None:
    """A test that has moved, or has another name, is measured again."""
    texts = {path.relative_to(TESTS.parent).as_posix(): path.read_text(encoding="utf-8") for path in FILES}
    names = {f"{path}::{name}" for path, text in texts.items() for name in re.findall(r"(?m)^def (test_\w+)", text)}
    assert {name.split("[")[0] for name in listed()} <= names
    assert listed() == sorted(set(listed()))
