"""Statements that make several names, or one whose shape they decide: factors, largest elements, frequencies, windows over images."""

from __future__ import annotations

from itertools import product

import numpy as np

from benchmarks.meanings.statements import Body, statement
from benchmarks.meanings.terms import SIZES, Env, Maker, Shape, Term
from mai.runtime.arrays import Array


@statement
def _eigen(maker: Maker, body: Body, depth: int) -> None:
    """Eigenvalues, and the projector on the eigenvector of the last: its sign is not said."""
    n = maker.one_of(SIZES)
    x, w, u, p = maker.term((n, n), body.scope, depth - 1), *(maker.name() for _ in range(3))

    def run(env: Env) -> None:
        matrix = x.value(env)
        values, vectors = np.linalg.eigh(matrix + matrix.T + np.diag(np.arange(n) * 9))
        env[w], env[p] = values, np.outer(vectors[:, -1], vectors[:, -1])

    lines = [f"{w}_x = {x.text}", f"({w}, {u}) = eigh({w}_x + {w}_x' + diag(9.0 * range({n})))"]
    body.add([*lines, f"{p} = outer({u}[:, -1], {u}[:, -1])"], run, **{w: (n,), p: (n, n)})


@statement
def _factors(maker: Maker, body: Body, depth: int) -> None:
    n = maker.one_of(SIZES)
    m = n + maker.below(3)
    x, q, r, p = maker.term((m, n), body.scope, depth - 1), *(maker.name() for _ in range(3))

    def run(env: Env) -> None:
        first, second = np.linalg.qr(np.tanh(x.value(env)) + 2 * np.eye(m, n))
        env[p], env[r] = first @ first.T, np.abs(second)

    line = f"({q}, {q}_r) = qr(tanh({x.text}) + 2 * identity({m})[:, :{n}])"
    body.add([line, f"{p} = {q} @ {q}'", f"{r} = abs({q}_r)"], run, **{p: (m, m), r: (n, n)})


@statement
def _largest(maker: Maker, body: Body, depth: int) -> None:
    shape = maker.shape() or (3,)
    x, axis, (v, i) = maker.term(shape, body.scope, depth - 1), maker.below(len(shape)), (maker.name(), maker.name())
    count = maker.below(shape[axis] + 1, 1)

    def run(env: Env) -> None:
        order = np.take(np.argsort(-x.value(env), axis, kind="stable"), range(count), axis)
        env[v], env[i] = np.take_along_axis(x.value(env), order, axis), 1.0 * order

    own = (*shape[:axis], count, *shape[axis + 1 :])
    lines = [f"({v}, {v}_i) = top_k({x.text}, {count}, axis = {axis})", f"{i} = 1.0 * {v}_i"]
    body.add(lines, run, **{v: own, i: own})


@statement
def _frequencies(maker: Maker, body: Body, depth: int) -> None:
    shape = maker.shape() or (4,)
    x, axis, (a, b) = maker.term(shape, body.scope, depth - 1), maker.below(len(shape)), (maker.name(), maker.name())

    def run(env: Env) -> None:
        z = np.fft.rfft(x.value(env), axis=axis)
        env[a], env[b] = z.real, z.imag

    own = (*shape[:axis], shape[axis] // 2 + 1, *shape[axis + 1 :])
    body.add([f"({a}, {b}) = rfft({x.text}, axis = {axis})"], run, **{a: own, b: own})


# -------------------------------------------------------------------- images


def _image(maker: Maker, body: Body, depth: int) -> tuple[Term, int, Shape]:
    """An image of one or two axes: its term, its channels, its size."""
    channels, size = maker.one_of((2, 4)), tuple(maker.below(8, 4) for _ in range(maker.below(3, 1)))
    return maker.term((channels, *size), body.scope, depth - 1), channels, size


def _padding(
    maker: Maker, size: Shape, window: Shape, stride: Shape, dilation: Shape
) -> tuple[str, list[tuple[int, int]]]:
    """As the text says it, and before and after each axis."""
    spans = [d * (w - 1) for w, d in zip(window, dilation, strict=True)]
    kind = maker.one_of(("number", "pairs", "valid", "half", "same", "causal"))
    if kind == "number":
        by = maker.below(3)
        return str(by), [(by, by) for _ in size]
    if kind == "pairs":
        pairs = [(maker.below(3), maker.below(3)) for _ in size]
        return f"[{', '.join(f'[{a}, {b}]' for a, b in pairs)}]", pairs
    if kind == "same":
        steps = [-(-n // s) for n, s in zip(size, stride, strict=True)]
        totals = [max((c - 1) * s + span + 1 - n, 0) for c, s, span, n in zip(steps, stride, spans, size, strict=True)]
        return '"same"', [(t // 2, t - t // 2) for t in totals]
    if kind == "half":
        return '"half"', [(span // 2, span // 2) for span in spans]
    return f'"{kind}"', [(span if kind == "causal" else 0, 0) for span in spans]


def _numbers(shape: Shape) -> str:
    return f"[{', '.join(map(str, shape))}]"


def _places(count: Shape) -> product[tuple[int, ...]]:
    return product(*(range(n) for n in count))


@statement
def _convolution(maker: Maker, body: Body, depth: int) -> None:
    x, channels, size = _image(maker, body, depth)
    window, stride, dilation = (tuple(maker.below(end, 1) for _ in size) for end in (4, 3, 3))
    groups, results = maker.one_of((1, 2)), maker.one_of((2, 4))
    text, pads = _padding(maker, size, window, stride, dilation)
    spans = [d * (w - 1) for w, d in zip(window, dilation, strict=True)]
    whole = zip(size, pads, spans, stride, strict=True)
    counts = tuple((n + a + b - span - 1) // s + 1 for n, (a, b), span, s in whole)
    if min(counts) < 1:
        return
    flat = (results, channels // groups, int(np.prod(window)))
    weight, name = np.round(maker.dice.normal(size=flat), 2), maker.name()

    def run(env: Env) -> None:
        padded = np.pad(x.value(env), [(0, 0), *pads])
        w = weight.reshape(*flat[:2], *window)
        env[name] = np.zeros((results, *counts))
        for out, place, tap in product(range(results), _places(counts), _places(window)):
            at = tuple(p * s + t * d for p, s, t, d in zip(place, stride, tap, dilation, strict=True))
            begin = out // (results // groups) * flat[1]
            env[name][(out, *place)] += padded[(slice(begin, begin + flat[1]), *at)] @ w[(out, slice(None), *tap)]

    axes = "ab"[: len(size)]
    sizes = ", ".join(f"{a} = {n}" for a, n in zip(axes, window, strict=True))
    windows = f'rearrange({weight.tolist()}, "n k ({" ".join(axes)}) -> n k {" ".join(axes)}", {sizes})'
    said = f"stride = {_numbers(stride)}, padding = {text}, dilation = {_numbers(dilation)}, groups = {groups}"
    body.add([f"{name} = convolve({x.text}, {windows}, {said})"], run, **{name: (results, *counts)})


@statement
def _pool(maker: Maker, body: Body, depth: int) -> None:
    """Windows see no padding."""
    x, channels, size = _image(maker, body, depth)
    window, stride = (tuple(maker.below(4, 1) for _ in size) for _ in range(2))
    pads = [maker.below(w // 2 + 1) for w in window]
    counts = tuple((n + 2 * p - w) // s + 1 for n, p, w, s in zip(size, pads, window, stride, strict=True))
    kind, name = maker.one_of(("max", "avg")), maker.name()

    def run(env: Env) -> None:
        padded = np.pad(x.value(env), [(0, 0), *((p, p) for p in pads)], constant_values=np.nan)
        result = np.zeros((channels, *counts))
        for place in _places(counts):
            cut = tuple(slice(p * s, p * s + w) for p, s, w in zip(place, stride, window, strict=True))
            part = padded[(slice(None), *cut)].reshape(channels, -1)
            result[(slice(None), *place)] = np.nanmax(part, -1) if kind == "max" else np.nanmean(part, -1)
        env[name] = result

    said = f"{_numbers(window)}, stride = {_numbers(stride)}, padding = {_numbers(tuple(pads))}"
    body.add([f"{name} = {kind}_pool({x.text}, {said})"], run, **{name: (channels, *counts)})


@statement
def _larger(maker: Maker, body: Body, depth: int) -> None:
    """Pixels repeated."""
    x, channels, size = _image(maker, body, depth)
    factor, name = tuple(maker.below(4, 1) for _ in size), maker.name()

    def run(env: Env) -> None:
        result: Array = x.value(env)
        for axis, n in enumerate(factor):
            result = np.repeat(result, n, axis + 1)
        env[name] = result

    own = tuple(n * f for n, f in zip(size, factor, strict=True))
    body.add([f"{name} = upsample({x.text}, {_numbers(factor)})"], run, **{name: (channels, *own)})
