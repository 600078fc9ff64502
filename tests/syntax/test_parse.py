"""Texts to trees: spans, precedence, soft keywords, newlines."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mai.spec import ast, prelude_parts, prelude_sources
from mai.spec.ast_walk import expressions
from mai.spec.diagnostics import MaiError, Reporter
from mai.spec.format import expr, format_file
from mai.spec.parsing.grammar import lark_parser, tables
from mai.spec.parsing.parse import load_source, parse
from mai.spec.source import Source

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.mai"))


def tree(text: str) -> ast.File:
    return parse(Source("t.mai", text), Reporter())


def value(text: str) -> ast.Expr:
    declaration = tree(f"let t = {text}\n").declarations[0]
    assert isinstance(declaration, ast.Let)
    return declaration.value


def slugs(text: str) -> list[tuple[str, int, int]]:
    report = Reporter()
    with pytest.raises(MaiError) as caught:
        parse(Source("t.mai", text), report)
    return [(d.slug, d.span.line, d.span.column) for d in caught.value.diagnostics if d.span]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_examples_print_and_parse_to_themselves(path: Path) -> None:
    first = format_file(parse(load_source(path, Reporter()), Reporter()))
    assert format_file(tree(first)) == first


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("1 + 2 * 3", "1 + 2 * 3"),
        ("(1 + 2) * 3", "(1 + 2) * 3"),
        ("-x^2", "-x^2"),
        ("2^-1", "2^-1"),
        ("2^3^2", "2^3^2"),
        ("(2^3)^2", "(2^3)^2"),
        ("a - b - c", "a - b - c"),
        ("a - (b - c)", "a - (b - c)"),
        ("A @ B'", "A @ B'"),
        ("x |> f |> g(2)", "x |> f |> g(2)"),
        ("a + b |> f", "a + b |> f"),
        ("not a == b and c", "not a == b and c"),
        ("x[1:-1, None, 0]", "x[1:-1, None, 0]"),
        ("x[::2]", "x[::2]"),
        ("f(a, k = 3)", "f(a, k = 3)"),
        ("[a, b][0]", "[a, b][0]"),
        ("where(keep, y, none)", "where(keep, y, none)"),
        ("digits(split = train)", "digits(split = train)"),
        ("1e-3", "0.001"),
        ("σ * θ", "σ * θ"),
    ],
)
def test_expressions(text: str, canonical: str) -> None:
    assert expr(value(text)) == canonical
    assert expr(value(canonical)) == canonical


def test_spans_are_exact() -> None:
    text = "# α\nlet t = f(a,\n        bee * c) + d'\n"
    whole = value_of(tree(text))
    assert isinstance(whole, ast.Binary)
    assert whole.span.text == "f(a,\n        bee * c) + d'"
    assert isinstance(whole.left, ast.Call)
    second = whole.left.arguments[1]
    assert (second.span.text, second.span.line, second.span.column) == ("bee * c", 3, 9)
    assert whole.op_span.text == "+"
    assert whole.right.span.text == "d'"


def value_of(file: ast.File) -> ast.Expr:
    declaration = file.declarations[0]
    assert isinstance(declaration, ast.Let)
    return declaration.value


def test_newlines_continue_after_operators_and_before_pipes() -> None:
    text = "net f(x: [2]) -> [2] {\n  h = x +\n    1\n  y = h\n    |> relu\n  if true { y = x }\n  else { y = h }\n  return y\n}\n"
    body = tree(text).declarations[0].body  # type: ignore[attr-defined]
    assert [type(s).__name__ for s in body] == ["Assign", "Assign", "If", "Return"]
    assert isinstance(body[1].value, ast.Pipe)


def test_a_clause_may_begin_a_line() -> None:
    """What follows `data` and the `}` of a block may stand on lines of its own; a clause's word that is assigned to is a name."""
    text = (
        'data x: [],\n  y: []\n  from table("t.csv")\nnet f(x: [2]) -> [2] {\n  integrate s in 0..1\n    using rk4(2)'
        " { dx/ds = x }\n    until x[0] < 1\n    as hit\n    keep x as xs\n  at = hit\n  over = at\n  return x\n}\n"
    )
    same = re.sub(r"\n\s*(?=y:|from|using|until|as hit|keep)", " ", text)
    assert same.count("\n") == 7
    assert format_file(tree(text)) == format_file(tree(same))


def test_integrate_keeps_several_paths() -> None:
    text = (
        "export f(x: [2]) -> [2] {\n  integrate s in 0..1 using rk4(2) { dx/ds = x\n dl/ds = x } keep x as xs, l as ls\n"
        "  return x\n}\n"
    )
    integral = tree(text).declarations[0].body[0]  # type: ignore[attr-defined]
    assert isinstance(integral, ast.Integrate)
    assert [(k.state.id, k.name.id) for k in integral.keeps] == [("x", "xs"), ("l", "ls")]
    assert isinstance(integral.body[0], ast.Derivative)
    assert (integral.body[0].state.id, integral.body[0].variable.id) == ("x", "s")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "const a = 1 +\n\nconst b = @\nlet c = f(1 2)\n",
            [("missing-operand", 1, 13), ("missing-operand", 3, 11), ("missing-comma", 4, 13)],
        ),
        ("net f(x: [2]) -> [2]:\n  return x\n", [("missing-block", 1, 21)]),
        ("net f(x: [2]) -> [2] { h = 3x\n return h}", [("bad-number", 1, 29)]),
        ("const d = “a”\n", [("bad-character", 1, 11)]),
        ("const c = " + "(" * 10_000 + "1" + ")" * 10_000, [("too-deep", 1, 111)]),
        ("const c = " + "-" * 10_000 + "1", [("too-deep", 1, 11)]),
        ("const c = 1" + "+1" * 10_000, [("too-deep", 1, 11)]),
        ("let c = x" + "'" * 10_000, [("too-deep", 1, 9)]),
    ],
)
def test_every_declaration_tells_its_own_syntax_error(text: str, expected: list[tuple[str, int, int]]) -> None:
    assert slugs(text) == expected


@pytest.mark.parametrize(
    ("raw", "slug"),
    [
        (b"", "empty-file"),
        (b"  \n", "empty-file"),
        (b"\x00\x01", "not-text"),
        (b"\xff\xfe", "not-text"),
        (b"#" * 10_000_000, "file-too-large"),
    ],
)
def test_files_that_are_no_specs(tmp_path: Path, raw: bytes, slug: str) -> None:
    path = tmp_path / "bad.mai"
    path.write_bytes(raw)
    with pytest.raises(MaiError) as caught:
        load_source(path, Reporter())
    assert [d.slug for d in caught.value.diagnostics] == [slug]
    with pytest.raises(MaiError):
        load_source(tmp_path, Reporter())


def test_a_chain_of_choices_is_bounded_and_its_spans_are_exact() -> None:
    chain = "layer f(x) {\n  if a { }" + " else if a { }" * 5_000 + "\n}\n"
    assert {slug for slug, _, _ in slugs(chain)} == {"too-deep"}
    body = tree("layer f(x) { if a { y = 1 } else if b { y = 2 } else { y = 3 } }\n").declarations[0].body  # type: ignore[attr-defined]
    (inner,) = body[0].otherwise
    assert inner.span.text == "if b { y = 2 } else { y = 3 }"


def test_words_of_the_grammar_are_names() -> None:
    text = "layer f(data, train, export) {\n  data = 1\nlet = data *\n  train\n  every = [keep, in, as]\n  return f(from = let)\n}\n"
    body = tree(text).declarations[0].body  # type: ignore[attr-defined]
    assert [type(s).__name__ for s in body] == ["Assign", "Assign", "Assign", "Return"]


def test_the_parser_works_without_a_place_for_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "new"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(place))
        for _ in range(2):
            tables.cache_clear()
            lark_parser.cache_clear()
            assert isinstance(value("1 + 2"), ast.Binary)
    tables.cache_clear()
    lark_parser.cache_clear()


def test_a_standard_layer_is_parsed_by_itself_as_in_its_file() -> None:
    files = [parse(source, Reporter()) for source in prelude_sources()]
    whole = {d.name.id: d for file in files for d in file.declarations if isinstance(d, ast.Function)}
    assert set(whole) == set(prelude_parts())
    for name, (source, begin, end) in prelude_parts().items():
        (part,) = parse(source, Reporter(), (begin, end)).declarations
        assert part.span == whole[name].span
        assert [e.span for e in expressions(part)] == [e.span for e in expressions(whole[name])]
