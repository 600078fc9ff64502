"""All columns that nothing else takes as one vector: by their names, wherever they stand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check, misfits
from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.column_shapes import gathered
from mai.compiler.data.fields import group_columns
from mai.compiler.data.sources import SOURCES
from mai.compiler.data.sources.table import Table
from mai.compiler.data.whole_files import read_whole
from mai.compiler.describing.specs import what_it_takes
from mai.compiler.drafting.draft import Wish, draft
from mai.compiler.ir.types import DType, Type
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.spec.diagnostics import MaiError

WIDTH = 70
NAMES = [f"part {i} (mm)" if i % 3 else f"V{i}" for i in range(WIDTH)]
NUMBERS = np.random.default_rng(0).normal(size=(60, WIDTH)).round(3)
FIELDS = {"y": Type(DType.REAL), "x": Type(DType.REAL, shape=(WIDTH,))}
SPEC = """data y: [], city: class[3], x: [N] from table("t.csv", rest = x, without = id)
net f(x: [N], city: class[3]) -> [] { return linear(concat(normalise(x), one_hot(city, 3)), 1)[0] }
train(steps = 2, batch = 8) { minimize (f(x, city) - y)^2 }
export predict(x: [N], city: class[3]) -> [] { return f(x, city) }
"""


def write(path: Path, order: list[int] | None = None, more: str = "") -> None:
    """The table, its numbers in some order, with a column `more` behind them."""
    order = [*range(WIDTH)] if order is None else order
    head = ["id", "city", *(NAMES[i] for i in order), "y", *([more] if more else [])]
    rows = [
        [f"r{j}", "abc"[j % 3], *(str(row[i]) for i in order), str(j / 8), *(["7"] if more else [])]
        for j, row in enumerate(NUMBERS)
    ]
    path.write_text("\n".join(",".join(row) for row in [head, *rows]) + "\n")


def read(folder: Path, fields: dict[str, Type] = FIELDS, **settings: object) -> Dataset:
    return load(Table.of({"path": "t.csv", "rest": "x", "without": ("id", "city"), **settings}), fields, 0, folder)


def test_the_rest_is_a_vector_in_the_order_of_the_table(tmp_path: Path) -> None:
    write(tmp_path / "t.csv")
    batch = read(tmp_path).batch(0, 54)
    rows = (8 * batch["y"]).astype(int)
    np.testing.assert_allclose(batch["x"], NUMBERS[rows], rtol=1e-6)


def test_other_tables_are_read_by_the_names(tmp_path: Path) -> None:
    """Those held out, and those of an evaluation, have the columns in another order, and one more."""
    order = [*np.random.default_rng(1).permutation(WIDTH).tolist()]
    write(tmp_path / "t.csv")
    write(tmp_path / "other.csv", order, more="later")
    data = read(tmp_path, validation="other.csv")
    assert data.validation is not None
    np.testing.assert_allclose(data.validation["x"][:], NUMBERS, rtol=1e-6)
    source = Table.of({"path": "t.csv", "rest": "x", "without": ("id", "city")})
    whole = read_whole(source, FIELDS, tmp_path, [tmp_path / "other.csv"], {}, ["y"], facts=data.facts)
    np.testing.assert_allclose(whole.rows["x"][:], NUMBERS, rtol=1e-6)


def test_a_column_that_is_not_there_is_told(tmp_path: Path) -> None:
    write(tmp_path / "t.csv")
    write(tmp_path / "less.csv", [*range(WIDTH - 1)])
    with pytest.raises(MaiError, match=r"has no column `V69`; it has id, city, V0, .* and 64 more"):
        read(tmp_path, validation="less.csv")


def test_check_knows_the_number_of_columns(tmp_path: Path) -> None:
    write(tmp_path / "t.csv")
    (tmp_path / "m.mai").write_text(SPEC)
    program = check(tmp_path / "m.mai").program
    assert program is not None and program.trainings[0].fields["x"].shape == (WIDTH,)
    assert misfits(program) == []
    assert what_it_takes(program)[0]["V3"] == f"x: [{WIDTH}]"
    train(program, tmp_path / "run", Options(quiet=True, device="cpu"))


@pytest.mark.parametrize("width", [10, 11, 13, 120])
def test_check_finds_the_columns_of_a_vector(width: int, tmp_path: Path) -> None:
    """`x1` is no vector of `x10`, `x11`, ..."""
    names = [f"x{k}" for k in range(width)]
    (tmp_path / "t.csv").write_text(",".join(["y", *names]) + "\n" + "1," * width + "1\n")
    source, fields = Table(path="t.csv"), {"x": Type(DType.REAL, shape=(width,)), "y": Type(DType.REAL)}
    shapes = gathered(source, tmp_path, fields)
    assert shapes is not None and shapes["x"].shape == (width,)
    assert group_columns(["y", *names[::-1]], ["x"]) == {"y": ["y"], "x": names}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("[N]", "[3]"), "`x` is [3] in the spec and [70] in the data"),
        (("rest = x, without = id", "rest = x, without = ix"), "`ix`, which the data has not"),
        (("rest = x, without = id", "rest = z"), "`rest` is a field, and there is no `z`"),
        (("rest = x, ", ""), "`without` for what `rest` does not take"),
        (("table(", 'series(window = 2, path = '), "takes no `rest`"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_at_check(change: tuple[str, str], said: str, tmp_path: Path) -> None:
    write(tmp_path / "t.csv")
    (tmp_path / "m.mai").write_text(SPEC.replace(*change))
    checked = check(tmp_path / "m.mai")
    diagnostics = [*checked.diagnostics, *(misfits(checked.program) if checked.program else [])]
    assert any(said in each.message for each in diagnostics), [each.message for each in diagnostics]


def test_a_word_in_the_rest_is_told_with_its_column(tmp_path: Path) -> None:
    write(tmp_path / "t.csv")
    with pytest.raises(MaiError, match="`city`, a part of a vector, holds words"):
        read(tmp_path, without="id")


def test_a_wide_table_has_a_short_draft(tmp_path: Path) -> None:
    write(tmp_path / "t.csv")
    text = draft(tmp_path / "t.csv", tmp_path, Wish("y"))
    assert "rest = numbers, without = id" in text and f"numbers: [{WIDTH}]" in text
    assert len(text.splitlines()) < 35 and max(map(len, text.splitlines())) < 130
    (tmp_path / "m.mai").write_text(text)
    checked = check(tmp_path / "m.mai")
    assert checked.program is not None and checked.diagnostics == []


def test_only_tables_take_a_rest() -> None:
    assert {name for name, kind in SOURCES.items() if hasattr(kind, "rest")} == {"table", "csv", "series", "examples"}
