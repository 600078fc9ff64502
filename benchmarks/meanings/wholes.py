"""Whole numbers: terms whose values are integers, made of reals, of places and of each other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.meanings.terms import MOST_AXES, SIZES, Maker, Scope, Shape, Term, dims
from mai.runtime.arrays import Array

Way = Callable[[Maker, Shape, Scope, int], Term | None]


def whole(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term:
    """Whole numbers of a shape."""
    term = None
    while term is None:
        term = maker.one_of(WAYS)(maker, shape, scope, depth - 1) if depth > 0 else _constant(maker, shape)
    value = term.value
    return Term(term.text, lambda env: np.broadcast_to(value(env), shape).astype(np.int64))


def _constant(maker: Maker, shape: Shape) -> Term:
    number = maker.below(5, -3)
    if len(shape) == 1:
        return Term(f"(range({shape[0]}) + {number})", lambda env: np.arange(shape[0]) + number)
    text = f"int({number} * ones({dims(shape)}))" if shape else f"({number})"
    return Term(text, lambda env: np.full(shape, number))


def _cut(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term:
    x = maker.term(shape, scope, depth)
    return Term(f"int(3 * {x.text})", lambda env: np.trunc(3 * x.value(env)).astype(np.int64))


def _counted(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if len(shape) == MOST_AXES:
        return None
    x = maker.term((*shape, maker.one_of(SIZES)), scope, depth)
    return Term(f"sum({x.text} > 0.1, axis = -1)", lambda env: np.sum(x.value(env) > 0.1, axis=-1))


def _place(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if len(shape) == MOST_AXES:
        return None
    x = maker.term((*shape, maker.one_of(SIZES)), scope, depth)
    name, function = maker.one_of((("argmax", np.argmax), ("argmin", np.argmin)))
    return Term(f"{name}({x.text}, axis = -1)", lambda env: function(x.value(env), axis=-1))


def _order(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if not shape:
        return None
    x = maker.term(shape, scope, depth)
    return Term(f"argsort({x.text})", lambda env: np.argsort(x.value(env), axis=-1, kind="stable"))


def _order_of_large(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """Of numbers of which float32 knows every other one alone."""
    if not shape:
        return None
    x = whole(maker, shape, scope, depth)
    return Term(f"argsort(16777216 + {x.text})", lambda env: np.argsort(x.value(env), axis=-1, kind="stable"))


OF_TWO = (
    ("({} + {})", np.add),
    ("({} - {})", np.subtract),
    ("({} * {})", np.multiply),
    ("maximum({}, {})", np.maximum),
    ("where({0} > {1}, {1}, {0} + 1)", lambda i, j: np.where(i > j, j, i + 1)),
)


def _of_two(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term:
    i, j = (whole(maker, shape, scope, depth) for _ in range(2))
    text, function = maker.one_of(OF_TWO)
    return Term(text.format(i.text, j.text), lambda env: function(i.value(env), j.value(env)))


def _divided(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term:
    """By a number, or by whole numbers that are not 0; of either sign."""
    i, sign = whole(maker, shape, scope, depth), maker.one_of("/%")
    sign, function = ("//", np.floor_divide) if sign == "/" else ("%", np.remainder)
    if maker.happens(0.5):
        number = maker.one_of((2, 3, -2, -3))
        return Term(f"({i.text} {sign} {number})", lambda env: function(i.value(env), number))
    j = whole(maker, shape, scope, depth)
    return Term(f"({i.text} {sign} (2 * {j.text} + 1))", lambda env: function(i.value(env), 2 * j.value(env) + 1))


ALONG = (
    ("cumsum({})", lambda i: np.cumsum(i, -1)),
    ("flip({})", lambda i: np.flip(i, -1)),
    ("(-abs({}))", lambda i: -np.abs(i)),
)


def _along(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if not shape:
        return None
    i, (text, function) = whole(maker, shape, scope, depth), maker.one_of(ALONG)
    return Term(text.format(i.text), lambda env: function(i.value(env)))


def _over(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if len(shape) == MOST_AXES:
        return None
    i = whole(maker, (*shape, maker.one_of(SIZES)), scope, depth)
    name, function = maker.one_of((("sum", np.sum), ("max", np.max), ("min", np.min)))
    return Term(f"{name}({i.text}, axis = -1)", lambda env: function(i.value(env), axis=-1))


def _label(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if shape or not maker.labels:
        return None
    name = maker.one_of(sorted(maker.labels))
    return Term(f"({name} + 1)", lambda env: env[name] + 1)


def _read(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term:
    """Of whole numbers, by whole numbers."""
    size = maker.one_of(SIZES)
    i, j = whole(maker, (size,), scope, depth), whole(maker, shape, scope, depth)
    return Term(f"({i.text})[{j.text} % {size}]", lambda env: _at(i.value(env), j.value(env) % size))


def _at(x: Array, places: Array) -> Array:
    return x[places]


WAYS: tuple[Way, ...] = (
    _cut,
    _counted,
    _place,
    _order,
    _order_of_large,
    _of_two,
    _of_two,
    _divided,
    _divided,
    _along,
    _over,
    _label,
    _read,
)
