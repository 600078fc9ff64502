"""Edits: what mends an error is tried, told, and made by `--fix`; a file that would not be better stays as it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mai.compiler.check import check_all
from mai.compiler.fixing import fix, in_words, write
from mai.spec.diagnostics import Change, Diagnostic, Edit
from mai.spec.diagnostics.edit import after, changed, insert, meant, overlapping, put, take_out
from mai.spec.diagnostics.render import to_json
from mai.spec.source import Source, Span

HEAD = "const width = 3\nnet f(x: [2]) -> [2] {\n"
TAIL = "  return y\n}\nexport g(x: [2]) -> [2] { return f(x) }\n"
TWO_SLIPS = f"{HEAD}  y = rleu(widht * x)\n{TAIL}"
MENDED = f"{HEAD}  y = relu(width * x)\n{TAIL}"


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def mend(text: str, path: str = "a.mai") -> str:
    """The text after `--fix`."""
    Path(path).write_text(text, encoding="utf-8")
    fixed = fix(Path(path))
    write(fixed.texts)
    return Path(path).read_text(encoding="utf-8")


def test_words_and_changes_agree() -> None:
    source = Source("a.mai", "y = x ** 2\n")
    span = Span(source, 6, 8)
    assert put(span, "^") == Edit("write `^`", (Change(span, "^"),))
    assert meant(span, "and").words == "did you mean `and`?"
    assert after([put(span, "^")])["a.mai"].text == "y = x ^ 2\n"
    assert after([take_out(span, "take it out")])["a.mai"].text == "y = x  2\n"
    assert after([insert(source, 0, "net ", "write `net`")])["a.mai"].text == "net y = x ** 2\n"


def test_several_changes_of_one_text() -> None:
    source = Source("a.mai", "abcdef")
    changes = [Change(Span(source, 4, 6), ""), Change(Span(source, 0, 1), "xyz"), Change(Span(source, 3, 3), "-")]
    assert changed("abcdef", changes) == "xyzbc-d"


@pytest.mark.parametrize(
    ("first", "second", "overlap"),
    [
        ((0, 2), (2, 4), False),
        ((0, 3), (2, 4), True),
        ((2, 2), (2, 4), True),
        ((0, 2), (2, 2), False),
        ((1, 4), (2, 3), True),
    ],
)
def test_overlaps(first: tuple[int, int], second: tuple[int, int], overlap: bool) -> None:
    source = Source("a.mai", "abcdef")
    one, other = put(Span(source, *first), "1"), put(Span(source, *second), "2")
    assert overlapping([one, other]) is overlapping([other, one]) is overlap
    assert not overlapping([one, one])


def test_an_edit_is_in_the_json() -> None:
    Path("a.mai").write_text(TWO_SLIPS)
    record = json.loads(to_json(check_all(Path("a.mai")).diagnostics))
    assert [(d["edit"][0]["text"], d["edit"][0]["start"]["column"], d["edit"][0]["end"]["column"]) for d in record] == [
        ("relu", 7, 11),
        ("width", 12, 17),
    ]


def test_what_would_not_mend_is_no_edit() -> None:
    """`silu` is the nearest name; but the file is not sound with it."""
    Path("a.mai").write_text('net f(x: [2]) -> [2] { return siluu(x, "a") }\n')
    (diagnostic,) = check_all(Path("a.mai")).diagnostics
    assert (diagnostic.slug, diagnostic.help, diagnostic.edit) == ("unknown-function", "did you mean `silu`?", None)
    assert diagnostic.edits
    before = Path("a.mai").stat().st_mtime_ns
    assert fix(Path("a.mai")).texts == {}
    assert Path("a.mai").stat().st_mtime_ns == before


def test_all_is_mended_in_rounds() -> None:
    assert mend(TWO_SLIPS) == MENDED


def test_line_ends_and_the_mark_of_utf8_stay() -> None:
    Path("a.mai").write_bytes(b"\xef\xbb\xbf" + TWO_SLIPS.replace("\n", "\r\n").encode().replace(b"{\r\n", b"{\n"))
    write(fix(Path("a.mai")).texts)
    assert Path("a.mai").read_bytes() == b"\xef\xbb\xbf" + MENDED.replace("\n", "\r\n").encode().replace(
        b"{\r\n", b"{\n"
    )


def test_the_rights_of_a_file_stay() -> None:
    Path("a.mai").write_text(TWO_SLIPS)
    Path("a.mai").chmod(0o600)
    write(fix(Path("a.mai")).texts)
    assert Path("a.mai").stat().st_mode & 0o777 == 0o600


def test_imported_files_are_mended() -> None:
    Path("layers.mai").write_text("layer twice(x: [d]) -> [d] { return rleu(linear(x, d)) }\n")
    spec = 'import "layers.mai"\nexport f(x: [3]) -> [3] { return twice(reul(x)) }\n'
    assert mend(spec) == spec.replace("reul", "relu")
    assert "relu(linear" in Path("layers.mai").read_text()
    assert check_all(Path("a.mai")).program is not None


def test_an_edit_is_told_with_its_lines() -> None:
    Path("a.mai").write_text(TWO_SLIPS)
    edit = fix(Path("a.mai")).edits[0]
    assert in_words(edit).split("\n") == [
        "a.mai:3: did you mean `relu`?",
        "  -   y = rleu(widht * x)",
        "  +   y = relu(widht * x)",
    ]


SLIPS = [
    ("sum((2 - x)y)", "sum((2 - x) * y)"),
    ("sum(2(y - x))", "sum(2 * (y - x))"),
    ("sum((x + y)(y - x))", "sum((x + y) * (y - x))"),
    ("sum(y * 90%)", "sum(y * 0.9)"),
    ("sum(y if flag else x)", "sum(where(flag, y, x))"),
    ("sum(y)\n  report total = sum(y)", "sum(y)\n  report sum(y) as total"),
    (
        "sum(y)\n  z = exp(y if flag else x)\n  report sum(z) as size",
        "sum(y)\n  z = exp(where(flag, y, x))\n  report sum(z) as size",
    ),
]
UNCLEAR = [
    "sum(2 * y if flag else x)",
    "sum(y)\n  z = exp(flag ? y : x)",
    "sum(y)\n  z = exp(2 * y if flag else x)",
    "sum(y)\n  x1 = x\n  z = x1 %",
]


@pytest.mark.parametrize(("wrong", "right"), SLIPS)
def test_slips_of_mathematics_and_of_other_languages(wrong: str, right: str) -> None:
    text = (
        "data x: [2] from moons()\nnet f(x: [2]) -> [2] { return linear(x, 2) }\n"
        "train(steps = 1) {\n  y = f(x)\n  flag ~ bernoulli(0.5)\n  minimize %s\n}\n"
    )
    assert mend(text % wrong) == text % right


HEADS = [
    ("model f(x: [2]) -> [2] { return x }", "net f(x: [2]) -> [2] { return x }"),
    ("net f(x: R^2) -> R^{2} { return x }", "net f(x: [2]) -> [2] { return x }"),
    ("net f(x: R) -> real { return x }", "net f(x: real) -> real { return x }"),
    ('claim "is less" { check 1 < 2 }', "claim is_less { check 1 < 2 }"),
    ("data x: [2] moons()", "data x: [2] from moons()"),
    ("data x: [2] = moons(noise = 0.1)", "data x: [2] from moons(noise = 0.1)"),
    ("import std.diffusion", 'import "std/diffusion"'),
]


@pytest.mark.parametrize(("wrong", "right"), HEADS)
def test_declarations_that_begin_as_elsewhere(wrong: str, right: str) -> None:
    assert mend(f"{wrong}\n") == f"{right}\n"


@pytest.mark.parametrize(
    ("wrong", "right"), [("with steps = 1, batch = 2", "(steps = 1, batch = 2)"), ("steps = 1", "(steps = 1)")]
)
def test_settings_of_a_train_block_stand_in_brackets(wrong: str, right: str) -> None:
    text = "data x: [2] from moons()\nnet f(x: [2]) -> [2] { return linear(x, 2) }\ntrain%s { minimize sum(f(x)) }\n"
    assert mend(text % f" {wrong}") == text % right


@pytest.mark.parametrize(
    "wrong",
    [
        "train using adam(lr = 1e-3), steps = 5 { minimize 1 }", "train for 50 epochs, lr = 1e-3 { minimize 1 }",
        "net f(x: R^2x3) -> real { return x }", 'claim "if" { check 1 < 2 }',
    ],
)  # fmt: skip
def test_a_declaration_that_says_more_has_no_edit(wrong: str) -> None:
    (diagnostic,) = check_all(Path("a.mai"), texts={"a.mai": Source("a.mai", f"{wrong}\n")}).diagnostics
    assert diagnostic.slug.startswith("missing-") and not diagnostic.edits


@pytest.mark.parametrize("wrong", UNCLEAR)
def test_a_slip_that_may_mean_something_else_has_no_edit(wrong: str) -> None:
    text = "train(steps = 1) {\n  flag ~ bernoulli(0.5)\n  (x, y) = (1, 2)\n  minimize WRONG\n}\n"
    text = text.replace("WRONG", wrong)
    (diagnostic,) = check_all(Path("a.mai"), texts={"a.mai": Source("a.mai", text)}).diagnostics
    assert diagnostic.slug in ("foreign-keyword", "missing-operand") and not diagnostic.edits


def test_a_range_is_no_slice_and_fields_have_commas() -> None:
    text = "data x: [2], y: [] from table('a.csv')\nexport f(x: [2]) -> [2] {\n  integrate s in 0..2 using rk4(3) { dx/ds = x }\n  return x\n}\n"
    text = text.replace("'", '"')
    assert mend(text.replace("0..2", "0:2").replace("[2], y", "[2] y")) == text


def test_an_import_is_a_file_beside(tmp_path: Path) -> None:
    (tmp_path / "layers.mai").write_text("layer twice(x: [d]) -> [d] { return 2 * x }\n")
    text = 'import "layers.mai"\nlayer both(x: [d], g) -> [d] { return g(twice(x)) }\nexport f(x: [2]) -> [2] { return both(x, twice) }\n'
    assert [d.slug for d in check_all(Path("b.mai"), texts={"b.mai": Source("b.mai", text.replace("rs.mai", "r.mai"))}).diagnostics] == ["import-not-found"]  # fmt: skip
    assert mend(text.replace("layers.mai", "layer.mai")) == text


def test_a_diagnostic_without_a_place_is_never_mended() -> None:
    assert Diagnostic("file-not-found", None, "m").edit is None
    assert fix(Path("nowhere.mai")).texts == {}


BRACKETS = [
    ("  y = relu(concat(x, x ** 2)[0:2]\n", "  y = relu(concat(x, x^2)[0:2])\n"),
    ("  y = relu(concat(x ** 2, x)[0:2]\n", "  y = relu(concat(x^2, x)[0:2])\n"),
]


@pytest.mark.parametrize(("wrong", "right"), BRACKETS)
def test_a_missing_bracket_is_mended_beside_other_mistakes(wrong: str, right: str) -> None:
    assert mend(f"{HEAD}{wrong}{TAIL}") == f"{HEAD}{right}{TAIL}"


def test_a_block_that_nothing_opens_is_opened() -> None:
    assert mend(MENDED.replace("-> [2] {\n  y", "-> [2]\n  y")) == MENDED


def test_a_bracket_ends_before_a_word_that_stands_behind() -> None:
    text = "data x: [2], y: class[2] from moons()\n" + MENDED
    assert mend(text.replace("class[2] from", "class[2 from")) == text


@pytest.mark.parametrize(
    ("call", "meant"),
    [("adamw(learning_rate = 0.1)", "lr"), ("adamw(epsilon = 0.1)", "eps"), ("cosine(eta_min = 0.1)", "final"), ("step(step_size = 9)", "every")],
)  # fmt: skip
def test_settings_go_by_what_other_libraries_call_them(call: str, meant: str) -> None:
    kind = "optimizer" if call.startswith("adamw") else "schedule"
    head = (
        f"data x: [2] from moons()\nnet g(x: [2]) -> [2] {{ return linear(x, 2) }}\ntrain(steps = 1, {kind} = {call})"
    )
    assert f"({meant} = " in mend(f"{head} {{ minimize mean(g(x)^2) }}\n")
