"""Tables of every form, whole and damaged: their rows are trained on as they are, or refused with the file, the column and the row."""

from __future__ import annotations

import bz2
import csv
import gzip
import json
import tracemalloc
import weakref
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import csv as arrow_csv
from pyarrow import feather, parquet

from mai.compiler.check import check, misfits
from mai.compiler.data.batches import Dataset, load
from mai.compiler.data.files.read_ahead import Callback, ReadAhead
from mai.compiler.data.rows import rows_of
from mai.compiler.data.sources.csv import Csv
from mai.compiler.data.sources.table import Table
from mai.compiler.data.tables import store
from mai.compiler.data.tables.convert import read_tables
from mai.compiler.data.tables.dialect import Stated
from mai.compiler.data.tables.files import open_table, read_blocks
from mai.compiler.ir.types import DType, Type
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.parsing import grammar

FIELDS = {"x": Type(DType.REAL, shape=(2,)), "y": Type(DType.INT, classes=3)}
REAL, WORD = {"a": Type(DType.REAL)}, {"a": Type(DType.INT, classes=3)}
ROWS = [(i, i / 4, ("ant", "bee", "cat")[i % 3]) for i in range(40)]
TEXT = "x0,x1,y\n" + "".join(f"{a},{b},{c}\n" for a, b, c in ROWS)


def table(columns: int = 3) -> pa.Table:
    names = ("x0", "x1", "y")[:columns]
    return pa.table({name: [row[i] for row in ROWS] for i, name in enumerate(names)})


def as_lines(path: Path) -> None:
    path.write_text("".join(json.dumps({"y": c, "x": [a, b]}) + "\n" for a, b, c in ROWS))


def as_stream(path: Path) -> None:
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table().schema) as writer:
        writer.write_table(table(), max_chunksize=7)


WRITERS: dict[str, Callable[[Path], object]] = {
    "a.csv": lambda p: p.write_text(TEXT),
    "mark.csv": lambda p: p.write_text(TEXT, encoding="utf-8-sig"),
    "wide.csv": lambda p: p.write_text(TEXT, encoding="utf-16"),
    "a.tsv": lambda p: p.write_text(TEXT.replace(",", "\t")),
    "comma.csv": lambda p: p.write_text(TEXT.replace(",", ";").replace(".", ",")),
    "bars.csv": lambda p: p.write_text(TEXT.replace(",", "|")),
    "a.csv.gz": lambda p: p.write_bytes(gzip.compress(TEXT.encode())),
    "a.csv.bz2": lambda p: p.write_bytes(bz2.compress(TEXT.encode())),
    "quoted.csv": lambda p: p.write_text(TEXT.replace("bee", '"bee"')),
    "spaces.csv": lambda p: p.write_text(TEXT.replace(",", " , ").replace("\n", "\n\n")),
    "pandas.csv": lambda p: p.write_text("".join(f"{i},{row}\n" for i, row in zip(["", *range(99)], TEXT.split(), strict=False))),
    "a.jsonl": as_lines,
    "a.parquet": lambda p: parquet.write_table(table(), p, row_group_size=9),
    "words.parquet": lambda p: parquet.write_table(table().set_column(2, "y", table()["y"].dictionary_encode()), p),
    "a.feather": lambda p: feather.write_feather(table(), p),
    "a.arrow": as_stream,
}  # fmt: skip
NOTES = {
    "wide.csv": 'its letters are read as UTF-16 (`encoding = "..."` says another)',
    "a.tsv": "its values are separated by tabs",
    "comma.csv": "its values are separated by `;`; its numbers have a decimal comma",
    "bars.csv": "its values are separated by `|`",
}


def read(folder: Path, fields: dict[str, Type] = FIELDS, seed: int = 0, **settings: Any) -> Dataset:
    return load(Table(**settings), fields, seed, folder)


def refused(folder: Path, fields: dict[str, Type] = FIELDS, **settings: Any) -> Diagnostic:
    with pytest.raises(MaiError) as caught:
        read(folder, fields, **settings)
    (diagnostic,) = caught.value.diagnostics
    return diagnostic


def all_rows(data: Dataset) -> list[tuple[float, ...]]:
    """The rows of all parts, in the order of their first numbers."""
    assert data.count is not None
    parts = [data.batch(0, data.count), data.validation, data.test]
    return sorted(
        (*map(float, x), int(y)) for part in parts if part for x, y in zip(part["x"][:], part["y"][:], strict=True)
    )


@pytest.mark.parametrize("name", WRITERS)
def test_every_form_gives_the_same_rows(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    data = read(tmp_path, path=name)
    assert all_rows(data) == [(a, b, i % 3) for i, (a, b, _) in enumerate(ROWS)]
    assert data.labels == {"y": ("ant", "bee", "cat")}
    assert data.notes == ((f"{name}: {NOTES[name]}",) if name in NOTES else ())
    (tmp_path / "plain.csv").write_text(TEXT)
    plain = load(Csv(path="plain.csv"), FIELDS, 0, tmp_path)
    np.testing.assert_array_equal(data.batch(7, 5)["x"], plain.batch(7, 5)["x"])


@pytest.mark.parametrize("name", WRITERS)
def test_check_knows_the_columns(name: str, tmp_path: Path) -> None:
    WRITERS[name](tmp_path / name)
    (tmp_path / "spec.mai").write_text(
        f'data x: [3], y: class[3] from table("{name}")\n' + "train(steps = 1) { minimize sum(linear(x, 1)^2) }\n"
    )
    program = check(tmp_path / "spec.mai").program
    assert program is not None
    assert [d.message for d in misfits(program)] == ["`x` is [3] in the spec and [2] in the data"]


def test_letters_that_are_not_utf_8_are_found_at_the_end_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,b\n" + b"cat,1\n" * 40_000 + "énorme,1\n".encode("latin-1"))
    data = read(tmp_path, WORD, path="a.csv")
    assert data.labels == {"a": ("cat", "énorme")} and "Windows-1252" in data.notes[0]
    assert read(tmp_path, WORD, path="a.csv", encoding="latin-1").notes == ()
    assert "is no text in UTF-8" in refused(tmp_path, WORD, path="a.csv", encoding="utf-8").message


def test_rows_of_many_files_are_one_table(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    parquet.write_table(table().slice(0, 15), tmp_path / "parts" / "0.parquet")
    parquet.write_table(table().slice(15).select(["y", "x1", "x0"]), tmp_path / "parts" / "1.parquet")
    (tmp_path / "parts" / "_SUCCESS").write_text("")
    whole = [(a, b, i % 3) for i, (a, b, _) in enumerate(ROWS)]
    for path in ("parts", "parts/*.parquet", ("parts/0.parquet", "parts/1.parquet")):
        assert all_rows(read(tmp_path, path=path)) == whole
    assert refused(tmp_path, path="parts/*.csv").message.startswith("no file fits")
    parquet.write_table(table(2), tmp_path / "parts" / "2.parquet")
    assert "2.parquet has no column `y`; it has x0, x1" in refused(tmp_path, path="parts").message


def test_a_name_that_is_none_in_the_language_is_its_letters(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Sepal Length (cm),2nd,class\n1,2,a\n3,4,b\n")
    fields = {"Sepal_Length_cm": Type(DType.REAL), "_2nd": Type(DType.REAL), "class": Type(DType.INT, classes=2)}
    batch = read(tmp_path, fields, path="a.csv").batch(0, 2)
    assert sorted(batch["Sepal_Length_cm"]) == [1, 3] and sorted(batch["_2nd"]) == [2, 4]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 0, 2], pa.int8()), pa.array([1, 0, 2], pa.uint64()), pa.array(np.array([1, 0, 2], np.float16)),
        pa.array([1, 0, 2], pa.decimal128(22, 3)), pa.array(["1", " 0", "2.0"]), pa.array(["1", "0", "2"], pa.large_string()),
        pa.array(["1", "0", "2"]).dictionary_encode(),
    ],
    ids=lambda column: str(column.type),
)  # fmt: skip
@pytest.mark.parametrize("fields", [REAL, WORD], ids=["real", "whole"])
def test_numbers_of_every_kind(column: pa.Array, fields: dict[str, Type], tmp_path: Path) -> None:
    parquet.write_table(pa.table({"a": column}), tmp_path / "a.parquet")
    batch = read(tmp_path, fields, path="a.parquet").batch(0, 3)["a"]
    assert sorted(batch.tolist()) == [0, 1, 2]
    assert batch.dtype == (np.float32 if fields is REAL else np.int64)


def test_truths_are_labels(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"a": [True, False, True]}), tmp_path / "a.parquet")
    assert sorted(read(tmp_path, WORD, path="a.parquet").batch(0, 3)["a"].tolist()) == [0, 1, 1]


def cut(path: Path, name: str) -> None:
    WRITERS[name](path)
    path.write_bytes(path.read_bytes()[:-40])


def overwritten(path: Path) -> None:
    WRITERS["a.parquet"](path)
    raw = bytearray(path.read_bytes())
    raw[30:120] = b"\xff" * 90
    path.write_bytes(bytes(raw))


def zipped(*names: str) -> Callable[[Path], object]:
    """What writes an archive of files of these names."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, "x")

    return write


def as_parquet(**columns: Any) -> Callable[[Path], object]:
    return lambda path: parquet.write_table(pa.table(columns), path)


TWICE = '{"x": [1, 2], "y": "ant"}\n'
DAMAGED: list[tuple[str, Callable[[Path], object], str]] = [
    ("a.parquet", lambda p: cut(p, "a.parquet"), "a.parquet cannot be read: Parquet magic bytes not found"),
    ("a.parquet", overwritten, "a.parquet cannot be read: "),
    ("a.feather", lambda p: cut(p, "a.feather"), "a.feather cannot be read: "),
    ("a.arrow", lambda p: cut(p, "a.arrow"), "a.arrow cannot be read: "),
    ("a.csv.gz", lambda p: p.write_bytes(gzip.compress(TEXT.encode() * 999)[:-40]), "a.csv.gz cannot be "),
    ("a.csv", lambda p: p.write_text(TEXT + '1,2,"ant\n3,4,bee\n'), "a quote in {}/a.csv is not closed"),
    ("a.csv", lambda p: p.write_text(TEXT + "1,2\n"), "a.csv: row 41 has 2 values, the header has 3: 1,2"),
    ("a.csv", lambda p: p.write_text(TEXT + "1,NA,ant\n,2,\n?,2,ant\n"), "column `x0` is empty in row 42 and in 1 more of 43 rows; `x1` in 1, `y` in 1"),
    ("a.csv", lambda p: p.write_text(TEXT + "1,1e999,ant\n"), "`x1` holds values that are not finite: inf in row 41"),
    ("a.csv", lambda p: p.write_text(TEXT + "1,two,ant\n"), "column `x1` mixes words and numbers: `two` in row 41, `0.0` in row 1"),
    ("a.csv", lambda p: p.write_text("x0,x1,y\n" + f"1,2,{'9' * (12 << 20)}\n"), "a.csv has a row of more than 4 MB"),
    ("a.csv", lambda p: p.write_bytes(b"PK\3\4 and more"), "a zip archive or a spreadsheet, and is damaged"),
    ("a.xlsx", zipped("xl/workbook.xml"), "a.xlsx cannot be read: "),
    ("a.csv", zipped("one.csv", "two.csv"), "a.csv is no table: it is a zip archive, of one.csv, two.csv"),
    ("a.csv", lambda p: p.write_bytes(b"\0\1\2\3"), "it holds bytes that are zero, the first in line 1"),
    ("a.jsonl", lambda p: p.write_text(TWICE * 2 + "\n{oops\n"), "a.jsonl: row 3 is no JSON object: `{{oops`"),
    ("a.jsonl", lambda p: p.write_text(TWICE + TWICE.strip() + ",\n"), "a.jsonl: row 2 is no JSON object: `{{"),
    ("a.jsonl", lambda p: p.write_text(TWICE + TWICE.replace("[1, 2]", "[1]")), "`x` has lists of 2 and of 1 values, the second in row 2"),
    ("a.jsonl", lambda p: p.write_text(TWICE + '{"x": [1, 2]}\n'), "column `y` is empty in row 2 of 2 rows"),
    ("a.jsonl", lambda p: p.write_text(TWICE + TWICE.replace("[1, 2]", "[1, null]")), "column `x` is empty in row 2"),
    ("a.jsonl", lambda p: p.write_text(f"[{TWICE}]"), "a.jsonl is one list, and not an object a line"),
    ("a.jsonl", lambda p: p.write_text(""), "a.jsonl needs at least one row"),
    ("a.parquet", as_parquet(x0=[1.0, float("nan")], x1=[1.0, None], y=["a", "b"]), "column `x0` is empty in row 2 of 2 rows; `x1` in 1"),
    ("a.parquet", as_parquet(x0=pa.array([1], pa.time32("s")), x1=[1], y=["a"]), "`x0` holds dates or times, the spec has numbers"),
    ("a.parquet", as_parquet(x0=[{"b": 1}], x1=[1], y=["a"]), "`x0` holds values of the kind struct<b: int64>, the spec has numbers"),
    ("a.parquet", as_parquet(x0=[1], x1=[2], y=[0.5]), "`y` holds fractions, the spec has whole numbers: 0.5 in row 1"),
    ("a.parquet", as_parquet(x0=pa.array([], pa.int64()), x1=pa.array([], pa.int64()), y=pa.array([], pa.int64())), "at least one row"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "write", "message"), DAMAGED, ids=[message[:30] for _, _, message in DAMAGED])
def test_what_is_damaged_is_told_with_its_place(
    name: str, write: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    write(tmp_path / name)
    diagnostic = refused(tmp_path, path=name)
    assert message.format(tmp_path) in diagnostic.message and str(tmp_path) in diagnostic.message
    assert diagnostic.slug == "data-bad"


def test_files_of_which_one_has_words_are_told(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n2\n")
    (tmp_path / "b.csv").write_text("a\ncat\n")
    message = "b.csv: `a` is words in one of the files, and numbers in another"
    assert message in refused(tmp_path, WORD, path=("a.csv", "b.csv")).message


def test_a_column_that_no_field_names_is_not_looked_at(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("junk,a\n,1\ntwo,2\n3,0\n")
    assert read(tmp_path, WORD, path="a.csv").count == 3
    assert "the data has no `b`; it has junk, a" in refused(tmp_path, {"b": Type(DType.REAL)}, path="a.csv").message


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_large_table_is_kept_in_a_file(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same batches as from memory, bit for bit; read once; and read anew when the file has changed."""
    path = tmp_path / f"a.{form}"
    WRITERS[path.name](path)
    small = read(tmp_path, path=path.name)
    monkeypatch.setenv("MAI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "IN_MEMORY", 100)
    monkeypatch.setattr("mai.compiler.data.tables.files.ROWS", 8)
    data = read(tmp_path, path=path.name)
    (kept,) = (tmp_path / "cache" / "columns").iterdir()
    assert data.notes == (f"40 rows are kept as numbers in {kept} (0 MB), where the next run finds them",)
    monkeypatch.setattr(Table, "rows", Table.rows)
    monkeypatch.setattr("mai.compiler.data.tables.convert.read_blocks", lambda *_: pytest.fail("it is read again"))
    again = read(tmp_path, path=path.name)
    for step in range(9):
        for name, rows in small.batch(step, 7).items():
            np.testing.assert_array_equal(data.batch(step, 7)[name], rows)
            np.testing.assert_array_equal(again.batch(step, 7)[name], rows)
            assert again.batch(step, 7)[name].dtype == rows.dtype
    assert all_rows(again) == all_rows(small) and again.labels == small.labels
    monkeypatch.undo()
    monkeypatch.setenv("MAI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "IN_MEMORY", 100)
    (tmp_path / "a.csv").write_text(TEXT.replace("cat", "dog"))
    path.unlink() if form == "parquet" else None
    assert read(tmp_path, path="a.csv").labels == {"y": ("ant", "bee", "dog")}
    assert len(list((tmp_path / "cache" / "columns").iterdir())) == 1


def test_a_large_table_has_its_place_beside_what_is_kept_of_the_grammar(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("MAI_CACHE", raising=False)
    monkeypatch.setattr(store, "IN_MEMORY", 100)
    grammar.tables.cache_clear()
    grammar.tables()
    (tmp_path / "a.csv").write_text(TEXT)
    (said,) = read(tmp_path, path="a.csv").notes
    assert said.startswith("40 rows are kept as numbers in ")
    grammar.tables.cache_clear()
    assert list((tmp_path / "cache" / "mai").glob("grammar-*.tables"))


def test_a_table_that_is_damaged_at_its_end_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "IN_MEMORY", 100)
    (tmp_path / "a.csv").write_text(TEXT + ",1,ant\n")
    assert "is empty in row 41" in refused(tmp_path, path="a.csv").message
    assert list((tmp_path / "cache" / "columns").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file in its place")
    monkeypatch.setenv("MAI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "IN_MEMORY", 100)
    (tmp_path / "a.csv").write_text(TEXT)
    diagnostic = refused(tmp_path, path="a.csv")
    assert "which cannot be written" in diagnostic.message and "MAI_CACHE" in str(diagnostic.help)


def test_quotes_and_commas_of_python_are_read_alike(tmp_path: Path) -> None:
    words = ["a, b", 'say "no"', "two\nlines", "  spaces  ", "plain"]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["a"], *[[word] for word in words]])
    assert read(tmp_path, {"a": Type(DType.INT, classes=5)}, path="a.csv").labels["a"] == tuple(
        sorted(w.strip() for w in words)
    )


@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_arrow_holds_no_function_of_a_table_that_was_left(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its thread would need Python to let go of one, and abort the process where Python has ended: as `mai data` did, once in a while."""
    taken = []
    hold = ReadAhead.hold

    def noted(ahead: ReadAhead, function: Callable[..., Any]) -> Callback:
        callback = hold(ahead, function)
        taken.append(weakref.ref(callback))
        return callback

    monkeypatch.setattr(ReadAhead, "hold", noted)
    monkeypatch.setattr("mai.compiler.data.tables.files.BYTES", 1 << 10)
    path = tmp_path / "t.csv"
    path.write_bytes(("x,y\n" + "".join(f"{i},Köln\n" for i in range(2000))).encode(encoding))
    opened = open_table(path, Stated())
    for turn in range(3):
        blocks = read_blocks(opened, ["y"])
        assert [next(blocks)["y"][0].as_py() for _ in range(turn)] == ["Köln"] * turn
        blocks.close()  # type: ignore[attr-defined]
    assert len(taken) > 2
    assert [each for each in taken if each() is not None] == []


def test_nothing_is_waited_for_where_no_thread_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines of JSON are read as they are asked for."""
    monkeypatch.setattr(ReadAhead, "hold", None)
    path = tmp_path / "t.jsonl"
    path.write_bytes('{"a": "Köln"}\n{"a": "Ulm"}\n'.encode("cp1252"))
    (block,) = read_blocks(open_table(path, Stated(encoding="cp1252")), ["a"])
    assert block["a"].to_pylist() == ["Köln", "Ulm"]


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_a_large_table_is_in_memory_some_rows_at_a_time(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of Arrow's memory and of numpy's it takes a part of the table, whatever its rows: 16 bytes each."""
    count = 200_000
    numbers = np.random.default_rng(0).normal(size=(2, count))
    path = tmp_path / f"t.{form}"
    whole = pa.table({"x0": numbers[0], "x1": numbers[1]})
    parquet.write_table(whole, path, row_group_size=1 << 14) if form == "parquet" else arrow_csv.write_csv(whole, path)
    monkeypatch.setenv("MAI_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(store, "IN_MEMORY", 1 << 16)
    monkeypatch.setattr("mai.compiler.data.tables.files.ROWS", 1 << 12)
    monkeypatch.setattr("mai.compiler.data.tables.files.BYTES", 1 << 15)  # Arrow reads 32 such blocks ahead.
    opened, before = open_table(path, Stated()), pa.total_allocated_bytes()
    allocated = [pa.total_allocated_bytes() - before for _ in read_blocks(opened, ["x0", "x1"])]
    assert len(allocated) > 20
    assert max(allocated) < whole.nbytes / 2
    tracemalloc.start()
    columns = read_tables([opened], {"x": FIELDS["x"]}).columns
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < whole.nbytes / 4
    assert np.allclose(rows_of(columns["x"])[count - 3 :], numbers[:, -3:].T)


def test_a_folder_of_folders_is_named_by_a_pattern(tmp_path: Path) -> None:
    """As other programs divide tables, by years for instance; `year` is not among the columns then."""
    for year in (2020, 2021):
        (tmp_path / "all" / f"year={year}").mkdir(parents=True)
        parquet.write_table(table(), tmp_path / "all" / f"year={year}" / "0.parquet")
    with pytest.raises(MaiError) as caught:
        load(Table.of({"path": "all"}), FIELDS, 0, tmp_path)
    assert '`"all/**/*.parquet"`' in (caught.value.diagnostics[0].help or "")
    assert load(Table.of({"path": "all/**/*.parquet"}), FIELDS, 0, tmp_path).count == 72


def test_files_in_hidden_folders_are_not_named(tmp_path: Path) -> None:
    """As copies that editors keep: no pattern would find them."""
    (tmp_path / "all" / ".copies").mkdir(parents=True)
    parquet.write_table(table(), tmp_path / "all" / ".copies" / "0.parquet")
    with pytest.raises(MaiError, match="there is no file in") as caught:
        load(Table.of({"path": "all"}), FIELDS, 0, tmp_path)
    assert caught.value.diagnostics[0].help is None
