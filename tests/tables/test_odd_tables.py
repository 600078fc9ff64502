"""Tables as offices and programs write them: titles and comments above, postcodes, units, sums below, numbers that 32 bits do not tell apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from mai.compiler.check import check
from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.sources.table import Table
from mai.compiler.data.tables.cells import Column
from mai.compiler.data.tables.dialect import Stated, dialect_of
from mai.compiler.data.tables.files import open_table
from mai.compiler.data.tables.glance import cells_of
from mai.compiler.describing.describe import describe
from mai.compiler.describing.lines import data_line
from mai.compiler.describing.specs import what_it_takes
from mai.compiler.describing.tables import TableSummary, why_not
from mai.compiler.describing.texts import TextSummary
from mai.compiler.drafting.draft import Wish, draft
from mai.compiler.ir.types import DType, Type
from mai.runtime.arrays import Array
from mai.spec.diagnostics import MaiError

ROWS = "".join(f"{i},{i / 4},{'xyz'[i % 3]}\n" for i in range(30))
REAL = Type(DType.REAL)


def summary_of(path: Path, text: str) -> TableSummary:
    path.write_text(text, newline="")
    summary = describe([path])
    assert isinstance(summary, TableSummary)
    return summary


def read(path: Path, text: str, fields: dict[str, Type], **settings: object) -> Dataset:
    path.write_text(text, newline="")
    return load(Table.of({"path": path.name, **settings}), fields, 0, path.parent)


def values(dataset: Dataset, name: str) -> Array:
    assert dataset.count is not None
    parts = (dataset.batch(0, dataset.count), dataset.validation)
    return np.sort(np.concatenate([part[name][:] for part in parts if part]))


@pytest.mark.parametrize(
    "above",
    [
        pytest.param("Sales of 2024\n\n", id="a title"),
        pytest.param("Sales of 2024,,\n,,\n", id="a title in a sheet"),
        pytest.param("# by me, 2024\n# again\n", id="comments"),
        pytest.param('"sep=,"\r\n', id="what Excel says of the separator"),
        pytest.param("Account:,DE89\nPeriod:,2024\n\n", id="what a bank says of an account"),
        pytest.param("Account:,,\n", id="the same in a sheet"),
    ],
)
def test_what_stands_above_the_names_is_no_row(tmp_path: Path, above: str) -> None:
    dataset = read(tmp_path / "a.csv", f"{above}a,b,c\n{ROWS}", {"a": REAL})
    assert values(dataset, "a").tolist() == [*range(30)]
    assert ("above the names" in " ".join(dataset.notes)) == ("sep=" not in above)


@pytest.mark.parametrize(
    ("below", "said"),
    [
        ("[s],°C,\n", "without the row below the names of its columns, which says `[s]`, `°C`"),
        ("(s),-,\n", "which says `(s)`, `-`"),
        ("Zeit,Wärme,Art\ns,°C,-\n", "without the 2 rows below the names of its columns, which says `Zeit`, `Wärme`, `Art`"),
    ],
)  # fmt: skip
def test_units_below_the_names_are_no_row(below: str, said: str, tmp_path: Path) -> None:
    """As instruments write them; check and training read the same rows."""
    path = tmp_path / "a.csv"
    dataset = read(path, f"a,b,c\n{below}{ROWS}", {"a": REAL, "b": REAL})
    assert values(dataset, "a").tolist() == [*range(30)] and any(said in note for note in dataset.notes)
    assert cells_of(path, Stated(), ["c"], whole=False)["c"] == {*"xyz"}
    with pytest.raises(MaiError, match=r"row 31 has 4 values"):
        summary_of(path, f"a,b,c\n{below}{ROWS}1,2,3,4\n")


@pytest.mark.parametrize(
    "first", ["s,1,x\n", "n/a,n/a,x\n", ",,x\n", "one,1.5,x\n", "one,,x\n", "a,b,c\n", "one,-,x\n", "<1,<1,x\n"]
)
def test_other_first_rows_stay(first: str, tmp_path: Path) -> None:
    """A word among numbers may be a mistake: it is refused, and not left out."""
    path = tmp_path / "a.csv"
    path.write_text(f"a,b,c\n{first}{ROWS}")
    assert dialect_of(path, Stated())[0].below == 0


@pytest.mark.parametrize(
    ("rows", "below"), [("x,y\nz,x\n7,9\n", 0), ("x,y\n7,9\n", 0), ("[s],[V]\n7,9\n", 1), ("s,V\n7,9\n8,1\n", 1)]
)
def test_words_above_few_rows_may_be_labels(rows: str, below: int, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(f"a,b\n{rows}")
    assert dialect_of(tmp_path / "a.csv", Stated())[0].below == below


@pytest.mark.parametrize("names", ["name,what\n", "name,2\n"])
def test_a_wider_row_is_not_taken_for_the_names(names: str, tmp_path: Path) -> None:
    with pytest.raises(MaiError, match="has 3 values, the header has 2"):
        summary_of(tmp_path / "a.csv", f"{names}a,b\nc,d,e\nf,5\ng,6\n")
    with pytest.raises(MaiError, match="has 3 values, the header has 2"):  # As R writes the names of rows.
        summary_of(tmp_path / "a.csv", f"{names}1,a,5\n2,b,6\n")


@pytest.mark.parametrize("sign", ["|", "^"])
def test_excel_says_the_separator(sign: str, tmp_path: Path) -> None:
    text = f"sep={sign}\na{sign}b\n" + "".join(f"{i}{sign}x;y\n" for i in range(30))
    dataset = read(tmp_path / "a.csv", text, {"a": REAL})
    assert values(dataset, "a").tolist() == [*range(30)]
    assert any(f"separated by `{sign}`" in note for note in dataset.notes)


def test_columns_without_a_name_are_left_out_and_told(tmp_path: Path) -> None:
    """As sheets are saved that were wider once; one that is first has the numbers of rows."""
    data = read(tmp_path / "t.csv", "a,b,,c,\n" + "1,2,9,3,\n" * 12, {"a": REAL, "c": REAL})
    assert set(values(data, "a")) == {1} and set(values(data, "c")) == {3}
    assert any("its columns 3, 5 have no name, and are left out" in note for note in data.notes)
    assert not any("no name" in note for note in read(tmp_path / "i.csv", ",a\n0,1\n1,2\n", {"a": REAL}).notes)


def test_an_index_without_a_name_stands_beside_one_column(tmp_path: Path) -> None:
    """As `df[["who"]].to_csv()` writes them: the first row is none of names."""
    summary = summary_of(tmp_path / "a.csv", ",who\n" + "".join(f"{i},{'xyz'[i % 3]}\n" for i in range(30)))
    assert [(each.name, each.rows) for each in summary.columns] == [("who", 30)] and not summary.notes


RANDOM = [(i * 7919) % 99_991 + 10_000 for i in range(40)]


@pytest.mark.parametrize(
    ("name", "numbers", "said"),
    [
        ("account id", RANDOM, "its name is that of an identifier"),
        ("phoneNumber", RANDOM, "its name is that of an identifier"),
        ("id_of_sale", RANDOM, "its name is that of an identifier"),
        ("what", [5000 + 3 * i + i % 2 for i in range(40)], "its numbers go on from row to row"),
        ("account balance", RANDOM, None),
        ("rooms_number", [1, 2, 3, 4] * 10, None),
        ("grows", [i * i * 30 for i in range(40)], None),
        ("sold date", [45_292 + n % 300 for n in RANDOM], "in days since 1899-12-30"),
        ("when", [1_700_000_000 + n for n in RANDOM], "in seconds since 1970"),
        ("day", [*range(45_292, 45_332)], "dates, 2024-01-01 to 2024-02-09, in days since 1899-12-30"),
        ("day", [20_240_100 + n for n in range(1, 32)], "dates, 2024-01-01 to 2024-01-31, in digits alone"),
        ("what", [20_230_000 + 37 * n for n in range(40)], None),
        ("time of day", [9, 12, 17, 20] * 10, None),
    ],
)
def test_numbers_that_are_no_amounts_are_told(name: str, numbers: list[int], said: str | None, tmp_path: Path) -> None:
    """Those that name a row are left out, with a reason; dates that are counted are told."""
    summary = summary_of(tmp_path / "a.csv", f"{name},y\n" + "".join(f"{n},{i % 3}\n" for i, n in enumerate(numbers)))
    message = " ".join([why_not(summary.columns[0]) or "", *summary.notes])
    assert said in message if said is not None else not message.strip()


def test_one_column_of_texts_has_no_separator(tmp_path: Path) -> None:
    lines = ["good", "bad; and long", "good | cheap", "fair"] * 10
    summary = summary_of(tmp_path / "a.csv", "\n".join(["review", *lines]) + "\n")
    assert [(each.name, each.rows, each.distinct) for each in summary.columns] == [("review", 40, 4)]


@pytest.mark.parametrize("text", ["#a,b,c\n" + ROWS, '"a\nb",b,c\n' + ROWS])
def test_names_that_look_like_a_title_are_names(tmp_path: Path, text: str) -> None:
    assert len(summary_of(tmp_path / "a.csv", text).columns) == 3


def test_rows_are_counted_from_the_names(tmp_path: Path) -> None:
    with pytest.raises(MaiError, match="row 61 has 4 values"):
        summary_of(tmp_path / "a.csv", f"a title\na,b,c\n{ROWS}{ROWS}1,2,3,4\n")


def test_a_first_line_of_numbers_is_doubted(tmp_path: Path) -> None:
    assert any("lack a line of names" in note for note in summary_of(tmp_path / "a.csv", f"0.5,x,y\n{ROWS}").notes)
    assert not summary_of(tmp_path / "b.csv", f"1990,1991,name\n{ROWS}").notes


CODES = "plz,y\n" + "".join(f"{('01000', '02134', '90210')[i % 3]},{i / 8}\n" for i in range(60))


def test_codes_that_begin_with_0_are_words(tmp_path: Path) -> None:
    summary = summary_of(tmp_path / "a.csv", CODES)
    assert summary.columns[0].words == ("01000", "02134", "90210")
    assert data_line(summary).startswith("data plz: class[3], y: []") and "words = plz" in data_line(summary)
    assert "words = plz" in draft(tmp_path / "a.csv", tmp_path, Wish("y"))


def test_codes_below_other_numbers_are_words(tmp_path: Path) -> None:
    rows = sorted(CODES.splitlines()[1:], reverse=True)
    assert summary_of(tmp_path / "a.csv", "\n".join(["plz,y", *rows])).columns[0].kind == "word"


def test_a_code_that_is_read_as_a_number_is_told(tmp_path: Path) -> None:
    assert any("`01000` is read as the number 1000" in n for n in read(tmp_path / "a.csv", CODES, {"plz": REAL}).notes)
    named = read(tmp_path / "a.csv", CODES, {"plz": Type(DType.INT, classes=3)}, words="plz")
    assert not named.notes


@pytest.mark.parametrize(
    ("cell", "reason"),
    [("{} cm", "unit, `0 cm`"), ("USD {}", "unit, `USD 0`"), ("{}.5kg", "unit, `0.5kg`"), ("{}. street", None)],
)
def test_numbers_with_their_unit_are_told(tmp_path: Path, cell: str, reason: str | None) -> None:
    text = "a,y\n" + "".join(f"{cell.format(i // 3)},{i}\n" for i in range(90))
    said = why_not(summary_of(tmp_path / "a.csv", text).columns[0])
    assert said is None if reason is None else reason in (said or "")


def test_few_numbers_with_a_unit_are_labels(tmp_path: Path) -> None:
    text = "a,y\n" + "".join(f"{36 + 24 * (i % 2)} months,{i}\n" for i in range(90))
    assert why_not(summary_of(tmp_path / "a.csv", text).columns[0]) is None


def test_brackets_of_accounts_are_negative(tmp_path: Path) -> None:
    dataset = read(tmp_path / "a.csv", 'a\n12\n"(1,234.5)"\n($3)\n' + "1\n" * 30, {"a": REAL})
    assert values(dataset, "a")[:2].tolist() == [-1234.5, -3.0]
    assert any("`(1,234.5)`, are read as negative" in note for note in dataset.notes)


def test_a_minus_behind_a_number_is_read(tmp_path: Path) -> None:
    dataset = read(tmp_path / "a.csv", "a;b\n12,5;x\n1.234,50-;x\n3 €-;y\n" + "1;x\n" * 30, {"a": REAL})
    assert values(dataset, "a")[:2].tolist() == [-1234.5, -3.0]
    assert any("with a minus behind them, as `1.234,50-`, are read as negative" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("cells", "is_duration"), [("{}:07:30", True), ("PT{}H7M", True), ("{} days 0:07", True), ("at {}:07", False)]
)
def test_durations_are_told(cells: str, is_duration: bool, tmp_path: Path) -> None:
    text = "a,y\n" + "".join(f"{cells.format(i % 24)},{i}\n" for i in range(90))
    assert (
        "durations or times of day" in (why_not(summary_of(tmp_path / "a.csv", text).columns[0]) or "")
    ) == is_duration
    if is_duration:
        with pytest.raises(MaiError, match="looks like a duration"):
            read(tmp_path / "a.csv", text, {"a": REAL})


def test_signs_of_money_and_brackets_are_told_each(tmp_path: Path) -> None:
    notes = read(tmp_path / "a.csv", "a\n$12\n(3)\n" + "1\n" * 30, {"a": REAL}).notes
    assert any("`$12`" in note for note in notes) and any("`(3)`" in note for note in notes)


def test_a_row_of_sums_is_told_with_its_place(tmp_path: Path) -> None:
    summary = summary_of(tmp_path / "a.csv", f"a,b,c\n{ROWS}Total,9,x\n")
    assert why_not(summary.columns[0]) == "it holds numbers, and one word: `Total` in row 31, the last"


def test_a_line_of_notes_below_is_told(tmp_path: Path) -> None:
    said = "t.csv: in the last row `c` alone has a value, `by me`: a line of notes is no example"
    for last, notes in ((",,by me\n", (said,)), (",3,by me\n", ()), (",3,\n", ())):
        assert summary_of(tmp_path / "t.csv", f"a,b,c\n{ROWS}{last}").notes == notes


def test_numbers_that_32_bits_do_not_tell_apart_are_told(tmp_path: Path) -> None:
    text = "t,near\n" + "".join(f"{1_700_000_000 + i},{1_700_000_000 + 100_000 * i}\n" for i in range(0, 240, 3))
    far, near = summary_of(tmp_path / "a.csv", text).columns
    assert "32 bits" in (why_not(far) or "") and why_not(near) is None
    assert any(
        "`t`" in note and "rounded by up to" in note for note in read(tmp_path / "a.csv", text, {"t": REAL}).notes
    )
    assert not read(tmp_path / "a.csv", text, {"near": REAL}).notes


ROWS_OF_TEXT = [f"{i}\t{'uv'[i % 2]}\t{i / 2}" for i in range(40)]


def test_a_table_that_is_called_a_text_is_one(tmp_path: Path) -> None:
    summary = summary_of(tmp_path / "a.txt", "\n".join(["n\tkind\ty", *ROWS_OF_TEXT]))
    assert [each.name for each in summary.columns] == ["n", "kind", "y"]
    dataset = load(Table.of({"path": "a.txt"}), {"y": REAL}, 0, tmp_path)
    assert values(dataset, "y").tolist() == [i / 2 for i in range(40)]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("Tiger, tiger, burning bright,\nIn the forests of the night,\n" * 10, id="verses"),
        pytest.param("Once, a king\nhad a daughter, and\nshe was bored\n" * 10, id="prose"),
        pytest.param("Dear Emmy, I found a tree in the garden today.\n" * 9, id="lines with as many commas"),
        pytest.param("\n".join(ROWS_OF_TEXT[:3]), id="too few lines"),
    ],
)
def test_a_text_with_commas_is_a_text(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.txt").write_text(text)
    assert isinstance(describe([tmp_path / "a.txt"]), TextSummary)


def test_a_text_of_a_spec_is_described_as_one(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n".join(ROWS_OF_TEXT))
    (tmp_path / "m.mai").write_text(
        'const vocab = 256\ndata x: tokens[8] from text(bytes, "a.txt")\ntrain(steps = 1) { minimize sum(embed(x, 2)^2) }\n'
    )
    program = check(tmp_path / "m.mai").program
    assert program is not None
    assert isinstance(what_it_takes(program)[1], TextSummary)


def test_a_file_that_is_no_text_is_told_as_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04rest")
    (tmp_path / "a.json").write_text('[{"a": 1}]')
    with pytest.raises(MaiError, match="a spreadsheet"):
        describe([tmp_path / "a.xlsx"])
    with pytest.raises(MaiError, match="one list"):
        describe([tmp_path / "a.json"])


def test_names_that_stand_in_the_middle_again_are_refused(tmp_path: Path) -> None:
    """As where tables were put together: a name among words would be one more label."""
    rows = "".join(f"{'red' if i % 2 else 'blue'},{'up' if i % 3 else 'down'}\n" for i in range(30))
    path, fields = tmp_path / "t.csv", {"colour": Type(DType.INT, classes=3), "way": Type(DType.INT, classes=2)}
    twice = f"colour,way\n{rows}colour,way\n{rows}"
    for read_it in (lambda: read(path, twice, fields), lambda: summary_of(path, twice)):
        with pytest.raises(MaiError, match="row 31 repeats the names of the columns"):
            read_it()
    assert data_line(summary_of(path, f"colour,way\n{rows}colour,up\n{rows}")).startswith("data colour: class[3]")


def test_words_that_differ_in_capital_letters_alone_are_told(tmp_path: Path) -> None:
    rows = "".join(f"{('red', 'Red', 'blue')[i % 3]},{('no', 'No', 'yes', 'Yes')[i % 4]}\n" for i in range(60))
    assert summary_of(tmp_path / "t.csv", f"colour,kind\n{rows}").notes == (
        "t.csv: `red` and `Red` of `colour` differ in capital letters alone, and are two labels",
        "t.csv: `no` and `No`, `yes` and `Yes` of `kind` differ in capital letters alone, and are four labels",
    )


@pytest.mark.parametrize("name", ["t.csv", "t.dat"])
def test_columns_between_blanks_are_refused(name: str, tmp_path: Path) -> None:
    """But for numbers whose thousands are apart, dates in words, and prose."""
    rows = "".join(f" {i * 0.37:6.3f}  {i:7.4f}   {i % 2}\n" for i in range(20))
    (tmp_path / name).write_text("  a   b  y\n" + rows)
    with pytest.raises(MaiError, match="3 columns separated by blanks") as caught:
        describe([tmp_path / name])
    assert 'sep=r"\\s+"' in str(caught.value.diagnostics[0].help)
    for head, row in (("unit price", "1 234"), ("made on day", "12 Mar 2024"), ("two words", "red 7")):
        (tmp_path / name).write_text(f"{head}\n" + f"{row}\n" * 20)
        describe([tmp_path / name])


@pytest.mark.parametrize("form", ["{y}-{m:02d}", "{y}-W{m:02d}", "{y}W{m:02d}-1", "{y}Q{q}", "Q{q} {y}"])
def test_months_weeks_and_quarters_are_no_labels(form: str, tmp_path: Path) -> None:
    """A label of training is that of no later week: the column is left out, and it is said what to write."""
    cells = [form.format(y=2020 + i % 5, m=1 + i % 12, q=1 + i % 4) for i in range(60)]
    when, _ = summary_of(tmp_path / "t.csv", "w,y\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells))).columns
    why = str(why_not(when))
    assert why.startswith("what looks like dates, `") and why.endswith("months, weeks and quarters as their first day")


def test_cells_with_several_choices_are_told(tmp_path: Path) -> None:
    modes = [
        "bus; bike",
        "bike; car",
        "car; walk; bus",
        "walk; car",
        "bus; walk",
        "bike; walk",
        "car",
        "bus; car; bike",
        "bike; bus",
    ]
    rows = "".join(f"{modes[i % len(modes)]},{i * 7 % 5}\n" for i in range(90))
    (note,) = summary_of(tmp_path / "t.csv", f"m,y\n{rows}").notes
    assert note.startswith("t.csv: `m` holds lists of 4 choices, as `bus; bike`, each of which is a label of its own")
    assert not summary_of(
        tmp_path / "t.csv", "m,y\n" + "".join(f"{'ab'[i % 2]} / x{i % 9},{i % 5}\n" for i in range(90))
    ).notes
    texts = (f'"The soup was of kind {i % 9}, the room number {i // 9} was good",{i % 5}\n' for i in range(90))
    assert not summary_of(tmp_path / "t.csv", "m,y\n" + "".join(texts)).notes


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("yes", "ja", "no", "nein"), "`ja`, `yes`; `nein`, `no`"), (("Y", "N", "1"), "`1`, `Y`"), (("m", "f", "weiblich"), "`f`, `weiblich`"),
        (("yes", "no"), None), (("y", "n", "u"), None), (("oui", "non"), None), (("1", "0", "true"), "`1`, `true`"),
    ],
)  # fmt: skip
def test_labels_that_are_one_answer_are_told(words: tuple[str, ...], said: str | None, tmp_path: Path) -> None:
    """By `mai data` and by training alike."""
    text = "a,b\n" + "".join(f"{words[i % len(words)]},{i}\n" for i in range(60))
    note = (
        f"`a` has {len(words)} labels, of which some seem to say the same: {said}: write what is one label in one way"
    )
    fields = {"a": Type(DType.INT, classes=len(words))}
    notes = summary_of(tmp_path / "t.csv", text).notes, read(tmp_path / "t.csv", text, fields, words="a").notes
    for each in notes:
        assert (note in " ".join(each)) == (said is not None) and ("seem to say" in " ".join(each)) == (
            said is not None
        )


def test_labels_that_say_that_there_is_no_value_are_told(tmp_path: Path) -> None:
    """`none` may be one, as of a house without a garage; what a file knows as a label is one."""
    text = "a\n" + "n.a.\nnone\nred\n" * 10
    said = "column `a`: `n.a.` is a label, among words; leave these cells empty if there is no value"
    assert summary_of(tmp_path / "t.csv", text).notes == (f"t.csv: {said}",)
    assert said in read(tmp_path / "t.csv", text, {"a": Type(DType.INT, classes=3)}).notes
    column = Column("a", "label", "a", keeps=["n.a."])
    column.start(open_table(tmp_path / "t.csv", Stated()))
    column.read(pa.array(["n.a.", "red"]))
    assert not [*column.notes()]


def test_two_columns_of_one_name_are_told_with_their_places(tmp_path: Path) -> None:
    with pytest.raises(MaiError, match=r"two columns of one name: a \(columns 1, 3\)") as caught:
        summary_of(tmp_path / "t.csv", "a title,,\n,,\na,b,a\n1,2,3\n4,5,6\n")
    assert "in the line of names" in str(caught.value.diagnostics[0].help)
