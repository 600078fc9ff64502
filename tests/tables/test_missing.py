"""Values that are missing in a table, and dates: refused, left out, or kept for the model to fill."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.facts import absent_in
from mai.compiler.data.sources.table import Table
from mai.compiler.describing.tables import summarise_tables
from mai.compiler.ir.types import DType, Type
from mai.compiler.program import Program
from mai.spec.diagnostics import MaiError

Maker = Callable[[str], Program]
ROWS = """age,sex,when,n
22,male,2020-01-01,1
,female,2020-01-02 12:00:00,2
NA,,N/A,3
35,male,1969-12-31,4
"""
FIELDS = "age: [], sex: class[3], when: []"


def data(
    program: Maker, folder: Path, fields: str, settings: str, rows: str = ROWS, labels_of_run: str = ""
) -> Dataset:
    (folder / "t.csv").write_text(rows)
    names = fields.replace(": []", "").split(",")[0].strip()
    spec = program(
        f'data {fields} from table("t.csv"{settings})\nnet f(x: []) -> [] {{ return linear([x], 1)[0] }}\n'
        f"train(steps = 1) {{ minimize f({names})^2 }}\n"
    )
    assert spec.training is not None
    names_of = {"sex": tuple(labels_of_run.split())} if labels_of_run else {}
    return load(spec.training.data, spec.training.fields, 0, folder, trained_labels=names_of)


def by_row(dataset: Dataset, count: int) -> dict[str, np.ndarray]:
    """All rows, in the order of the table, which their `when` is not."""
    return dataset.batch(0, count)


def test_what_is_kept(program: Maker, tmp_path: Path) -> None:
    """A number is NaN, a label the one after those with names, a date days since 1970."""
    dataset = data(program, tmp_path, "n: [], " + FIELDS, ", missing = keep")
    rows = by_row(dataset, 4)
    order = np.argsort(rows["n"])
    assert np.array_equal(rows["age"][order], [22, np.nan, np.nan, 35], equal_nan=True)
    assert rows["sex"][order].tolist() == [1, 0, 2, 1] and dataset.labels["sex"] == ("female", "male")
    assert np.array_equal(rows["when"][order], [18262, 18263.5, np.nan, -1], equal_nan=True)


def test_words_that_say_that_there_is_no_value(program: Maker, tmp_path: Path) -> None:
    """The same texts as among numbers; `none` is a word, and `inf` beside words. A date that is in another form is the one that is told."""
    words = ["a", "N/A", "none", "NaN", "inf", "?", "a"]
    rows = "sex,n\n" + "".join(f"{word},{n}\n" for n, word in enumerate(words))
    read = data(program, tmp_path, "n: [], sex: class[4]", ", missing = keep", rows)
    values = by_row(read, 7)
    assert read.labels["sex"] == ("a", "inf", "none")
    assert values["sex"][np.argsort(values["n"])].tolist() == [0, 3, 2, 3, 1, 3, 0]
    assert "column `sex`: `N/A`, `NaN`, `?` say that there is no value" in read.notes[-1]
    column = summarise_tables([tmp_path / "t.csv"]).columns[0]
    assert (column.kind, column.missing, sorted(column.words)) == ("word", 3, ["a", "inf", "none"])
    cells = "n\n1\nk.A.\nunknown\n#DIV/0!\n.\n<NA>\n3\n"
    assert np.isnan(by_row(data(program, tmp_path, "n: []", ", missing = keep", cells), 7)["n"]).sum() == 5
    assert summarise_tables([tmp_path / "t.csv"]).columns[0].missing == 5
    kept = data(program, tmp_path, "n: [], y: class[3]", ", missing = keep", "n,y\n1,unknown\n2,#N/A\n3,a\n")
    assert kept.labels["y"] == ("a", "unknown")
    named = data(program, tmp_path, "n: [], y: class[3]", ", missing = keep, words = y", "n,y\n1,7\n2,none\n3,9\n")
    assert named.labels["y"] == ("7", "9")  # Names that are numbers: `none` stands among numbers.
    with pytest.raises(MaiError) as error:
        data(program, tmp_path, "n: [], when: []", "", "n,when\n1,14.03.2022\n2,03/04/2022\n")
    assert "`when` holds words (`03/04/2022`)" in (said := error.value.diagnostics[0].message) and "t.csv" in said
    assert "t.csv, row 2:" in said


def test_what_is_left_out(program: Maker, tmp_path: Path) -> None:
    dataset = data(program, tmp_path, FIELDS, ", missing = drop")
    assert dataset.count == 2 and sorted(by_row(dataset, 2)["age"].tolist()) == [22, 35]
    assert dataset.notes[0] == "t.csv: 2 of 4 rows lack a value, and are left out"


@pytest.mark.parametrize(("sex", "count"), [("male", 1), ("female", 0)])
def test_labels_that_are_all_the_same(sex: str, count: int, program: Maker, tmp_path: Path) -> None:
    rows = f"sex,n\nmale,1\nmale,2\n{sex},3\n"
    notes = data(program, tmp_path, "n: [], sex: class[2]", "", rows).notes
    said = "`sex` is male in all rows that are trained on: nothing can be learnt of the other labels"
    assert [note for note in notes if "trained on" in note] == [said] * count


@pytest.mark.parametrize(
    ("fields", "settings", "said"),
    [
        (FIELDS, "", "column `age` is empty in row 2 and in 1 more of 4 rows"),
        ("age: [], sex: class[2]", ", missing = keep", "2 labels with names, and rows without one of them"),
        ("n: [], age: class[36]", ", missing = keep", "labels up to 35, and rows without one"),
        ("n: [], age: int", ", missing = keep", "nothing stands for a whole number that is missing"),
        ("sex: []", ", missing = keep", "holds words (`male`)"),
    ],
)
def test_what_is_refused(program: Maker, tmp_path: Path, fields: str, settings: str, said: str) -> None:
    with pytest.raises(MaiError) as error:
        data(program, tmp_path, fields, settings)
    assert said in error.value.diagnostics[0].message.replace("(`NA`) ", "")


def test_labels_that_a_run_does_not_know(program: Maker, tmp_path: Path) -> None:
    """The label without a name where gaps are kept; else refused."""
    dataset = data(program, tmp_path, "n: [], sex: class[3]", ", missing = keep", labels_of_run="male other")
    rows = by_row(dataset, 4)
    assert rows["sex"][np.argsort(rows["n"])].tolist() == [0, 2, 2, 0]
    with pytest.raises(MaiError) as error:
        data(program, tmp_path, "n: [], sex: class[3]", "", ROWS.replace(",,N", ",male,N"), labels_of_run="male other")
    assert "which this run does not know" in error.value.diagnostics[0].message


def test_words_that_only_held_out_rows_have(program: Maker, tmp_path: Path) -> None:
    """Training never saw them: they are not known, however many they are, where there is a label for that."""
    (tmp_path / "v.csv").write_text("n,sex\n5,other\n6,third\n7,male\n")
    more, rows = ', missing = keep, validation = "v.csv"', "n,sex\n1,male\n2,female\n"
    dataset = data(program, tmp_path, "n: [], sex: class[3]", more, rows)
    assert dataset.labels["sex"] == ("female", "male")
    assert dataset.validation is not None
    assert dataset.validation["sex"][:].tolist() == [2, 2, 1]
    assert "`sex`: 2 values that training never saw have the label for what is not known" in dataset.notes[-1]


def test_gaps_of_other_files(program: Maker, tmp_path: Path) -> None:
    """Nulls and dates of a parquet file."""
    when = [datetime(2020, 1, 1), None, datetime(2020, 1, 2, 12)]
    parquet.write_table(pa.table({"age": [1.5, None, 3.0], "when": pa.array(when)}), tmp_path / "t.parquet")
    spec = program(
        'data age: [], when: [] from table("t.parquet", missing = keep)\nnet f(x: []) -> [] { return linear([x], 1)[0] }\n'
        "train(steps = 1) { minimize f(age + when)^2 }\n"
    )
    assert spec.training is not None
    dataset = load(spec.training.data, spec.training.fields, 0, tmp_path)
    rows = dataset.batch(0, 3)
    assert sorted(rows["age"].tolist())[:2] == [1.5, 3.0] or np.isnan(rows["age"]).sum() == 1
    times = "and times are rounded to some 3 minutes, as numbers of 32 bits are"
    assert dataset.notes == (f"column `when` holds dates: they are days since 1970-01-01, {times}",)
    assert np.nanmax(rows["when"]) == 18263.5 and np.isnan(rows["when"]).sum() == 1


def test_values_that_a_spec_calls_absent(program: Maker, tmp_path: Path) -> None:
    """As codes of a survey: in texts and numbers, where rows are kept, left out or refused, and of new rows, too."""
    rows = "n,age,sex\n1,-999,male\n2,22.5,unsaid\n3,-999.0,female\n4,99,male\n"
    fields, absent = "n: [], age: [], sex: class[3]", ', absent = [-999, "unsaid"]'
    kept = data(program, tmp_path, fields, f", missing = keep{absent}", rows)
    values = by_row(kept, 4)
    order = np.argsort(values["n"])
    np.testing.assert_array_equal(values["age"][order], [np.nan, 22.5, np.nan, 99])
    assert kept.labels["sex"] == ("female", "male") and values["sex"][order].tolist() == [1, 2, 0, 1]
    assert kept.facts["age"].absent == ["-999", "unsaid"] and kept.facts["age"].low == [22.5]
    assert data(program, tmp_path, fields, f", missing = drop{absent}", rows).count == 1
    with pytest.raises(MaiError, match="column `age` is empty in row 1 and in 1 more"):
        data(program, tmp_path, "n: [], age: []", absent, rows)
    with pytest.raises(MaiError, match="`sex` has 3 labels"):
        Table(path="t.csv").check_columns(tmp_path, {"sex": Type(DType.INT, classes=2)})
    Table(path="t.csv", missing="keep", absent="unsaid").check_columns(tmp_path, {"sex": Type(DType.INT, classes=3)})
    parquet.write_table(pa.table({"age": [1, -999, 3]}), tmp_path / "t.parquet")
    summary = summarise_tables([tmp_path / "t.parquet"], Table(path="t.parquet", absent=-999).stated)
    assert (summary.columns[0].missing, summary.columns[0].words) == (1, ("1", "3"))


def test_an_absent_number_is_the_same_however_it_is_written(program: Maker, tmp_path: Path) -> None:
    rows, said = "n;age\n1;-99,90\n2;22,5\n3;-99,9\n4;-9,9\n", ", missing = keep, absent = -99.9"
    kept = data(program, tmp_path, "n: [], age: []", said, rows)
    assert np.isnan(kept.batch(0, 4)["age"]).sum() == 2
    parquet.write_table(pa.table({"age": pa.array([1, -99.9, 3], pa.float32())}), tmp_path / "t.parquet")
    summary = summarise_tables([tmp_path / "t.parquet"], Table(path="t.parquet", absent=-99.9).stated)
    assert summary.columns[0].missing == 1


@pytest.mark.parametrize(("code", "is_code"), [(-999, True), (999, True), (99, True), (95, False), (13, False)])
def test_codes_for_what_is_missing_are_told(code: int, is_code: bool, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{code if i % 9 == 5 else i % 7},{i}\n" for i in range(90)))
    notes = " ".join(summarise_tables([tmp_path / "t.csv"]).notes)
    assert (f"or a spec says `absent = {code}`" in notes) == is_code


@pytest.mark.parametrize(
    ("codes", "absent"),
    [((-9,), "-9"), ((-9, -8, -7), "[-9, -8, -7]"), ((99, 98), "[99, 98]"), ((-2,), None), ((-9, -8, -7, -6, -5, -4), None)],
)  # fmt: skip
def test_codes_beside_a_scale_from_0_to_10_are_told(codes: tuple[int, ...], absent: str | None, tmp_path: Path) -> None:
    rows = (f"{codes[i // 9 % len(codes)] if i % 9 == 5 else i % 11},{i}\n" for i in range(180))
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(rows))
    notes = " ".join(summarise_tables([tmp_path / "t.csv"]).notes)
    assert (f"`absent = {absent}`, or of this column alone `absent = code(a, {absent})`" in notes) == (
        absent is not None
    )
    assert ("code for a missing" in notes or "codes for a missing" in notes) == (absent is not None)


def test_a_code_of_one_column_is_a_number_in_others(program: Maker, tmp_path: Path) -> None:
    rows = "n,age,word\n-9,1,-9\n2,-9,b\n3,-8,b\n4,7,a\n-99,5,a\n"
    said = ", missing = keep, words = word, absent = [-99, code(age, [-9, -8])]"
    kept = data(program, tmp_path, "n: [], age: [], word: class[4]", said, rows)
    values = kept.batch(0, 5)
    order = np.argsort(values["n"])
    np.testing.assert_array_equal(values["n"][order], [-9, 2, 3, 4, np.nan])
    np.testing.assert_array_equal(values["age"][order], [1, np.nan, np.nan, 7, 5])
    assert kept.labels["word"] == ("-9", "a", "b")
    assert (kept.facts["n"].absent, kept.facts["age"].absent) == (["-99"], ["-99", "-9", "-8"])
    assert absent_in(kept.facts).of("n") == ("-99",) and set(absent_in(kept.facts).of("age")) == {"-99", "-9", "-8"}
    with pytest.raises(MaiError, match="ages"):
        data(program, tmp_path, "n: [], age: []", ", missing = keep, absent = code(ages, -9)", rows)


def test_prices_are_no_codes(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n" + "".join(f"{(5, 10, 20, 30, 99)[i % 5]},{i % 7}\n" for i in range(60)))
    assert summarise_tables([tmp_path / "t.csv"]).notes == ()
