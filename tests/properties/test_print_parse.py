"""Printing and parsing are each other's inverse, on random expressions; dimensions form a ring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from functools import partial

from hypothesis import given
from hypothesis import strategies as st

from mai.compiler.ir.sizes import Size, evaluate, substitute, symbol
from mai.spec import ast
from mai.spec.diagnostics import Reporter
from mai.spec.format import expr, format_file
from mai.spec.parsing.parse import parse
from mai.spec.source import Source, Span

NOWHERE = Span(Source("", ""), 0, 0)
# Words of the grammar are names wherever a name can stand; only a statement cannot begin with one of its own words.
names = st.sampled_from(["x", "σ", "h1", "keep", "train", "as", "every", "shared", "int", "in", "data", "dx", "at"])
in_expressions = names | st.sampled_from(["return", "repeat", "state", "if"])
texts = st.text(st.characters(codec="utf-8", exclude_characters='"\n\r', exclude_categories=["Cc", "Cs"]), max_size=5)


def node(kind: type, /, **parts: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Nodes of one kind, with the spans and depths that printing does not look at."""
    own = {f.name for f in fields(kind)}
    unseen = {"span": NOWHERE, "depth": 1, "op_span": NOWHERE, "name_span": None, "head": NOWHERE}
    fixed = {name: st.just(value) for name, value in unseen.items() if name in own}
    return st.builds(kind, **{**fixed, **parts})


def row(inner: st.SearchStrategy[object], least: int = 0, most: int = 2) -> st.SearchStrategy[tuple[object, ...]]:
    return st.lists(inner, min_size=least, max_size=most).map(tuple)


leaves = st.one_of(
    node(ast.Name, id=in_expressions),
    node(ast.Number, value=st.integers(0, 10**20) | st.floats(0, 1e300)),
    node(ast.Bool, value=st.booleans()),
    node(ast.String, value=texts),
)


def _grow(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    operators = st.sampled_from([*"+-*/@%^<>", "//", "==", "!=", "<=", ">=", "and", "or"])
    argument = node(ast.Argument, name=st.none() | names, value=inner)
    called = node(ast.Call, function=inner, arguments=row(argument, most=3))
    cut = node(ast.Slice, start=st.none() | inner, stop=st.none() | inner, step=st.none() | inner)
    return st.one_of(
        node(ast.Binary, op=operators, left=inner, right=inner),
        node(ast.Unary, op=st.sampled_from(["-", "not"]), operand=inner),
        node(ast.Transpose, operand=inner),
        node(ast.Field, base=inner, name=in_expressions),
        node(ast.Stack, items=row(inner, most=3)),
        node(ast.Index, base=inner, items=row(inner | cut | node(ast.NewAxis) | node(ast.OtherAxes), least=1)),
        node(ast.Pipe, left=inner, right=inner),
        called,
    )


expressions = st.recursive(leaves, _grow, max_leaves=8)
small = st.recursive(leaves, _grow, max_leaves=2)
identifiers = node(ast.Identifier, id=names)
strings = node(ast.String, value=texts)
types = st.one_of(
    node(ast.TensorType, dims=row(small)),
    node(ast.TokensType, dims=row(small, least=1)),
    node(ast.ClassType, classes=small, dims=row(small)),
    node(ast.ScalarType, kind=st.sampled_from(["int", "real", "bool", "token"])),
)
simple = st.one_of(
    node(ast.Assign, targets=row(identifiers, 1, 1), op=st.sampled_from(["", *"+-*/"]), value=small),
    node(ast.Assign, targets=row(identifiers, 2, 3), op=st.just(""), value=small),
    node(ast.Param, name=identifiers, type=types, init=st.none() | small, trained=st.booleans(), drawn=st.just(False)),
    node(ast.Param, name=identifiers, type=types, init=small, trained=st.booleans(), drawn=st.just(True)),
    node(ast.Draw, name=identifiers, distribution=small),
    node(ast.Return, value=small | node(ast.Several, items=row(small, 2, 3))),
    node(ast.Append, value=small),
    node(ast.Score, value=small),
    node(ast.Derivative, state=identifiers, variable=identifiers, value=small),
    node(ast.Minimize, value=small, over=row(identifiers | strings), every=st.none() | small),
    node(ast.Report, values=row(node(ast.Reported, value=small, name=st.none() | identifiers), least=1)),
    node(ast.Record, values=row(small, least=1), every=st.none() | small),
)


def _nest(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    body, keep = row(inner), node(ast.Keep, state=identifiers, name=identifiers)
    moment = node(ast.Keep, state=identifiers, name=identifiers, times=st.none() | small)
    integral = partial(
        node, ast.Integrate, variable=identifiers, start=small, stop=small, solver=small, body=body, keeps=row(moment)
    )
    return st.one_of(
        node(ast.If, condition=small, then=body, otherwise=body),
        node(
            ast.Repeat,
            count=small,
            shared=st.booleans(),
            index=st.none() | identifiers,
            until=st.none() | small,
            body=body,
            keeps=row(keep),
        ),
        integral(until=st.none(), hit=st.none()),
        integral(until=small, hit=st.none() | identifiers),
        node(ast.Extend, name=identifiers, count=small, until=st.none() | small, search=st.none() | small, body=body),
    )


bodies = row(st.recursive(simple, _nest, max_leaves=4), most=3)
parameters = row(node(ast.Parameter, name=identifiers, type=st.none() | types, default=st.none() | small))
settings = row(node(ast.Argument, name=st.none() | names, value=small))
declarations = st.one_of(
    node(ast.Const, name=identifiers, value=small),
    node(ast.Let, name=identifiers, value=expressions),
    node(ast.Import, path=strings),
    node(ast.Data, fields=row(node(ast.DataField, name=identifiers, type=types), least=1), source=small),
    node(
        ast.Weights, path=strings,
        rules=row(node(ast.Fill, targets=row(strings, 1, 3), value=small) | node(ast.Ignore, value=small)),
    ),
    node(ast.Twin, name=identifiers, value=small),
    node(ast.Train, name=st.none() | identifiers, settings=settings, body=bodies),
    node(
        ast.Function, kind=st.sampled_from(["layer", "net", "export"]), name=identifiers, count=st.none(),
        parameters=parameters, returns=row(types, 1, 3), body=bodies,
    ),
    node(
        ast.Function, kind=st.just("net"), name=identifiers, count=small, parameters=parameters,
        returns=row(types, 1, 3), body=bodies,
    ),
)  # fmt: skip
files = st.builds(ast.File, st.just(NOWHERE.source), row(declarations, most=3))


def bare(tree: object) -> object:
    """The tree without places and depths."""
    if isinstance(tree, tuple):
        return [bare(part) for part in tree]
    if not is_dataclass(tree):
        return tree
    places = ("span", "depth", "op_span", "name_span", "head", "source")
    hidden = places if not isinstance(tree, ast.Data) else places[:-1]
    return [type(tree).__name__, *(bare(getattr(tree, f.name)) for f in fields(tree) if f.name not in hidden)]


def height(tree: object) -> int:
    """Of an expression: 1 for a leaf."""
    return isinstance(tree, ast.Expr) + max((height(p) for p in parts_of(tree) if not isinstance(p, Span)), default=0)


def parts_of(tree: object) -> Sequence[object]:
    if isinstance(tree, tuple):
        return tree
    return [getattr(tree, f.name) for f in fields(tree)] if is_dataclass(tree) else []


@given(expressions)
def test_print_then_parse_is_the_same_expression(tree: ast.Expr) -> None:
    text = expr(tree)
    declaration = parse(Source("t.mai", f"let t = {text}\n"), Reporter()).declarations[0]
    assert isinstance(declaration, ast.Let)
    assert bare(declaration.value) == bare(tree)
    assert declaration.value.depth == height(tree)
    assert declaration.value.span.text.strip("()") == text.strip("()")


@given(files)
def test_print_then_parse_is_the_same_file(tree: ast.File) -> None:
    text = format_file(tree)
    parsed = parse(Source("t.mai", text), Reporter())
    assert bare(parsed.declarations) == bare(tree.declarations)
    assert format_file(parsed) == text


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
