"""Messages about data before training: the shapes of built-in sources and of files, as training reports them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check_all, misfits
from mai.compiler.data.batches import load
from mai.compiler.data.source_kinds import Finite, Request, Source
from mai.compiler.data.sources.checkerboard import Checkerboard
from mai.compiler.data.sources.csv import Csv
from mai.compiler.data.sources.digits import Digits
from mai.compiler.data.sources.function import FunctionSource, width_of
from mai.compiler.data.sources.npz import Npz
from mai.compiler.fixing import fix
from mai.compiler.program import Program
from mai.spec.diagnostics import MaiError
from mai.spec.diagnostics.edit import after

Maker = Callable[[str], Program]
BLOCK = "\nnet f() -> [] {\n  param w: [] = 1\n  return w\n}\ntrain(steps = 1) { minimize f()^2 }\n"


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("\ny, x0,x1,s\n" + "".join(f"{i % 3},{i},{-i},0.5\n" for i in range(30)))
    (tmp_path / "gap.csv").write_text("x0,x2\n1,2\n3,4\n")
    (tmp_path / "twice.csv").write_text("x,x\n1,2\n3,4\n")
    np.savez(tmp_path / "a.npz", x=np.zeros((30, 4, 2)), y=np.zeros(30, int))


MISFITS = [
    ("x: [3] from moons()", "`x` is [3] in the spec and [2] in the data"),
    ("x: [7, 2] from moons(cloud = 8)", "`x` is [7, 2] in the spec and [8, 2] in the data"),
    ("x: [63], y: class[10] from digits()", "`x` is [63] in the spec and [64] in the data"),
    ("x: [64], y: class[9] from digits()", "`y` has labels 0 to 9, the spec has class[9]"),
    ("x: [2], y: class[10], z: [] from digits()", "the data has no `z`; it has x, y"),
    ("x: class[10] from digits()", "`x` holds fractions, the spec has whole numbers"),
    ('x: [1], y: [] from function("x0 * sin(x3)")', "`x` is [1] in the spec and [4] in the data"),
    ('x: [3] from csv("a.csv")', "`x` is [3] in the spec and [2] in the data"),
    ('z: [] from csv("a.csv")', "the data has no `z`; it has y, x, s"),
    ('x: [3] from csv("gap.csv")', "the columns of `x` need the numbers 0 to 1: there is no `x1`"),
    ('x: [2] from npz("a.npz")', "`x` is [2] in the spec and [4, 2] in the data"),
    ('z: [2] from npz("a.npz")', "the data has no `z`; it has x, y"),
    (
        "x: tokens[8] from text(tokenizer = bpe(vocab = 512))",
        "`bpe(vocab = 512)` makes up to 512 tokens, but `vocab` is 256",
    ),
    ("x: [8] from text(tokenizer = bytes)", "text gives rows of tokens: `x: tokens[...]`"),
]


@pytest.mark.parametrize(("line", "message"), MISFITS, ids=[line for line, _ in MISFITS])
def test_a_misfit_is_told_as_training_tells_it(line: str, message: str, program: Maker, tmp_path: Path) -> None:
    spec = program(f"const vocab = 256\ndata {line}{BLOCK}")
    (diagnostic,) = misfits(spec)
    assert (diagnostic.slug, diagnostic.message, diagnostic.severity) == ("data-bad", message, "error")
    assert diagnostic.span is not None and diagnostic.span.text in (f"data {line}", "z")
    assert spec.training is not None
    with pytest.raises(MaiError) as caught:
        load(spec.training.data, spec.training.fields, 0, tmp_path, None, spec.training.where)
    assert caught.value.diagnostics == (diagnostic,)


@pytest.mark.parametrize(
    "line",
    [
        "x: [2, 1] from moons()",
        "y: class[8] from gaussians(modes = 8)",
        "points: [2], kind: class[3] from spirals(classes = 3)",
        "x: [2] from checkerboard(count = 40, cloud = 4)",
        "x: [1, 8, 8], y: class[11] from digits()",
        'x: [2], y: class[3], s: [] from csv("a.csv")',
        'x: [8], y: class[1] from npz("a.npz")',
        "t: tokens[9] from text(tokenizer = bytes)",
    ],
)
def test_what_fits_is_not_told(line: str, program: Maker, tmp_path: Path) -> None:
    spec = program(f"const vocab = 256\ndata {line}{BLOCK}")
    assert misfits(spec) == []
    assert spec.training is not None
    load(spec.training.data, spec.training.fields, 0, tmp_path)


@pytest.mark.parametrize("name", ["nowhere.csv", "nowhere.npz", "broken.npz", "long.csv", "folder.csv", "\0.csv"])
def test_a_file_that_cannot_be_looked_at_is_left_to_training(name: str, program: Maker, tmp_path: Path) -> None:
    (tmp_path / "broken.npz").write_bytes(b"PK\3\4 no archive")
    (tmp_path / "long.csv").write_text("x" * (2 << 20))
    (tmp_path / "folder.csv").mkdir()
    spec = program(f'data x: [2] from {name.split(".")[1]}("a"){BLOCK}')
    kind = Npz if name.endswith("npz") else Csv
    assert kind(path=name).columns(tmp_path) is None
    assert [diagnostic.severity for diagnostic in misfits(spec)] == ["warning"]


WORDS = [
    ('pric: [] from csv("b.csv")', "pric", "price"),
    ('x: [2], price: [] from table("b.csv", missing = drop, needs = pirce)', "pirce", "price"),
    ('x: [2], grade: class[3] from table("b.csv", words = grad)', "grad", "grade"),
    ('x: [2] from table("b.csv", split = stratified(grad))', "grad", "grade"),
    ('x: [2] from table("b.csv", split = by_group(column = grad))', "grad", "grade"),
    ('x: [2], grade: [] from npz("b.npz", split = by_time(grad))', "grad", "grade"),
    ('prise: [4] from series("b.csv", window = 4, time = grade)', "prise", "price"),
    ('next_prise: [1], price: [4] from series("b.csv", window = 4, time = grade)', "next_prise", "next_price"),
    ('price: [4] from series("b.csv", window = 4, time = grad)', "grad", "grade"),
    ('price: [4] from series("b.csv", window = 4, group = grad, time = x0)', "grad", "grade"),
    ('prise: tokens[4] from examples("b.csv")', "prise", "price"),
    ('price: tokens[4], grade: class[3] from examples("b.csv", words = grad)', "grad", "grade"),
]


@pytest.mark.parametrize(("line", "word", "meant"), WORDS, ids=[line for line, *_ in WORDS])
def test_a_name_that_the_data_lack_has_its_place_and_the_nearest_name(
    line: str, word: str, meant: str, program: Maker, tmp_path: Path
) -> None:
    (tmp_path / "b.csv").write_text("grade,x0,x1,price\n" + "".join(f"{i % 3},{i},{-i},0.5\n" for i in range(30)))
    np.savez(tmp_path / "b.npz", x=np.zeros((30, 2)), grade=np.arange(30))
    (tmp_path / "spec.mai").write_text(f"const vocab = 256\ndata {line}{BLOCK}")
    diagnostic, *_ = check_all(tmp_path / "spec.mai").diagnostics
    assert (diagnostic.slug, diagnostic.severity, diagnostic.help) == ("data-bad", "error", f"did you mean `{meant}`?")
    assert diagnostic.span is not None and diagnostic.span.text == word
    assert diagnostic.edit is not None and after([diagnostic.edit])[str(tmp_path / "spec.mai")].text.count(meant) > 0


def test_a_field_is_renamed_wherever_it_is_named(tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    (tmp_path / "b.csv").write_text("price\n1\n2\n")
    text = 'data prise: [] from csv("b.csv")\nnet f(x: []) -> [] {\n  param w: [] = 1\n  return w * x\n}\ntrain(steps = 1) { minimize f(prise)^2 }\n'
    path.write_text(text)
    fixed = fix(path)
    assert fixed.checked.errors == [] and fixed.texts[str(path)].text == text.replace("prise", "price")


@pytest.mark.parametrize(
    ("written", "meant"),
    [('csv("b.csv")', '"a.csv"'), ('csv("folder/a.csv")', '"a.csv"'), ('csv("deep.csv")', '"inside/deep.csv"'), ('npz("aa.npz")', '"a.npz"'),
     ('csv("a.csv", validation = "aa.csv")', '"a.csv"'), ('images("insid")', '"inside"'), ('csv("quite_another.csv")', None)],
)  # fmt: skip
def test_a_file_that_is_not_there_is_a_warning_with_the_nearest(
    written: str, meant: str | None, program: Maker, tmp_path: Path
) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "deep.csv").write_text("x0,x1\n1,2\n")
    (diagnostic,) = misfits(program(f"data x: [2] from {written}{BLOCK}"))
    assert (diagnostic.slug, diagnostic.severity) == ("data-missing", "warning")
    assert diagnostic.help == (f"did you mean `{meant}`?" if meant else "in that folder are a.csv, gap.csv, twice.csv")
    assert diagnostic.span is not None and diagnostic.span.text.startswith('"')


@pytest.mark.parametrize(
    "source",
    [
        Digits(), Digits(split="all"), Checkerboard(count=50), FunctionSource(formula="x0 + x2"),
        Csv(path="a.csv"), Npz(path="a.npz"),
    ],
    ids=lambda s: s.name,
)  # fmt: skip
def test_what_is_known_is_what_is_read(source: Source, tmp_path: Path) -> None:
    columns, reading = source.columns(tmp_path), source.read(Request(tmp_path, (), 0))
    assert columns is not None and isinstance(reading, Finite)
    arrays = reading.arrays
    columns = {name: column for name, column in columns.items() if not column.is_part}
    assert {n: c.shape for n, c in columns.items()} == {n: a.shape[1:] for n, a in arrays.items()}
    for name, column in columns.items():
        assert column.whole in (None, arrays[name].dtype.kind in "iu")
        assert column.labels in (None, arrays[name].max() + 1)


def test_the_width_of_a_formula() -> None:
    assert [width_of(f) for f in ("1", "x0", "x2 + exp(x0)", "max1 * x11")] == [1, 1, 3, 12]


def test_a_batch_in_a_shape_is_told_as_one(program: Maker, tmp_path: Path) -> None:
    spec = program(f"data x: [64, 2] from moons(){BLOCK}")
    (diagnostic,) = misfits(spec)
    assert diagnostic.help == "a spec speaks of one example: `x: [2]`; how many at a time is `train(batch = 64)`"
