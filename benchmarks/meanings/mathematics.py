"""More ways to make a term: linear algebra, densities, whole numbers, derivatives of layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy.linalg
import scipy.stats
import torch
from torch import distributions

from benchmarks.meanings.statements import new_layer
from benchmarks.meanings.terms import MOST_AXES, SIZES, Env, Maker, Scope, Shape, Term, form, index
from benchmarks.meanings.wholes import whole
from mai.runtime.arrays import Array

STEP = 1e-4  # Of derivatives by differences of values.


# ------------------------------------------------------------------ matrices


@form
def _solution(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """Of linear equations that are far from singular: of one right side, or of a matrix of them, for each matrix."""
    if not shape:
        return None
    n = shape[max(len(shape) - 2, 0)]
    sizes = (*shape[: max(len(shape) - 2, 0)], n, n)
    a, b = maker.term(sizes, scope, depth), maker.term(shape, scope, depth)
    text = f"solve(tanh({a.text}) + {n + 1} * identity({n}), {b.text})"

    def value(env: Env) -> Array:
        right = b.value(env)
        matrix = np.tanh(a.value(env)) + (n + 1) * np.eye(n)
        result = np.linalg.solve(matrix, right[:, None] if right.ndim == 1 else right)
        return result[:, 0] if right.ndim == 1 else result

    return Term(text, value)


def _positive(x: Array) -> Array:
    y = np.tanh(x)
    return y @ np.swapaxes(y, -1, -2) + np.eye(x.shape[-1])


# tanh of a matrix has values down to -n: with n times the identity, one of equal numbers would be singular in single precision.
OF_SQUARES: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("inverse(tanh({}) + 2 * {n} * identity({n}))", lambda x: np.linalg.inv(np.tanh(x) + 2 * x.shape[-1] * np.eye(x.shape[-1]))),
    ("expm(tanh({}))", lambda x: scipy.linalg.expm(np.tanh(x))),
    ("cholesky(tanh({0}) @ tanh({0})' + identity({n}))", lambda x: np.linalg.cholesky(_positive(x))),
    ("tril({}, -1)", lambda x: np.tril(x, -1)),
    ("triu({})", np.triu),
)  # fmt: skip


@form
def _of_a_square(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if len(shape) < 2 or shape[-1] != shape[-2]:
        return None
    x, (text, function) = maker.term(shape, scope, depth - 1), maker.one_of(OF_SQUARES)
    return Term(text.format(x.text, n=shape[-1]), lambda env: function(x.value(env)))


NUMBERS_OF_SQUARES: tuple[tuple[str, Callable[..., Any]], ...] = (
    ("det({})", np.linalg.det),
    ("logdet(tanh({}) + 2 * {n} * identity({n}))", lambda x: np.linalg.slogdet(np.tanh(x) + 2 * x.shape[-1] * np.eye(x.shape[-1]))[1]),
    ("trace({})", lambda x: np.trace(x, axis1=-2, axis2=-1)),
    ("sum(diagonal({}))", lambda x: np.trace(x, axis1=-2, axis2=-1)),
)  # fmt: skip


@form
def _number_of_a_square(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if shape:
        return None
    n = maker.one_of(SIZES)
    x, (text, function) = maker.term((n, n), scope, depth - 1), maker.one_of(NUMBERS_OF_SQUARES)
    return Term(text.format(f"({x.text})", n=n), lambda env: function(x.value(env)))


# ----------------------------------------------------------------- densities

Density = Callable[..., Any]
SCALE = "(0.4 + ({})^2)"
DENSITIES: dict[str, Density] = {
    "normal": scipy.stats.norm.logpdf,
    "laplace": scipy.stats.laplace.logpdf,
    "gumbel": scipy.stats.gumbel_r.logpdf,
    "logistic": scipy.stats.logistic.logpdf,
    "student_t(df = 3.5)": lambda x, m, s: scipy.stats.t.logpdf(x, 3.5, m, s),
}
OF_TWO_SCALES: dict[str, Density] = {
    "gamma": lambda x, a, b: scipy.stats.gamma.logpdf(np.exp(x), a, scale=1 / b),
    "beta": lambda x, a, b: scipy.stats.beta.logpdf(1 / (1 + np.exp(-x)), a, b),
}
VALUES = {"gamma": "exp({})", "beta": "sigmoid({})"}


def _parameters(maker: Maker, scope: Scope, depth: int) -> tuple[Shape, Term, Term]:
    """Of one draw: its shape, and two terms, of which one may lack its first axes."""
    own = maker.shape(1)
    a = maker.term(own, scope, depth - 1)
    b = maker.term(own[maker.below(len(own) + 1) :], scope, depth - 1)
    return own, a, b


def _over_draws(value: Array, own: Shape) -> Array:
    return np.sum(value, axis=tuple(range(value.ndim - len(own), value.ndim)))


@form
def _log_density(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """Of each of several draws."""
    own, m, s = _parameters(maker, scope, depth)
    if len(shape) + len(own) > MOST_AXES:
        return None
    x, name = maker.term((*shape, *own), scope, depth - 1), maker.one_of(sorted(DENSITIES))
    density = DENSITIES[name]
    said = name.replace("(", "(location = {m}, scale = {s}, ") if "(" in name else f"{name}({{m}}, {{s}})"
    distribution = said.format(m=m.text, s=SCALE.format(s.text))
    return Term(
        f"log_prob({distribution}, {x.text})",
        lambda env: _over_draws(density(x.value(env), m.value(env), 0.4 + s.value(env) ** 2), own),
    )


@form
def _log_density_of_positive(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    own, a, b = _parameters(maker, scope, depth)
    if len(shape) + len(own) > MOST_AXES:
        return None
    x, name = maker.term((*shape, *own), scope, depth - 1), maker.one_of(sorted(OF_TWO_SCALES))
    distribution = f"{name}({SCALE.format(a.text)}, {SCALE.format(b.text)})"
    value = VALUES[name].format(f"tanh({x.text})")

    def logs(env: Env) -> Array:
        sides = (0.4 + t.value(env) ** 2 for t in (a, b))
        return _over_draws(OF_TWO_SCALES[name](np.tanh(x.value(env)), *sides), own)

    return Term(f"log_prob({distribution}, {value})", logs)


OF_KINDS: dict[str, type[distributions.Distribution]] = {
    "normal": distributions.Normal,
    "laplace": distributions.Laplace,
    "gumbel": distributions.Gumbel,
    "gamma": distributions.Gamma,
    "beta": distributions.Beta,
}


@form
def _divergence(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """kl(q, p), or the entropy of q, by torch's formulas."""
    if shape:
        return None
    own, *first = _parameters(maker, scope, depth)
    second = [maker.term(own, scope, depth - 1) for _ in first]
    name = maker.one_of(sorted(OF_KINDS))
    free = name in ("normal", "laplace", "gumbel")

    def text(pair: Sequence[Term]) -> str:
        a, b = (t.text for t in pair)
        return f"{name}({a if free else SCALE.format(a)}, {SCALE.format(b)})"

    def kind(pair: Sequence[Term], env: Env) -> Any:
        a, b = (np.broadcast_to(t.value(env), own).astype(np.float64) for t in pair)
        sides = (a if free else 0.4 + a**2, 0.4 + b**2)
        return OF_KINDS[name](*(torch.tensor(x) for x in sides))

    if maker.happens(0.3):
        return Term(f"entropy({text(first)})", lambda env: kind(first, env).entropy().sum().numpy())
    return Term(
        f"kl({text(first)}, {text(second)})",
        lambda env: distributions.kl_divergence(kind(first, env), kind(second, env)).sum().numpy(),
    )


@form
def _log_mixture(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """Of K normals of one number, at each place."""
    count = maker.one_of(SIZES)
    w, m, s = (maker.term((count,), scope, depth - 1) for _ in range(3))
    x = maker.term(shape, scope, depth - 1)
    text = f"log_prob(mixture({w.text}, normal({m.text}, {SCALE.format(s.text)})), {x.text})"

    def value(env: Env) -> Array:
        logs = w.value(env) - np.logaddexp.reduce(w.value(env))
        parts = scipy.stats.norm.logpdf(x.value(env)[..., None], m.value(env), 0.4 + s.value(env) ** 2)
        return np.logaddexp.reduce(logs + parts, axis=-1)

    return Term(text, value)


# ------------------------------------------------------------- whole numbers


@form
def _of_a_whole(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term:
    """Whole numbers among reals."""
    i, x = whole(maker, shape, scope, depth), maker.term(shape, scope, depth)
    return Term(f"(0.25 * {i.text} + {x.text})", lambda env: 0.25 * i.value(env) + x.value(env))


@form
def _rows_of_places(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """x[i], where i has some axes of the result."""
    count, size = maker.below(len(shape) + 1), maker.one_of(SIZES)
    i = whole(maker, shape[:count], scope, depth)
    if len(shape) - count + 1 > MOST_AXES:
        return None
    x = maker.term((size, *shape[count:]), scope, depth)
    return Term(f"({x.text})[{i.text} % {size}]", lambda env: x.value(env)[i.value(env) % size])


@form
def _gathered(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if not shape:
        return None
    axis, size = maker.below(len(shape)), maker.one_of(SIZES)
    i = whole(maker, shape, scope, depth)
    x = maker.term((*shape[:axis], size, *shape[axis + 1 :]), scope, depth)
    text = f"gather({x.text}, {i.text} % {size}, axis = {axis})"
    return Term(text, lambda env: np.take_along_axis(x.value(env), i.value(env) % size, axis))


@form
def _one_hot(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if not shape:
        return None
    i = whole(maker, shape[:-1], scope, depth)
    return Term(f"one_hot({i.text}, {shape[-1]})", lambda env: 1.0 * (i.value(env)[..., None] == np.arange(shape[-1])))


# --------------------------------------------------------------- other moves


@form
def _rolled(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if not shape:
        return None
    axis, by = maker.below(len(shape)), maker.below(6, -5)
    x = maker.term(shape, scope, depth)
    return Term(f"roll({x.text}, {by}, axis = {axis})", lambda env: np.roll(x.value(env), by, axis))


@form
def _shifted(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    if not shape:
        return None
    axis, x = maker.below(len(shape)), maker.term(shape, scope, depth)

    def value(env: Env) -> Array:
        result = np.roll(x.value(env), 1, axis)
        result[(*[slice(None)] * axis, 0)] = 0
        return result

    return Term(f"shift({x.text}, 1, axis = {axis})", value)


# --------------------------------------------------- derivatives of functions


@form
def _jacobian(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """Of a layer, at a place."""
    if depth < 1 or not shape:
        return None
    count = maker.below(len(shape) + 1)
    name, call = new_layer(maker, [shape[count:]], shape[:count], min(depth - 1, 2))
    x = maker.term(shape[count:], scope, depth - 1)
    ways = np.eye(int(np.prod(shape[count:]))).reshape(-1, *shape[count:])

    def value(env: Env) -> Array:
        at = np.asarray(x.value(env), np.float64)
        columns = [(call(at + STEP * w) - call(at - STEP * w)) / (2 * STEP) for w in ways]
        return np.stack(columns, -1).reshape(shape)

    return Term(f"jacobian({name}, {x.text})", value)


@form
def _laplacian(maker: Maker, shape: Shape, scope: Scope, depth: int) -> Term | None:
    """Or a Hessian's entry, of a layer that gives one number, at each place."""
    if depth < 1 or shape:
        return None
    size = maker.one_of(SIZES)
    name, call = new_layer(maker, [(size,)], (), min(depth - 1, 1))
    place = maker.term((size,), scope, depth - 1)
    # Of two numbers that are the same, the larger has no second derivative.
    x = Term(f"{place.text} + 0.1 * range({size})", lambda env: place.value(env) + 0.1 * np.arange(size))
    i, j = maker.below(size), maker.below(size)
    ways = STEP * np.eye(size)

    def second(at: Array, v: Array, w: Array) -> Any:
        return (call(at + v + w) - call(at + v - w) - call(at - v + w) + call(at - v - w)) / (4 * STEP**2)

    if maker.happens(0.5):
        return Term(
            f"hessian({name}, {x.text})[{index(0, str(i))}, {j}]", lambda env: second(x.value(env), ways[i], ways[j])
        )
    return Term(f"laplacian({name}, {x.text})", lambda env: sum(second(x.value(env), w, w) for w in ways))
