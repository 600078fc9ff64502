"""What is said of a place, and what may be written there, asked as the server asks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mai.compiler.editor.completion import Item, completions
from mai.compiler.editor.desk import Desk
from mai.compiler.editor.hover import hover
from mai.compiler.editor.outline import hints, outline
from mai.compiler.editor.settings.meanings import OWN, SHARED, TRAIN, meaning
from mai.compiler.editor.view import View
from mai.compiler.elaborate.functions.function_reference import SETTINGS
from mai.compiler.training.settings import TrainSettings
from mai.spec import FOLDER
from mai.spec.settings import choices, fields

MODELS = [TrainSettings, *(model for _, models in SETTINGS.values() for model in models.values())]
DATA = "data x: [2], y: class[2] from moons(noise = 0.1)\n"
STORED = """data x: [2] from moons()
layer part(x: [d]) -> [d] {
  param gain: [d] = ones
  return x * gain + linear(x, d)
}
net f(x: [2]) -> [2] { return part(part(x)) }
weights from "a.safetensors" { "f.*" = "h.*" }
train(steps = 3, freeze = ["f.part_1.linear_1.*"], groups = group("f.part_2.gain", lr = 0.1)) {
  minimize sum((f(x) - x)^2) over "f.part_2.gain"
  record f.part_1.gain every 2
}
"""
FLOW = """net f(x: [2], gain = 2) -> [2] { return gain * linear(x, 2, bias = false) }
export g(steps: int = 20) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using dopri5(rtol = 1e-4) { dx/ds = f(x) }
  return x
}
"""


def view_of(text: str, folder: Path, mark: str = "|") -> tuple[View, int, Desk]:
    """A text that was checked, and the place of the mark in it, which is taken out."""
    offset, desk = text.index(mark), Desk()
    view = desk.put(folder / "a.mai", text.replace(mark, "", 1), None)
    view.check(desk.texts())
    return view, offset, desk


def said(text: str, folder: Path) -> str:
    view, offset, _ = view_of(text, folder, "¦")
    there = hover(view, offset)
    return there.text if there is not None else ""


def offered(text: str, folder: Path) -> list[Item]:
    view, offset, _ = view_of(text, folder)
    return completions(view, offset)


def labels(text: str, folder: Path) -> list[str]:
    return [item.label for item in offered(text, folder)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ships-2.csv").write_text("age,sex,lived\n3,m,yes\n4,f,no\n")
    (tmp_path / "layers.mai").write_text("")
    (tmp_path / "cats").mkdir()
    return tmp_path


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name or TRAIN)
def test_every_setting_has_a_meaning(model) -> None:
    for name in fields(model):
        said = meaning(model, name)
        where = "its model's docstring or compiler/editor/settings/meanings.py"
        assert said.endswith((".", "?")), f"`{name}` has no sentence in {where}"


def test_every_model_that_a_setting_may_be_is_in_the_reference() -> None:
    assert {model for each in MODELS for choice in choices(each).values() for model in choice.models.values()} <= {
        *MODELS
    }


def test_no_meaning_is_of_nothing() -> None:
    names = {name for model in MODELS for name in fields(model)}
    assert set(SHARED) <= names
    assert set(OWN) <= {f"{model.name or TRAIN}.{name}" for model in MODELS for name in fields(model)}


def test_hover_says_what_a_layer_is_that_the_reference_leaves_out(tmp_path: Path) -> None:
    assert "layer _never()" in said("export g(x: [2]) -> [2] { return x + _ne¦ver() }\n", tmp_path)


def test_hover_says_what_a_setting_means(tmp_path: Path) -> None:
    train = "train(steps = 3, optimizer = adamw(l¦r = 1e-3), schedule = linear(warmup = 2)) { minimize sum(x) }\n"
    assert "how far a step moves the weights" in said(DATA + train, tmp_path)
    assert "the rate grows from 0" in said(DATA + train.replace("¦", "").replace("warmup", "warm¦up"), tmp_path)
    assert "off their curve" in said(DATA.replace("noise", "no¦ise"), tmp_path)
    assert "error that a step may have" in said(FLOW.replace("rtol", "rt¦ol"), tmp_path)
    assert "`train` leaves the others" in said("data x: [1, 8, 8] from digits(split = a¦ll)\n", tmp_path)
    assert "an argument of `linear`" in said(FLOW.replace("bias", "bi¦as"), tmp_path)
    assert "How many seeds" in said("claim c(count = 3, see¦ds = 2) { check true }\n", tmp_path)


def test_hover_tells_words_from_functions_of_the_same_name(tmp_path: Path) -> None:
    assert "A whole number; `int[2]`" in said(FLOW.replace(": int", ": i¦nt"), tmp_path)
    assert "cut to a whole number" in said("export f(x: []) -> int { return in¦t(x) }\n", tmp_path)
    assert "becomes a file of its own" in said(FLOW.replace("export", "ex¦port"), tmp_path)


def test_hover_of_a_parameter_has_its_declaration_and_what_it_is_here(tmp_path: Path) -> None:
    assert "gain = 2" in said(FLOW.replace("return gain", "return ga¦in"), tmp_path)
    assert "steps: int = 20" in said(FLOW.replace("steps: int", "st¦eps: int"), tmp_path)
    assert "x: [2]" in said(FLOW.replace("dx", "¦dx"), tmp_path)


def test_known_networks_are_offered_to_a_rule(folder: Path) -> None:
    assert "clip_text" in labels('weights from "a.safetensors" {\n  "f.*" = family("cl|")\n}\n', folder)
    assert "family(layer" in said('weights from "a.safetensors" { "f.*" = fam¦ily("llama") }\n', folder)


def test_columns_of_the_file_that_is_named(folder: Path) -> None:
    assert labels('data | from table("ships-2.csv")\n', folder) == ["age", "sex", "lived"]
    assert labels('data age: [], l| from table("ships-2.csv")\n', folder) == ["sex", "lived"]
    line = 'data age: [] from table("ships-2.csv", '
    assert labels(line + "needs = |)\n", folder)[:3] == ["age", "sex", "lived"]
    assert labels(line + "needs = [age, |])\n", folder)[:3] == ["age", "sex", "lived"]
    assert labels(line + "split = stratified(|))\n", folder)[:4] == ["age", "sex", "lived", "column"]
    assert labels(line + "missing = |)\n", folder)[:3] == ["refuse", "keep", "drop"]
    assert labels(line + "|)\n", folder)[:2] == ["split", "validation"]
    assert labels('data x: [3] from series("ships-2.csv", time = |)\n', folder)[:3] == ["age", "sex", "lived"]


@pytest.mark.parametrize(
    ("call", "first"), [("conv(x, 3, |", "size"), ("x |> conv(3, !", "size"), ("conv(x, out = 3, |", "size")]
)
def test_an_argument_that_is_written_is_not_offered_again(tmp_path: Path, call: str, first: str) -> None:
    view, offset, _ = view_of(
        f"export f(x: [1, 8, 8]) -> [] {{\n  y = {call})\n}}\n", tmp_path, "!" if "!" in call else "|"
    )
    arguments = [item.label for item in completions(view, offset) if item.kind == "argument"]
    assert arguments[0] == first and not {"x", "out"} & {*arguments}


@pytest.mark.parametrize("example", ["moons_flow", "char_gpt", "dit", "papers/routed"])
def test_a_line_has_its_indent_when_it_is_begun(tmp_path: Path, example: str) -> None:
    """That of the formatter, whatever the editor has put there, with all after it still to be written."""
    text = (FOLDER.parent / "examples" / f"{example}.mai").read_text(encoding="utf-8")
    written = ""
    for line in text.splitlines():
        begun = f"{written}\t   {line.lstrip()}"
        spaces = Desk().put(tmp_path / "a.mai", begun, None).indented(len(begun), "\n")
        assert not line or (spaces is not None and spaces[1] + line.lstrip() == line)
        written += f"{line}\n"


@pytest.mark.parametrize(
    ("text", "typed", "indent"),
    [
        ("net f(x: [2]) -> [2] {\n|", "\n", 2), ("net f(x: [2]) -> [2] {\n  repeat 3 {\n    h = x # {\n    |}", "}", 2),
        ("export f(x: [2]) -> [2] {\n  y = x +\n|", "\n", 4), ("train(\n|", "\n", 2), ("train(\n  steps = 3,\n  |)", ")", 0),
        ("const a = 1\n|", "\n", 0), ("}\n}\n|", "\n", 0), ('import "a\n|', "\n", 0), ("|", "\n", 0), ("net f() {  x }|", "}", None),
    ],
)  # fmt: skip
def test_an_indent_in_a_text_that_is_not_finished(tmp_path: Path, text: str, typed: str, indent: int | None) -> None:
    view = Desk().put(tmp_path / "a.mai", text.replace("|", ""), None)
    edit = view.indented(text.index("|"), typed)
    assert (edit and len(edit[1])) == indent


def test_files_that_a_path_may_name(folder: Path) -> None:
    (ships,) = offered('data x: [2] from table("ships-2|")\n', folder)[:1]
    assert (ships.label, ships.text) == ("ships-2.csv", "2.csv")
    assert labels('data x: [2] from table("|")\n', folder) == ["cats", "ships-2.csv"]
    assert labels('import "|"\n', folder)[:2] == ["cats", "layers.mai"]
    (standard, *_) = offered('import "std/|"\n', folder)
    assert (standard.label, standard.text) == ("std/augment", "augment")
    assert "random_flip(x: [...], p = 0.5)" in standard.says
    assert labels('export f(x: [2]) -> [2] { return rearrange(x, "|") }\n', folder) == []


def test_a_call_behind_a_text_is_completed(tmp_path: Path) -> None:
    text = 'export f(x: [2]) -> [2] { return rearrange(x, "a -> a", |) }\n'
    assert "linear" in labels(text, tmp_path)


def test_a_schedule_that_is_called_as_a_layer_has_its_own_settings(tmp_path: Path) -> None:
    assert labels(DATA + "train(steps = 3, schedule = linear(|", tmp_path)[:2] == ["warmup", "final"]
    assert labels("export f(x: [2]) -> [2] { return linear(|", tmp_path)[:2] == ["x", "n"]


@pytest.mark.parametrize(
    ("text", "name", "places"),
    [
        (FLOW.replace("net f", "net |f"), "velocity", 2),
        (FLOW.replace("dx/ds", "d|x/ds"), "point", 4),
        (FLOW.replace("net f", "net |f"), "g", None),
        (FLOW.replace("net f", "net |f"), "linear", None),
        (FLOW.replace("(x: [2]", "(|x: [2]"), "gain", None),
        (FLOW.replace("(x: [2]", "(|x: [2]"), "linear", None),
        (FLOW.replace("integrate s", "integrate |s"), "x", None),
        (STORED.replace("net f", "net |f"), "g", 7),
        (STORED.replace("layer part", "layer |part"), "piece", 7),
        (STORED.replace("param gain", "param |gain"), "size", 5),
    ],
)
def test_another_name_never_changes_what_a_text_means(text: str, name: str, places: int | None, tmp_path: Path) -> None:
    view, offset, desk = view_of(text, tmp_path)
    if places is None:
        with pytest.raises(ValueError, match=f"`{name}` is the name of something else here"):
            desk.renamed(view, offset, name)
    else:
        assert len(desk.renamed(view, offset, name)) == places


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        (FLOW.replace("net f", "net |f"), "x²", "`x²` cannot be a name"),
        ("const |n = 2\n" + FLOW.replace("x, 2,", "x, n, [n"), "k", "`n` stands in line 2 of a.mai, too"),
        (
            FLOW.replace("net f", "net |f").replace("dx/ds = f(x)", "dx/ds = f(x) +"),
            "k",
            "`f` stands in line 4 of a.mai, too",
        ),
        (
            STORED.replace("param gain", "param |gain").replace('"f.part_2', '"*.p*_2'),
            "size",
            "`gain` in line 9 of a.mai means",
        ),
        (
            STORED.replace("layer part", "layer |part").replace('"f.part_2', '"*.p*_2'),
            "size",
            r"`p\*_2` in line 9 of a.mai means",
        ),
        (
            STORED.replace("net f", "net |f").replace('"f.part_2', '"[ef].part_2'),
            "g",
            r"`\[ef\]` in line 9 of a.mai means",
        ),
    ],
)
def test_another_name_is_not_given_by_halves(text: str, name: str, message: str, tmp_path: Path) -> None:
    view, offset, desk = view_of(text, tmp_path)
    with pytest.raises(ValueError, match=message):
        desk.renamed(view, offset, name)


UNFINISHED = """const width = 8
net f(point: [2]) -> [2] {
  first = linear(point, width)
  %s
  second = linear(first, 3)
  return linear(second, 2)
}
export g(x: [2]) -> [2] { return f(x) }
"""
LINES = (
    "h = ¦", "h = # soon\n\n  # a comment\n  ¦", "h += ¦", "h = linear(point, ¦", "h = [po¦", "h = point |> ¦", "h = linear(point,\n    po¦",
    "repeat ¦", "repeat 3 { h = po¦", "repeat 3 {\n    h = po¦", "if po¦", "return ¦", "minimize ¦", "} ¦", "h = where(point > 0, (¦",
)  # fmt: skip


@pytest.mark.parametrize("line", LINES)
def test_a_line_that_is_being_written_takes_nothing_else_away(line: str, tmp_path: Path) -> None:
    view, offset, _ = view_of(UNFINISHED % line, tmp_path, "¦")
    assert {"point", "first", "width"} <= {item.label for item in completions(view, offset)}
    assert {hint.text for hint in hints(view, 0, len(view.source.text))} == {": [8]", ": [3]"}
    assert [entry.name for entry in outline(view)] == ["width", "f", "g"]


def test_another_name_in_the_folders_that_are_open(tmp_path: Path) -> None:
    for folder in ("shared", "own", "own/deep", "own/.git"):
        (tmp_path / folder).mkdir()
        lines = 'import "{}shared/a.mai"\nexport g(x: [2]) -> [2] {{ return twice(x) }}\n'
        (tmp_path / folder / "user.mai").write_text(lines.format("../" * (1 + folder.count("/"))))
    view, offset, desk = view_of("layer |twice(x: [d]) -> [d] { return 2 * x }\n", tmp_path / "shared")
    spans = desk.renamed(view, offset, "double", [tmp_path])
    files = {str(Path(span.source.path).relative_to(tmp_path)) for span in spans}
    assert files == {"shared/a.mai", "shared/user.mai", "own/user.mai", "own/deep/user.mai"}


def test_another_name_over_files(tmp_path: Path) -> None:
    (tmp_path / "user.mai").write_text('import "a.mai"\nexport g(x: [2]) -> [2] { k = 3\n  return twice(x) * k }\n')
    view, offset, desk = view_of("layer |twice(x: [d]) -> [d] { return 2 * x }\n", tmp_path)
    assert {Path(span.source.path).name for span in desk.renamed(view, offset, "double")} == {"a.mai", "user.mai"}
    with pytest.raises(ValueError, match="`k` is the name"):
        desk.renamed(view, offset, "k")


@pytest.mark.parametrize("path", sorted((FOLDER / "prelude").glob("*.mai")), ids=lambda p: p.stem)
def test_files_of_mai_are_read_and_keep_their_names(path: Path) -> None:
    desk = Desk()
    view = desk.put(path, path.read_text(), None)
    assert view.check(desk.texts()).diagnostics == []
    assert desk.can_rename(view, view.source.text.index("layer ") + len("layer ")) is None
