"""`mai data`: what is said of files is what is in them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from mai.compiler.check import check
from mai.compiler.data.batches import load
from mai.compiler.data.source_kinds import Source
from mai.compiler.data.sources import SOURCES
from mai.compiler.data.tables.numerals import number_of
from mai.compiler.describing.as_json import as_json
from mai.compiler.describing.columns.numbers import SAMPLE, Numbers
from mai.compiler.describing.describe import describe
from mai.compiler.describing.drawn import DrawnSummary, save_examples, source_called
from mai.compiler.describing.images import ImagesSummary
from mai.compiler.describing.lines import data_line, lines
from mai.compiler.describing.pictures import draw
from mai.compiler.describing.specs import what_it_takes
from mai.compiler.describing.tables import TableSummary
from mai.compiler.ir.types import Type
from mai.compiler.program import Program
from mai.runtime import ModelError
from mai.runtime.commands.running import read_points
from mai.spec.diagnostics import MaiError
from mai.spec.settings import NEEDED, fields
from tests.support.command import invoke

UGLY = """id,const,empty,price,class,größe,when,flag,weird name (kg),ticket,y
a1,5,,"1,234",yes,1.5,2024-01-01,True,3,A5,1
a2,5,,"$2,500.50",no,,2024-01-02,False,4,7,0
a3,5,,$12,yes,2.5,2024-02-01,True,NA,A6,1
a4,5,,,yes,2.5,,True,,8,1
"""
NET = "net f(a: []) -> [2] { return linear([fill(a)], 2) }\ntrain(steps = 2) { minimize cross_entropy(f(size), y) }\n"


def checked(path: Path) -> Program:
    program = check(path).program
    assert program is not None
    return program


def table(path: Path, text: str) -> TableSummary:
    path.write_text(text, encoding="utf-8")
    summary = describe([path])
    assert isinstance(summary, TableSummary)
    return summary


def test_a_table_is_told_column_by_column(tmp_path: Path) -> None:
    summary = table(tmp_path / "t.csv", UGLY)
    kinds = {c.name: (c.kind, c.missing, c.distinct) for c in summary.columns}
    assert kinds["const"] == ("whole", 0, 1) and kinds["empty"] == ("empty", 4, 0)
    assert kinds["price"] == ("number", 1, 3) and kinds["when"] == ("date", 1, 3)
    assert kinds["weird_name_kg"] == ("whole", 2, 2) and kinds["ticket"] == ("mixed", 0, 4)
    price = summary.column("price")
    assert price is not None and price.numbers is not None and price.numbers.high == 2500.5
    line = data_line(summary)
    assert "left out: id: all of its words differ" in line and "left out: ticket: it mixes words and numbers" in line
    assert "größe: []" in line and "class: class[2]" in line and "missing = keep" in line


def test_whole_numbers_that_may_be_labels_are_named(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("east,part,kids\n" + "".join(f"{i}.5,{i % 3},{i % 2 * 4}\n" for i in range(12)))
    label, line = data_line(describe([tmp_path / "c.csv"])).splitlines()
    assert label == "# if part is a label and no amount: part: class[3]"
    assert line.startswith("data east: [], part: [], kids: [] from table(")


def test_examples_of_a_source_are_written(tmp_path: Path) -> None:
    """A table that `--over` reads; images are no rows of one."""
    invoke("data", "moons", "--out", tmp_path / "points.csv")
    head, first, *_ = (tmp_path / "points.csv").read_text().splitlines()
    assert head == "x0,x1,y" and len(first.split(",")) == 3
    assert read_points(tmp_path / "points.csv").shape == (2000, 2)
    with pytest.raises(MaiError, match="which is no row of a table"):
        save_examples(describe([Path("digits")]), tmp_path / "d.csv")
    assert invoke("data", tmp_path / "points.csv", "--out", tmp_path / "d.csv").exit_code != 0


def test_points_of_a_table_with_more_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "c.csv").write_text("name,east,north,part\na,1,2,0\nb,3,4,1\n")
    assert read_points(tmp_path / "c.csv").tolist() == [[1, 2], [3, 4]]
    assert "are its columns east and north" in capsys.readouterr().err
    assert read_points(tmp_path / "c.csv:part, east").tolist() == [[0, 1], [1, 3]]
    for word, reason in (
        ("c.csv:est,part", "has no column `est`"),
        ("c.csv:east", "a point has two numbers, .*c.csv:east names 1"),
        ("d.csv", "there is no file .*d.csv for --over"),
    ):
        with pytest.raises(ModelError, match=reason):
            read_points(tmp_path / word)


def test_the_line_to_paste_is_one(tmp_path: Path) -> None:
    """A spec with it is sound, and reads its data."""
    summary = table(tmp_path / "t.csv", UGLY.replace("größe", "size"))
    text = data_line(summary).replace("y: []", "y: class[2]") + "\n" + NET
    (tmp_path / "m.mai").write_text(text)
    program = checked(tmp_path / "m.mai")
    training = program.trainings[0]
    assert load(training.data, training.fields, 0, tmp_path).count == 4


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_numbers_some_at_a_time(block: int) -> None:
    numbers = np.random.default_rng(0).normal(3, 2, 1000)
    seen = Numbers()
    for begin in range(0, 1000, block):
        seen.add(numbers[begin : begin + block])
    assert (seen.count, seen.low, seen.high) == (1000, numbers.min(), numbers.max())
    np.testing.assert_allclose([seen.mean, seen.deviation], [numbers.mean(), numbers.std()], rtol=1e-12)
    np.testing.assert_allclose(seen.quantile(0.25), np.quantile(numbers, 0.25))


def test_a_sample_of_what_repeats_itself_is_fair() -> None:
    seen = Numbers()
    for _ in range(10):
        seen.add(np.tile(np.arange(64.0), 1000))
    assert SAMPLE / 2 < len(seen.sample) <= SAMPLE
    assert abs(seen.quantile(0.5) - 31.5) <= 1 and set(seen.sample) == set(range(64))


def test_a_spec_takes_some_and_leaves_others(tmp_path: Path) -> None:
    rows = "".join(f"{i},{'ab'[i % 2]},{i / 7}\n" for i in range(100))
    (tmp_path / "t.csv").write_text("size,y,more\n" + rows)
    (tmp_path / "m.mai").write_text(
        'data size: [], y: class[2] from table("t.csv", split = random(0.2, test = 0.1))\n' + NET
    )
    taken, summary, notes = what_it_takes(checked(tmp_path / "m.mai"))
    assert taken == {"size": "size: []", "y": "y: class[2]"} and summary is not None
    assert any(line.startswith("  more") and "leaves it" in line for line in lines(summary, taken))
    assert notes[-2] == "100 examples: 70 (70 %) trained on, 20 (20 %) held out, 10 (10 %) for tests"
    assert notes[-1] == "warning: `size`: it numbers the rows"


@pytest.mark.parametrize("name", SOURCES.names)
def test_a_source_is_described_by_its_name(name: str, tmp_path: Path) -> None:
    if source_called(name) is None:
        assert SOURCES[name].reads_files or any(each.default is NEEDED for each in fields(SOURCES[name]).values())
        return
    summary = describe([Path(name)])
    assert isinstance(summary, DrawnSummary) and f"from {name}()" in data_line(summary)
    assert f"{name}: " in next(iter(lines(summary)))
    draw(summary, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000
    (tmp_path / "m.mai").write_text(f"{data_line(summary)}\ntrain(steps = 1) {{ minimize sum(linear(x, 1)^2) }}\n")
    again = what_it_takes(checked(tmp_path / "m.mai"))[1]
    assert isinstance(again, DrawnSummary) and data_line(again) == data_line(summary)


def test_a_source_beside_files_is_none(tmp_path: Path) -> None:
    table(tmp_path / "t.csv", UGLY)
    with pytest.raises(MaiError, match="no file"):
        describe([Path("moons"), tmp_path / "t.csv"])


def test_a_value_of_several_lines_is_shown_in_one(tmp_path: Path) -> None:
    shown = [*lines(table(tmp_path / "t.csv", "a,b\n" + '"two\nlines",1\n"one",2\n' * 9))]
    assert all("\n" not in line for line in shown) and any("two\\nlines 50 %" in line for line in shown)


def test_other_kinds_of_files(tmp_path: Path) -> None:
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "pets" / name / "1.png")
    np.savez(tmp_path / "a.npz", x=np.ones((5, 3), np.float32), y=np.array([0, 1, 2, 1, 0]))
    (tmp_path / "t.txt").write_text("häh\nah")
    parquet.write_table(pa.table({"v": [[1.0, 2.0], [3.0, 4.0]], "b": [True, False]}), tmp_path / "t.parquet")
    said = {name: data_line(describe([tmp_path / name])) for name in ("pets", "a.npz", "t.txt", "t.parquet")}
    assert said["pets"].startswith("data x: [3, 4, 6], y: class[2] from images")
    assert said["a.npz"].startswith("data x: [3], y: class[3] from arrays")
    assert said["t.txt"].startswith("data x: tokens[128] from text")
    assert "\ndata v: [2], b: [] from table" in said["t.parquet"]
    about = json.loads(as_json(describe([tmp_path / "t.txt"])))
    assert about["counts"] == {"h": 3, "ä": 1, "\n": 1, "a": 1} and about["lines"] == 2


def test_arrays_of_words_are_labels_and_those_of_other_lengths_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    np.savez(path, x=np.zeros((20, 3)), y=np.array(["cat", "dog"] * 10), weights=np.ones(3))
    said = "\n".join(lines(describe([path])))
    assert "cat 50 %, dog 50 %" in said
    assert data_line(describe([path])) == (
        f'# left out: weights: no array of 20 examples\ndata x: [3], y: class[2] from arrays("{path}")'
    )
    np.savez(path, x=np.zeros((20, 3), ">f4"), y=np.array([{}, None]))
    said = f'# left out: y: no array of numbers or of words\ndata x: [3] from arrays("{path}")'
    assert data_line(describe([path])) == said
    np.savez(path, x=np.zeros((20, 3)), y=np.array(["Zoë".encode(), b"\xff"] * 10))
    assert "Zoë 50 %" in "\n".join(lines(describe([path])))
    np.savez(path, x=np.zeros((20, 3)), weights=np.ones(3))
    assert data_line(describe([path])) == "# the arrays have no common number of examples: 3, 20"


def test_an_image_that_was_cut_is_told_and_mixed_sizes_have_a_middle_one(tmp_path: Path) -> None:
    """A jpeg that was cut begins as a whole one does: only decoding sees it."""
    noise = np.random.default_rng(0).integers(0, 256, (90, 90, 3), dtype=np.uint8)
    for place, (width, height) in enumerate([(20, 40), (30, 50), (31, 90), (60, 45)]):
        Image.fromarray(noise[:height, :width]).save(tmp_path / f"{place}.jpg")
    cut = tmp_path / "3.jpg"
    cut.write_bytes(cut.read_bytes()[:-400])
    summary = describe([tmp_path])
    assert isinstance(summary, ImagesSummary) and summary.damaged == (cut,)
    assert data_line(summary).endswith(f'data x: [3, 50, 30] from images("{tmp_path}", size = [50, 30])')
    for file in tmp_path.iterdir():
        file.write_bytes(b"")
    with pytest.raises(MaiError, match=r"no image of .* can be read"):
        describe([tmp_path])


def test_a_picture_of_each_kind(tmp_path: Path) -> None:
    draw(table(tmp_path / "t.csv", UGLY), tmp_path / "t.png")
    assert Image.open(tmp_path / "t.png").size[0] > 100


def test_what_is_no_data_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"\0\1\xff" * 10)
    with pytest.raises(MaiError, match="no text"):
        describe([tmp_path / "a.bin"])


@pytest.mark.parametrize(
    ("cell", "decimal", "number"),
    [("$1,234.50", ".", 1234.5), ("-€ 2.000,5", ",", -2000.5), ("12 %", ".", 12), ("1,23", ".", None), ("1,234,5", ".", None),
     ("12,345", ",", 12.345), ("$", ".", None), ("5 kg", ".", None), ("1.234.567 €", ",", 1234567), ("1.2.3", ".", None),
     ("$-48,975", ".", -48975), ("-$-4", ".", None), ("($-12)", ".", None), ("\u22121,234.5", ".", -1234.5), ("\u22125,2", ",", -5.2)],
)  # fmt: skip
def test_numbers_as_people_write_them(cell: str, decimal: str, number: float | None) -> None:
    assert number_of(cell, decimal) == number


def test_signs_of_money_are_told_and_are_words_of_labels(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('size,y\n"$1,000",$1\n$5,$2\n')
    (tmp_path / "m.mai").write_text('data size: [], y: class[2] from table("t.csv")\n' + NET)
    training = checked(tmp_path / "m.mai").trainings[0]
    data = load(training.data, training.fields, 0, tmp_path)
    assert sorted(data.batch(0, 2)["size"].tolist()) == [5, 1000] and data.labels == {"y": ("$1", "$2")}
    assert data.notes == (
        "column `size`: numbers such as `$1,000` are read without signs of money, shares and thousands",
    )


def test_columns_of_a_vector_are_left_out_together(tmp_path: Path) -> None:
    """For one that no field takes. One that is always the same is no such, as corners of pictures are."""
    head, rows = "x0,x1,x2,y\n", [(0, i * 7 % 5, i % 3) for i in range(9)]
    alike = table(tmp_path / "a.csv", head + "".join(f"{a},{b},{c},{c}\n" for a, b, c in rows))
    assert "x: [3]" in data_line(alike) and not alike.left_out()
    infinite = table(tmp_path / "b.csv", head + "".join(f"{'inf' if b == 2 else c},{b},{c},{c}\n" for _, b, c in rows))
    (first, why), (second, also), _ = infinite.left_out()
    assert (first.name, second.name, also) == ("x0", "x1", "it is of one vector with `x0`") and "not finite" in why
    assert "left_out" not in as_json(alike) and as_json(infinite).count("left_out") == 3


def test_lists_of_words_and_long_whole_numbers_are_not_mistaken(tmp_path: Path) -> None:
    """A list of words is no vector, and whole numbers that are one in 64 bits are not said to be always one."""
    path = tmp_path / "a.parquet"
    table = pa.table(
        {"x": [1.5, 2.5, 3.5], "tags": [["a", "b"], ["c", "d"], ["e", "f"]], "big": [2**60 + i for i in range(3)]}
    )
    parquet.write_table(table, path)
    summary = describe([path])
    assert isinstance(summary, TableSummary)
    line = data_line(summary)
    assert (
        "left out: tags: its values are lists of words: what is needed of them are columns of numbers or words" in line
    )
    assert "left out: big" not in line and "big: []" in line


def test_a_file_in_two_encodings_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("city,y\nZürich,1\n".encode("cp1252") + "Genève,2\n".encode())
    summary = describe([tmp_path / "t.csv"])
    assert isinstance(summary, TableSummary)
    assert any("line 3 is in UTF-8, and other lines are not" in line for line in lines(summary))


@pytest.mark.parametrize(
    ("row", "message", "line"),
    [
        (
            {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "good day"}]},
            "2 messages, 10 bytes; user 4, assistant 4",
            'data text: tokens[64], answer_mask: [64]\n  from examples("t.jsonl", messages = messages, chat = "chat_template.jinja", longer = drop)',
        ),
        (
            {"chat": [{"from": "human", "value": "hi"}]},
            "1 message, 2 bytes; user 4",
            "messages = chat, chat = ",
        ),
        (
            {"messages": [{"from": "gpt", "value": None}]},
            "row 1: message 1 has no text `value`",
            "",
        ),
    ],
)  # fmt: skip
def test_conversations_are_told_with_a_line(row: dict[str, object], message: str, line: str, tmp_path: Path) -> None:
    summary = table(tmp_path / "t.jsonl", f"{json.dumps(row)}\n" * 4)
    assert "conversations" in json.loads(as_json(summary))["columns"][0]
    assert message in "\n".join(lines(summary)) and line in data_line(summary).replace(f"{tmp_path}/", "")


def test_prompts_with_answers_are_told_as_one_text(tmp_path: Path) -> None:
    rows = [
        {"instruction": f"what is {place}", "input": "a" * (place % 2), "output": f"it is {place}"}
        for place in range(9)
    ]
    summary = table(tmp_path / "t.jsonl", "".join(f"{json.dumps(row)}\n" for row in rows))
    line = data_line(summary)
    assert "data text: tokens[32], output_mask: [32]" in line
    assert 'text = "{instruction}\\n{input}\\n{output}\\0", missing = keep, needs = output' in line
    path = tmp_path / "t.mai"
    path.write_text(f"{line}\nnet f(x: tokens[P]) -> [P, 256] {{ return linear(embed(x, 4), 256) }}\nconst vocab = 256\n"
                    "train(steps = 1) { minimize sum(output_mask * cross_entropy(f(text), text)) }\n")  # fmt: skip
    training = checked(path).training
    assert training is not None and training.data is not None
    row = load(training.data, training.fields, 0, tmp_path).batch(0, 1)
    answer = row["text"][0].astype(int)[row["output_mask"][0] == 1]
    assert bytes(answer.tolist()).startswith(b"it is ") and answer[-1] == 0


def test_the_part_of_each_row_is_written(tmp_path: Path) -> None:
    """Rows are those of the files, also where some are left out; files for tests have rows of their own."""
    for name, rows in (("a.csv", range(40)), ("b.csv", range(40, 60)), ("c.csv", range(60, 63))):
        lines_ = (f"{row if row != 7 else ''},{row % 2}" for row in rows)
        (tmp_path / name).write_text("size,y\n" + "\n".join(lines_) + "\n")
    for settings, apart in (("split = random(0.2, test = 0.2)", 0), ('test = "c.csv"', 3)):
        line = f'data size: [], y: class[2] from table("[ab].csv", missing = drop, {settings})\n'
        (tmp_path / "s.mai").write_text(line + NET)
        assert invoke("data", tmp_path / "s.mai", "--out", tmp_path / "p.csv").exit_code == 0
        head, *rest = [each.split(",") for each in (tmp_path / "p.csv").read_text().split()]
        own, others = rest[: len(rest) - apart], rest[len(rest) - apart :]
        assert head == ["row", "part"] and [int(row) for row, _ in own] == [n for n in range(1, 61) if n != 8]
        assert others == [[str(row), "test"] for row in range(1, apart + 1)]
        data = load(*_data_of(checked(tmp_path / "s.mai")), 0, tmp_path)
        trained = np.sort(data.batch(0, data.count or 0)["size"])
        assert trained.tolist() == [int(row) - 1 for row, part in own if part == "train"]
        assert data.test is not None and len(data.test["size"]) == sum(part == "test" for _, part in rest)


def _data_of(program: Program) -> tuple[Source, Mapping[str, Type]]:
    return program.trainings[0].data, program.trainings[0].fields
