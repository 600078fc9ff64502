"""`spec/functions.md` says what functions and layers there are."""

from __future__ import annotations

from pathlib import Path

import mai.spec
from mai.compiler.data.sources import SOURCES
from mai.compiler.elaborate.functions.function_reference import explained, listing, sections
from mai.compiler.elaborate.functions.registered import BUILTINS, FUNCTIONS, listed
from mai.compiler.ir.operation import OPERATIONS
from mai.compiler.solvers import SOLVERS
from mai.spec import is_public, prelude_parts


def test_the_page_is_up_to_date() -> None:
    path = Path(mai.spec.__path__[0]) / "functions.md"
    assert path.read_text(encoding="utf-8") == listing(), "run `make docs`"


def test_every_function_is_listed() -> None:
    assert sorted(listed()) == sorted([*BUILTINS, "training"])


def test_every_function_of_an_operation_says_what_it_is_and_has_a_case() -> None:
    for name in FUNCTIONS:
        assert listed()[name].says.endswith("."), name
        assert explained(name) is not None
    assert all(op.cases for op in OPERATIONS.values() if op.function is not None)


def test_everything_is_listed_and_says_what_it_is() -> None:
    entries = [entry for section in sections() for entry in section.entries]
    public = set(filter(is_public, prelude_parts()))
    assert {*BUILTINS, *public, *SOLVERS, *SOURCES} <= {entry.name for entry in entries}
    assert not [entry.name for entry in entries if not is_public(entry.name)]
    assert [entry.name for entry in entries if not entry.says] == []


def test_a_name_is_explained() -> None:
    explanation = explained("linear")
    assert explanation is not None
    assert explanation.startswith("linear(x: [d], n, bias = true") and "linear(warmup = 0, final = 0)" in explanation
    assert explained("split") == (
        "split(x, parts, axis?)\n"
        "  So many equal parts along an axis, the last by default: `(q, k, v) = split(y, 3)`. A list has the sizes of the parts, `split(y, [8, 8, 1])`. (Shapes)\n"
        "  for example: split([1, 2, 3, 4], 2) gives ([1, 2], [3, 4])"
    )
    assert explained("cat") is None
