"""The ways to make a term: operators, functions, indices, patterns."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.meanings.terms import MOST_AXES, SIZES, Env, Maker, Scope, Shape, Term, form, index
from mai.runtime.arrays import Array

Function = Callable[..., Any]
OF_ELEMENTS: tuple[tuple[str, Function], ...] = (
    ("tanh({})", np.tanh),
    ("sin({})", np.sin),
    ("relu({})", lambda x: np.maximum(x, 0)),
    ("abs({})", np.abs),
    ("(-{})", np.negative),
    ("exp(-({})^2)", lambda x: np.exp(-(x**2))),
    ("sqrt(1 + ({})^2)", lambda x: np.sqrt(1 + x**2)),
    ("softplus({})", lambda x: np.logaddexp(0, x)),
    ("clip({}, -1, 1)", lambda x: np.clip(x, -1, 1)),
)
OF_TWO: tuple[tuple[str, Function], ...] = (
    ("({} + {})", np.add),
    ("({} - {})", np.subtract),
    ("({} * {})", np.multiply),
    ("({} / (1 + abs({})))", lambda a, b: a / (1 + np.abs(b))),
    ("maximum({}, {})", np.maximum),
)
OVER_AN_AXIS: dict[str, Function] = {
    "sum": np.sum,
    "mean": np.mean,
    "max": np.max,
    "min": np.min,
    "logsumexp": lambda x, axis: np.logaddexp.reduce(x, axis=axis),
}
ALONG_AN_AXIS: dict[str, Function] = {
    "cumsum": np.cumsum,
    "flip": np.flip,
    "sort": np.sort,
    "softmax": lambda x, axis: np.exp(x - np.logaddexp.reduce(x, axis=axis, keepdims=True)),
}


def _with_axis(maker: Maker, shape: Shape) -> tuple[Shape, int, int]:
    """A shape with one axis more, where it is and how long."""
    axis, size = maker.below(len(shape) + 1), maker.one_of(SIZES)
    return (*shape[:axis], size, *shape[axis:]), axis, size


@form
def _of_elements(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term:
    x, (text, function) = maker.term(shape, scope, depth), maker.one_of(OF_ELEMENTS)
    return Term(text.format(x.text), lambda env: function(x.value(env)))


@form
def _of_two(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term:
    """Of which one may lack axes at the front."""
    own = shape[maker.below(len(shape) + 1) :] if maker.happens(0.4) else shape
    pair = maker.term(shape, scope, depth), maker.term(own, scope, depth)
    a, b = pair if maker.happens(0.5) else pair[::-1]
    text, function = maker.one_of(OF_TWO)
    return Term(text.format(a.text, b.text), lambda env: function(a.value(env), b.value(env)))


@form
def _with_an_axis_of_one(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if not shape:
        return None
    axis = maker.below(len(shape))
    a, b = maker.term(shape, scope, depth), maker.term((*shape[:axis], *shape[axis + 1 :]), scope, depth)
    text = f"({a.text} * ({b.text})[{index(axis, 'None')}])"
    return Term(text, lambda env: a.value(env) * np.expand_dims(b.value(env), axis))


@form
def _over_an_axis(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if len(shape) == MOST_AXES:
        return None
    larger, axis, _ = _with_axis(maker, shape)
    x, name = maker.term(larger, scope, depth), maker.one_of(sorted(OVER_AN_AXIS))
    said = axis if maker.happens(0.5) else axis - len(larger)
    return Term(f"{name}({x.text}, axis = {said})", lambda env: OVER_AN_AXIS[name](x.value(env), axis=axis))


@form
def _along_an_axis(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if not shape:
        return None
    x, name, axis = maker.term(shape, scope, depth), maker.one_of(sorted(ALONG_AN_AXIS)), maker.below(len(shape))
    return Term(f"{name}({x.text}, axis = {axis})", lambda env: ALONG_AN_AXIS[name](x.value(env), axis=axis))


@form
def _product(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """A matrix or vector times another."""
    if not 1 <= len(shape) <= 2:
        return None
    size = maker.one_of(SIZES)
    left: Shape = (shape[0], size)
    right: Shape = (size, *shape[1:])
    if len(shape) == 1 and maker.happens(0.5):
        left, right = (size,), (size, shape[0])
    a = maker.term(left, scope, depth)
    if len(right) == 2 and maker.happens(0.3):
        turned = maker.term(right[::-1], scope, depth)
        return Term(f"({a.text} @ ({turned.text})')", lambda env: a.value(env) @ turned.value(env).T)
    b = maker.term(right, scope, depth)
    return Term(f"({a.text} @ {b.text})", lambda env: a.value(env) @ b.value(env))


@form
def _windows(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """Windows that are computed, laid over a signal."""
    if len(shape) != 2:
        return None
    channels, width, apart = maker.one_of(SIZES), maker.below(3, 1), maker.below(2, 1)
    x = maker.term((channels, shape[1] + (width - 1) * apart), scope, depth)
    k = maker.term((shape[0], channels, width), scope, depth)

    def value(env: Env) -> Array:
        signal, filters = x.value(env), k.value(env)
        parts = (filters[:, :, i] @ signal[:, i * apart : i * apart + shape[1]] for i in range(width))
        return sum(parts, np.zeros(shape))

    return Term(f"convolve({x.text}, {k.text}, dilation = {apart})", value)


@form
def _where(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term:
    c, a, b = (maker.term(shape, scope, depth) for _ in range(3))
    return Term(
        f"where({c.text} > 0.1, {a.text}, {b.text})",
        lambda env: np.where(c.value(env) > 0.1, a.value(env), b.value(env)),
    )


@form
def _one_place(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """x[:, 2], or x[-1]."""
    if len(shape) == MOST_AXES:
        return None
    larger, axis, size = _with_axis(maker, shape)
    x, place = maker.term(larger, scope, depth), maker.below(size, -size)
    return Term(f"({x.text})[{index(axis, str(place))}]", lambda env: np.take(x.value(env), place, axis))


@form
def _place_of_an_example(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """x[argmax(y)], or x[a label]."""
    if len(shape) == MOST_AXES:
        return None
    label = maker.one_of(sorted(maker.labels)) if maker.labels and maker.happens(0.5) else None
    size = maker.labels[label] if label is not None else maker.one_of(SIZES)
    x = maker.term((size, *shape), scope, depth)
    if label is not None:
        return Term(f"({x.text})[{label}]", lambda env: x.value(env)[env[label]])
    y = maker.term((size,), scope, depth)
    return Term(f"({x.text})[argmax({y.text})]", lambda env: x.value(env)[np.argmax(y.value(env))])


@form
def _places(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """x[[2, 0, 0]]."""
    if not shape:
        return None
    size = maker.one_of(SIZES)
    x, places = maker.term((size, *shape[1:]), scope, depth), [maker.below(size) for _ in range(shape[0])]
    return Term(f"({x.text})[{places}]", lambda env: x.value(env)[places])


@form
def _part(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """x[:, 1:3]."""
    if not shape:
        return None
    axis, start = maker.below(len(shape)), maker.below(3)
    end = start + shape[axis]
    larger = (*shape[:axis], end + maker.below(2), *shape[axis + 1 :])
    x = maker.term(larger, scope, depth)
    cut = (*[slice(None)] * axis, slice(start, end))
    return Term(f"({x.text})[{index(axis, f'{start}:{end}')}]", lambda env: x.value(env)[cut])


@form
def _joined(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    axes = [axis for axis, size in enumerate(shape) if size > 1]
    if not axes:
        return None
    axis = maker.one_of(axes)
    first = maker.below(shape[axis], 1)
    shapes = [(*shape[:axis], size, *shape[axis + 1 :]) for size in (first, shape[axis] - first)]
    a, b = (maker.term(own, scope, depth) for own in shapes)
    text = f"concat({a.text}, {b.text}, axis = {axis})"
    return Term(text, lambda env: np.concatenate([a.value(env), b.value(env)], axis))


@form
def _stacked(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if not shape:
        return None
    parts = [maker.term(shape[1:], scope, depth - 1) for _ in range(shape[0])]
    text = ", ".join(p.text for p in parts)
    return Term(f"[{text}]", lambda env: np.stack([p.value(env) for p in parts]))


@form
def _turned(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if not shape:
        return None
    letters, order = "abc"[: len(shape)], [int(i) for i in maker.dice.permutation(len(shape))]
    source = tuple(shape[i] for i in order)
    x = maker.term(source, scope, depth)
    pattern = f"{' '.join(letters[i] for i in order)} -> {' '.join(letters)}"
    back = [order.index(i) for i in range(len(order))]
    return Term(f'rearrange({x.text}, "{pattern}")', lambda env: np.transpose(x.value(env), back))


@form
def _summed(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """An einsum of two, over one axis."""
    if len(shape) == MOST_AXES:
        return None
    kept = "ab"[: len(shape)]
    left = [c for c in kept if maker.happens(0.7)]
    right = [c for c in kept if c not in left or maker.happens(0.4)]
    sizes = {**dict(zip(kept, shape, strict=True)), "k": maker.one_of(SIZES)}
    orders = [[str(c) for c in maker.dice.permutation([*own, "k"])] for own in (left, right)]
    shapes = [tuple(sizes[c] for c in own) for own in orders]
    a, b = (maker.term(own, scope, depth) for own in shapes)
    pattern = f"{', '.join(' '.join(own) for own in orders)} -> {' '.join(kept)}"
    return Term(
        f'einsum("{pattern}", {a.text}, {b.text})',
        lambda env: np.einsum(pattern.replace(" ", ""), a.value(env), b.value(env)),
    )


@form
def _crossed(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """Each of one with each of another."""
    if len(shape) != 2:
        return None
    a, b = (maker.term((size,), scope, depth) for size in shape)
    return Term(f"(({a.text})[:, None] + {b.text})", lambda env: np.add.outer(a.value(env), b.value(env)))


@form
def _mapped(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """A layer of a part of the shape, for each place of the rest."""
    from benchmarks.meanings.statements import new_layer

    if depth < 1:
        return None
    count = maker.below(len(shape) + 1)
    places, own = shape[:count], shape[count:]
    inner = maker.shape(min(2, MOST_AXES - count))
    name, call = new_layer(maker, [inner], own, min(depth - 1, 2))
    x = maker.term((*places, *inner), scope, depth)

    def value(env: dict[str, Array]) -> Array:
        array = x.value(env)
        return np.array([call(array[i]) for i in np.ndindex(*places)]).reshape(shape)

    return Term(f"{name}({x.text})", value)


@form
def _paired(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """A layer of two, for each pair of places."""
    from benchmarks.meanings.statements import new_layer

    if len(shape) < 2 or depth < 1:
        return None
    inner = [maker.shape(1), maker.shape(1)]
    name, call = new_layer(maker, inner, shape[2:], min(depth - 1, 2))
    shapes = [(size, *own) for size, own in zip(shape, inner, strict=False)]
    a, b = (maker.term(own, scope, depth) for own in shapes)

    def value(env: dict[str, Array]) -> Array:
        return np.array([[call(p, q) for q in b.value(env)] for p in a.value(env)]).reshape(shape)

    return Term(f"{name}(({a.text})[:, None], {b.text})", value)
