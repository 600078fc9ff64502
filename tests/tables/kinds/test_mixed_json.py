"""Lines of JSON whose values are of several kinds: what has one meaning is read, and the rest is told with its row and column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.compiler.data.batches import load
from mai.compiler.data.sources.table import Table
from mai.compiler.data.tables.dialect import Stated
from mai.compiler.data.tables.files import open_table, read_blocks
from mai.compiler.ir.types import DType, Type
from mai.spec.diagnostics import MaiError


def written(folder: Path, *rows: Any) -> Path:
    path = folder / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(folder: Path, *rows: Any) -> list[Any]:
    """The values of the column `c`."""
    (block,) = read_blocks(open_table(written(folder, *({"c": row} for row in rows)), Stated()), ["c"])
    values: list[Any] = block["c"].to_pylist()
    return values


PARTS = [{"type": "text", "text": "red"}, {"type": "text", "text": " fish"}]
AS_PARTS = [{"type": "text", "text": "blue"}]
SAID = {"role": "user", "content": "blue"}


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1, "2", None, 2.5, "x", True], ["1", "2", None, "2.5", "x", "true"]),
        (["blue", PARTS, None], [AS_PARTS, PARTS, None]),
        (["red", ["blue", "green"]], [["red"], ["blue", "green"]]),
        ([[SAID], [{"role": "user", "content": PARTS}]], [[{**SAID, "content": AS_PARTS}], [{"role": "user", "content": PARTS}]]),
        ([[SAID], None, [{"role": "tool", "content": [], "id": 3}]],
         [[{**SAID, "content": ["blue"], "id": None}], None, [{"role": "tool", "content": [], "id": 3}]]),
    ],
)  # fmt: skip
def test_values_of_several_kinds_that_have_one_meaning(values: list[Any], wanted: list[Any], tmp_path: Path) -> None:
    assert read(tmp_path, *values) == wanted


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["red", {"a": 1}], "row 2: `c` is an object, and a text in row 1"),
        ([1, [2]], "row 2: `c` is a list, and a number in row 1"),
        ([None, [{"a": 1}], [{"a": "x"}]], "row 3: `c`: `a` is a text, and a number in row 2"),
        (["red", [{"a": 1}]], "row 2: `c` is a list, and a text in row 1"),
    ],
)
def test_others_are_told_with_their_row(values: list[Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(MaiError) as caught:
        read(tmp_path, *values)
    assert f"a.jsonl: {message}" in caught.value.diagnostics[0].message


def test_numbers_among_texts_are_numbers_where_a_field_asks_for_them(tmp_path: Path) -> None:
    path = written(tmp_path, *({"x": value, "y": "ab"[place % 2]} for place, value in enumerate([1, "2.5", 3, "4"])))
    fields = {"x": Type(DType.REAL), "y": Type(DType.INT, classes=2)}
    batch = load(Table(path=str(path)), fields, 0, tmp_path).batch(0, 4)
    np.testing.assert_array_equal(np.sort(batch["x"]), [1, 2.5, 3, 4])


def test_a_last_line_without_an_end_is_one_of_the_others(tmp_path: Path) -> None:
    path = written(tmp_path, {"c": "a"}, {"c": 5})
    path.write_bytes(path.read_bytes().rstrip())
    (block,) = read_blocks(open_table(path, Stated()), ["c"])
    assert block["c"].to_pylist() == ["a", "5"]
