"""Percent signs of tables: the same share as `45 %` and as 0.45 is two numbers, and never without a word."""

from __future__ import annotations

from pathlib import Path

import pytest

from mai.compiler.data.batches import load
from mai.compiler.data.sources.table import Table
from mai.compiler.describing.describe import describe
from mai.compiler.describing.tables import TableSummary, why_not
from mai.compiler.ir.types import DType, Type
from mai.runtime.model.manifest import Facts
from mai.spec.diagnostics import MaiError
from tests.support.command import invoke

REAL = Type(DType.REAL)
SIGNED, SHARES = "a,b\n45 %,1\n80 %,2\n", "a,b\n0.45,1\n0.8,2\n"
SPEC = """data a: [], b: [] from table("t.csv")
net f(a: []) -> [] { return linear([a], 1)[0] }
train(steps = 1, batch = 2) { minimize (f(a) - b)^2 }
export same(a: []) -> [] { return a }
"""


@pytest.mark.parametrize(
    ("cells", "both"),
    [
        (("45 %", "0.62"), "numbers of two units: `45 %` in {} 1 has a percent sign, `0.62` in {} 2 has none"),
        (("0.62", "45%"), "numbers of two units: `45%` in {} 2 has a percent sign, `0.62` in {} 1 has none"),
        (("$45", "62", "7 €"), "amounts of several currencies: `$45` in {} 1 and `7 €` in {} 3"),
        (("$45", "62", "7 $"), None),
        (("45 %", "0", "-", "0.0"), None),
        (("0.62", "0.45"), None),
    ],
)
def test_a_column_has_one_unit(cells: tuple[str, ...], both: str | None, tmp_path: Path) -> None:
    """A 0 is the same in percents."""
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(f"{cell},{k}\n" for k, cell in enumerate(cells * 3)))
    summary = describe([path])
    assert isinstance(summary, TableSummary)
    assert both is None or both.format("row", "row") in (why_not(summary.columns[0]) or "")
    source, fields = Table(path="t.csv", missing="keep"), {"a": REAL, "b": REAL}
    if both is None:
        load(source, fields, 0, tmp_path)
        return
    for read in (lambda: source.check_cells(tmp_path, fields), lambda: load(source, fields, 0, tmp_path)):
        with pytest.raises(MaiError) as caught:
            read()
        assert both.format(f"{path}, row", f"{path}, row") in caught.value.diagnostics[0].message
        assert ("amounts of one" if "$" in both else "a percent sign, or none") in str(caught.value.diagnostics[0].help)


@pytest.mark.parametrize(
    ("trained", "held_out", "note"),
    [
        (SIGNED, SHARES, "`a`: numbers that are trained on have a percent sign, as `45 %`, and none here: `0.45` is read as 0.45 %"),
        (SHARES, SIGNED, "`a`: numbers have a percent sign here, and none where they are trained on, as `0.45`: `45 %` is read as 45,"),
        (SIGNED, SIGNED, None),
    ],
)  # fmt: skip
def test_rows_that_are_held_out_have_the_same_unit(
    trained: str, held_out: str, note: str | None, tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(trained)
    (tmp_path / "v.csv").write_text(held_out)
    said = " ".join(load(Table(path="t.csv", validation="v.csv"), {"a": REAL, "b": REAL}, 0, tmp_path).notes)
    assert "a share of 1" not in said if note is None else note in said


def test_new_rows_have_the_unit_of_training(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(SIGNED)
    (tmp_path / "s.mai").write_text(SPEC)
    (tmp_path / "new.csv").write_text(SHARES)
    run = tmp_path / "run"
    invoke("train", tmp_path / "s.mai", "--out", run)
    said = invoke("predict", run, tmp_path / "new.csv", tmp_path / "out.csv")
    assert "`0.45` is read as 0.45 %, and not as a share of 1" in said.stderr
    assert "a cell that a spreadsheet shows as 45 % holds 0.45" in said.stderr
    assert Facts(low=[0], high=[1], middle=[0.5]).percents is None  # As files have it that were compiled before.
