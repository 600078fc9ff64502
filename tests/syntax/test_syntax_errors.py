"""Broken texts: what is said of them, and exactly where."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from mai.spec.diagnostics import Diagnostic, MaiError, Reporter
from mai.spec.parsing.parse import parse
from mai.spec.source import Source

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.mai"))


def diagnostics_of(text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(MaiError) as caught:
        parse(Source("t.mai", text), Reporter())
    return caught.value.diagnostics


def places(text: str) -> list[tuple[str, int, int]]:
    return [(d.slug, d.span.line, d.span.column) for d in diagnostics_of(text) if d.span]


DECLARATIONS = [
    ("const = 3", "missing-name", 7),
    ("const 3 = n", "missing-name", 7),
    ("const n 3", "missing-value", 9),
    ("const n := 3", "wrong-operator", 9),
    ("let t", "missing-value", 5),
    ("constn = 3", "misspelt", 1),
    ("network f(x: [2]) -> [2] { return x }", "foreign-keyword", 1),
    ("net (x: [2]) -> [2] { return x }", "missing-name", 5),
    ('claim "are near" { check 1 < 2 }', "missing-name", 7),
    ("export f", "missing-parameters", 8),
    ("train with steps = 5 { minimize 1 }", "missing-parameters", 12),
    ("optimize(steps = 5) { minimize 1 }", "foreign-keyword", 1),
    ("minimize 1", "misplaced-statement", 1),
    ("net f(x in R^2) -> [2] { return x }", "missing-type", 9),
    ("net f(x: [2]) -> R^2 { return x }", "missing-type", 18),
    ("data x: [2] moons()", "missing-source", 13),
    ('weights "a.safetensors" { "*" = "*" }', "missing-source", 9),
    ("net f -> [2] { return x }", "missing-parameters", 7),
    ("train { minimize 1 }", "missing-parameters", 7),
    ("net f(x: [2]) { return x }", "missing-type", 15),
    ("net f(x: [2]) -> { return x }", "missing-type", 18),
    ("net f(x: [2]): [2] { return x }", "missing-type", 14),
    ("net f(x [2]) -> [2] { return x }", "missing-type", 9),
    ("net f(x: float) -> [2] { return x }", "missing-type", 10),
    ("net f(x: [2])-> [2]:\n  return x", "missing-block", 20),
    ("net f(x: [2]) -> [2]\n{ return x }", "missing-block", 20),
    ("net f(x: [2]) -> [2] = x", "missing-block", 22),
    ("net f(x: [2] y: [3]) -> [2] { return x }", "missing-comma", 14),
    ("data x: [2]", "missing-source", 11),
    ("data x: [2] = moons()", "missing-source", 13),
    ("net f(x: tokens[4][9]) -> [2] { return x }", "missing-type", 19),
    ("data x from moons()", "missing-type", 8),
    ("train(steps = 3)", "missing-block", 16),
    ("import layers", "missing-quotes", 8),
    ('import "layers', "unclosed-string", 8),
    ("def f(x):\n  return x", "foreign-keyword", 1),
    ("from a import b", "foreign-keyword", 1),
    ("// comment", "bad-character", 1),
    ("y = 3", "misplaced-statement", 1),
    ("layre f(x: [2]) -> [2] { return x }", "misspelt", 1),
    ("data x: [2] form moons()", "misspelt", 13),
    ("net f(x: boolean) -> [2] { return x }", "misspelt", 10),
    ("const true = 3", "reserved-name", 7),
]

EXPRESSIONS = [
    ("3 +", "missing-operand", 3),
    ("3 + # comment", "missing-operand", 3),
    ("3 + * 4", "missing-operand", 5),
    ("* 3", "missing-operand", 1),
    ("()", "missing-operand", 2),
    ("f(1,,2)", "missing-operand", 5),
    ("f(, 2)", "missing-operand", 3),
    ("x |>", "missing-operand", 4),
    ("x and", "missing-operand", 5),
    ("2 ** 3", "wrong-operator", 3),
    ("a && b", "wrong-operator", 3),
    ("a || b", "wrong-operator", 3),
    ("a | f", "wrong-operator", 3),
    ("!a", "wrong-operator", 1),
    ("a <> b", "wrong-operator", 4),
    ("a =< b", "wrong-operator", 3),
    ("a => b", "wrong-operator", 3),
    ("a -> b", "wrong-operator", 4),
    ("a..b", "wrong-operator", 2),
    ("a < b < c", "wrong-operator", 7),
    ("f(x: 3)", "wrong-operator", 4),
    ("a = b", "assign-vs-compare", 3),
    ("f(1 2)", "missing-comma", 5),
    ("[1 2]", "missing-comma", 4),
    ("1 2", "two-on-a-line", 3),
    ("(1, 2)", "misplaced-comma", 3),
    ("{1}", "misplaced-block", 1),
    ("3x", "bad-number", 2),
    (".5", "bad-number", 1),
    ("1.", "bad-number", 2),
    ("1_000", "bad-number", 2),
    ("1e999", "bad-number", 1),
    ("9" * 5000, "bad-number", 1),
    ("x.", "missing-name", 2),
    ("x.1", "missing-name", 3),
    ("“a”", "bad-character", 1),
    ("'a'", "bad-character", 1),
    ("3;", "bad-character", 2),
    ("3 × 4", "bad-character", 3),
    ("x²", "bad-character", 2),
    ("（1）", "bad-character", 1),
    ("3\u00a0+ 4", "bad-character", 2),
    ("٣", "bad-character", 1),
    ("$x", "bad-character", 1),
    ("a ? b : c", "foreign-keyword", 3),
    ("a if b else c", "foreign-keyword", 3),
    ("lambda x: x", "foreign-keyword", 1),
    ("[x for x in y]", "foreign-keyword", 4),
    ("(1 + 2", "unclosed-bracket", 1),
    ("[1, 2)", "unclosed-bracket", 1),
    ("1 + 2)", "unmatched-bracket", 6),
    ("(" * 101 + "1" + ")" * 101, "too-deep", 101),
]

STATEMENTS = [
    ("y == x", "assign-vs-compare", 4),
    ("if x = 3 { y = 1 }", "assign-vs-compare", 6),
    ("y: [2] = x", "misplaced-type", 2),
    ("y x", "missing-equals", 3),
    ("retrun x", "misspelt", 1),
    ("repreat 3 { x += 1 }", "misspelt", 1),
    ("apend x", "misspelt", 1),
    ("minimze (x - 1)^2", "misspelt", 1),
    ("reports x", "misspelt", 1),
    ("rep x", "missing-equals", 5),
    ("minimal x", "missing-equals", 9),
    ("param W: [2] zeros", "missing-equals", 14),
    ("param W = 3", "missing-type", 9),
    ("param : [2]", "missing-name", 7),
    ("= 3", "missing-name", 1),
    ("~ normal(0, 1)", "missing-name", 1),
    ("y ~", "missing-operand", 3),
    ("y =", "missing-operand", 3),
    ("return", "missing-operand", 6),
    ("y = x\n  + 3", "missing-operand", None),
    ("return = 3", "reserved-name", 8),
    ("if = 3", "reserved-name", 4),
    ("y++", "wrong-operator", 2),
    ("y =+ 3", "wrong-operator", 4),
    ("y //= 3", "wrong-operator", 4),
    ("y <- x", "wrong-operator", 3),
    ("x[0] = 3", "not-assignable", 2),
    ("a, b = x", "misplaced-comma", 2),
    ("return x, y", "misplaced-comma", 9),
    ("relu(x)", "no-effect", 1),
    ("y = x z = 3", "two-on-a-line", 7),
    ("return x return x", "two-on-a-line", 10),
    ("  const y = 3", "misplaced-declaration", 3),
    ("if x y = 1", "missing-block", 6),
    ("if { y = 1 }", "missing-operand", 4),
    ("if x { y = 1 } else y = 2", "missing-block", 21),
    ("if x { y = 1 } elif x { y = 2 }", "foreign-keyword", 16),
    ("else { y = 1 }", "misplaced-else", 6),
    ("repeat 3", "missing-block", 8),
    ("repeat 3: x += 1", "missing-block", 9),
    ("repeat { x += 1 }", "missing-count", 8),
    ("repeat 3 l { x += 1 }", "missing-name", 10),
    ("repeat 3 as { x += 1 }", "missing-name", 13),
    ("repeat", "unfinished", 6),
    ("repeat 3 shard { x += 1 }", "misspelt", 10),
    ("for i in 3 { x += 1 }", "foreign-keyword", 1),
    ("while x { x += 1 }", "foreign-keyword", 1),
    ("print(x)", "foreign-keyword", 1),
    ("extend x until 3 { append x }", "missing-count", 10),
    ("integrate s in 0..1 { dx/ds = x }", "missing-solver", 21),
    ("integrate s in 1 using rk4(3) { dx/ds = x }", "missing-range", 18),
    ("integrate s = 0..1 using rk4(3) { dx/ds = x }", "missing-range", 13),
    ("integrate s in 0...1 using rk4(3) { dx/ds = x }", "wrong-operator", 19),
    ("integrate s in 0..1 using rk4(3)", "missing-block", 32),
    ("integrate s in 0..1 using rk4(3) { x/ds = x }", "bad-derivative", 36),
    ("integrate s in 0..1 using rk4(3) { dx/s = x }", "bad-derivative", 39),
    ("integrate s in 0..1 using rk4(3) { d/ds = x }", "bad-derivative", 36),
    ("integrate s in 0..1 using rk4(3) { x' = x }", "bad-derivative", 37),
    ("integrate s in 0..1 using rk4(3) { dx/ds = x } keep x", "missing-name", 53),
    ("x = x + 1\nkeep x as xs", "misplaced-keep", None),
    ("repeat 3 { x = x + 1 } keep x at [0, 1] as xs", "misplaced-keep", None),
    ("y = f(x", "unclosed-bracket", 6),
]


@pytest.mark.parametrize(("text", "slug", "column"), DECLARATIONS)
def test_declarations(text: str, slug: str, column: int) -> None:
    assert places(f"{text}\n") == [(slug, 1, column)]


@pytest.mark.parametrize(("text", "slug", "column"), EXPRESSIONS, ids=[e[0][:20] for e in EXPRESSIONS])
def test_expressions(text: str, slug: str, column: int) -> None:
    assert places(f"let t = {text}\n") == [(slug, 1, column + 8)]


@pytest.mark.parametrize(("text", "slug", "column"), STATEMENTS)
def test_statements(text: str, slug: str, column: int | None) -> None:
    places_of_text = places(f"net f(x: [2]) -> [2] {{\n{text}\n  return x\n}}\n")
    assert places_of_text[0][0] == slug and len(places_of_text) == 1
    assert column is None or places_of_text == [(slug, 2, column)]


@pytest.mark.parametrize(
    ("number", "written"), [("100_000", "100000"), ("1.5_0", "1.50"), ("1e1_0", "1e10"), ("3_", "3")]
)
def test_a_number_in_groups_is_written_without_them(number: str, written: str) -> None:
    (diagnostic,) = diagnostics_of(f"const n = {number}\n")
    assert str(diagnostic.help).startswith(f"write `{written}`")


def test_hints_are_of_many_kinds() -> None:
    assert len({slug for _, slug, _ in [*DECLARATIONS, *EXPRESSIONS, *STATEMENTS]}) >= 30


def test_each_declaration_tells_its_error_and_the_sound_ones_none() -> None:
    text = (
        "const a = (1 +\n"
        "net f(x: [2]) -> [2] {\n  repeat 3\n  return x\n}\n"
        "const b = 2\n"
        "net g(x: [2]) -> [2] {\n  return x }}\n"
        "train(steps = 3) { minimize f(x) = 1 }\n"
        "let c = b * 2\n"
        "export h(x: [2]) -> [2] { return x x }\n"
    )
    assert places(text) == [
        ("unclosed-bracket", 1, 11),
        ("missing-block", 3, 10),
        ("unmatched-bracket", 8, 13),
        ("assign-vs-compare", 9, 34),
        ("two-on-a-line", 11, 36),
    ]


def test_a_long_file_of_errors_stops_at_some() -> None:
    assert len(diagnostics_of("const a = 1 +\n" * 1000)) == 20
    assert len(diagnostics_of("const a = (\n" * 1000)) == 20


def test_what_is_pointed_at_is_one_line() -> None:
    (diagnostic,) = diagnostics_of("net f(x: [2]) -> [2] {\n  y = 3 +   # more\n\n\n  return y\n}\n")
    assert diagnostic.span is not None
    assert diagnostic.span.text == "+"


PIECES = [
    "(",
    ")",
    "[",
    "{",
    "}",
    '"',
    "#",
    "\n",
    "..",
    "=",
    "'",
    "~",
    "²",
    "\x00",
    " repeat ",
    " return ",
    "\nconst ",
    ",",
    "-",
    "|>",
]


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_mutated_examples_are_trees_or_diagnostics(path: Path) -> None:
    text, dice = path.read_text(encoding="utf-8"), random.Random(0)
    for _ in range(30):
        a, b = sorted(dice.randrange(len(text)) for _ in range(2))
        mutated = dice.choice(
            [text[:a], text[:a] + text[a + 1 :], text[:a] + dice.choice(PIECES) + text[a:], text[a:b]]
        )
        try:
            parse(Source("t.mai", mutated), Reporter())
        except MaiError as error:
            spans = [d.span for d in error.diagnostics]
            assert all(s is not None and 0 <= s.start < s.end <= max(len(mutated), 1) for s in spans)
