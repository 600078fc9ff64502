"""Printing and parsing are each other's inverse, on random expressions; dimensions form a ring."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mai.compiler.ir.sizes import Size, evaluate, substitute, symbol
from mai.spec import ast
from mai.spec.diagnostics import Reporter
from mai.spec.format import expr
from mai.spec.parse import parse
from mai.spec.source import Source, Span

NOWHERE = Span(Source("", ""), 0, 0)
names = st.sampled_from(["x", "width", "keep", "next", "σ", "train"])
leaves = st.one_of(
    st.builds(lambda n: ast.Name(NOWHERE, 1, n), names),
    st.builds(lambda n: ast.Number(NOWHERE, 1, n), st.integers(0, 10**6)),
    st.builds(lambda n: ast.Number(NOWHERE, 1, n), st.floats(1e-6, 1e6)),
    st.builds(lambda b: ast.Bool(NOWHERE, 1, b), st.booleans()),
)


def _grow(inner: st.SearchStrategy[ast.Expr]) -> st.SearchStrategy[ast.Expr]:
    operators = st.sampled_from(["+", "-", "*", "/", "@", "//", "%", "^", "==", "<", ">=", "and", "or"])
    argument = st.builds(lambda n, v: ast.Argument(NOWHERE, n, NOWHERE if n else None, v), st.none() | names, inner)
    called = st.builds(
        lambda f, a: ast.Call(NOWHERE, 1, ast.Name(NOWHERE, 1, f), tuple(a)), names, st.lists(argument, max_size=3)
    )
    return st.one_of(
        st.builds(lambda o, a, b: ast.Binary(NOWHERE, 1, o, a, b, NOWHERE), operators, inner, inner),
        st.builds(lambda o, a: ast.Unary(NOWHERE, 1, o, a), st.sampled_from(["-", "not"]), inner),
        st.builds(lambda a: ast.Transpose(NOWHERE, 1, a), inner),
        st.builds(lambda a: ast.Stack(NOWHERE, 1, tuple(a)), st.lists(inner, max_size=3)),
        st.builds(lambda a, i: ast.Index(NOWHERE, 1, a, tuple(i)), inner, st.lists(inner, min_size=1, max_size=2)),
        st.builds(lambda a, c: ast.Pipe(NOWHERE, 1, a, c), inner, called),
        called,
    )


@given(st.recursive(leaves, _grow, max_leaves=12))
def test_print_then_parse_is_the_same_expression(tree: ast.Expr) -> None:
    text = expr(tree)
    declaration = parse(Source("t.mai", f"let t = {text}\n"), Reporter()).declarations[0]
    assert isinstance(declaration, ast.Let)
    assert expr(declaration.value) == text


sizes = st.recursive(
    st.integers(-5, 5) | st.sampled_from([symbol("P"), symbol("H")]),
    lambda inner: st.builds(lambda a, b, m: a * b if m else a + b, inner, inner, st.booleans()),
    max_leaves=6,
)
points = st.fixed_dictionaries({"P": st.integers(0, 9), "H": st.integers(0, 9)})


@given(sizes, sizes, sizes, points)
def test_sizes_have_a_normal_form(a: Size, b: Size, c: Size, at: dict[str, int]) -> None:
    assert a + b == b + a
    assert a * (b + c) == a * b + a * c
    assert a - a == 0
    assert evaluate(a * b + c, at) == evaluate(a, at) * evaluate(b, at) + evaluate(c, at)
    assert substitute(a, dict(at)) == evaluate(a, at)


@given(sizes, st.integers(1, 5), points)
def test_quotients_are_floor_divisions(a: Size, n: int, at: dict[str, int]) -> None:
    assert evaluate(a // n, at) == evaluate(a, at) // n
    assert (a * n) // n == a
