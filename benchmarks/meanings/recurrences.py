"""Loops whose states move affinely, over enough turns for forms by blocks; and two that look so and are not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from benchmarks.meanings.statements import Body, assign, statement
from benchmarks.meanings.terms import MOST_AXES, SIZES, Env, Maker, Shape, Term
from mai.runtime.arrays import Array

TURNS = (1, 2, 7, 15, 16, 17, 33, 40)
DECAYS: tuple[tuple[str, Callable[[Array], Array]], ...] = (
    ("sigmoid({})", lambda x: 1 / (1 + np.exp(-x))),
    ("exp(-softplus({}))", lambda x: np.exp(-np.logaddexp(0, x))),
    ("exp(-8 * ({})^2)", lambda x: np.exp(-8 * x**2)),
    ("tanh({})", np.tanh),
    ("(0.9 + 0 * {})", lambda x: np.full_like(x, 0.9)),
    ("relu(tanh({}))", lambda x: np.maximum(np.tanh(x), 0)),
)
NEXT: tuple[tuple[str, Callable[[Array, Array, Array], Array]], ...] = (
    ("{a} * {h} + {b}", lambda a, h, b: a * h + b),
    ("{h} + {a}^2 * ({b} - {h})", lambda a, h, b: h + a**2 * (b - h)),
    ("(1 - abs({a})) * {h} + {a} * {b}", lambda a, h, b: (1 - np.abs(a)) * h + a * b),
    ("where({b} > 0, {a} * {h}, {b})", lambda a, h, b: np.where(b > 0, a * h, b)),
    ("{a} * tanh({h}) + {b}", lambda a, h, b: a * np.tanh(h) + b),
    ("maximum({a} * {h}, {b})", lambda a, h, b: np.maximum(a * h, b)),
)


def _rows(maker: Maker, body: Body, turns: int, shape: Shape, depth: int) -> Term:
    """Values for all turns, unlike at each."""
    x, pace = maker.term(shape, body.scope, depth - 1), maker.below(9, 1) / 3
    ones = ", None" * len(shape)
    text = f"tanh({x.text}) + sin({pace} * range({turns}))[:{ones}]"

    def value(env: Env) -> Array:
        waves = np.sin(pace * np.arange(turns)).reshape(-1, *(1 for _ in shape))
        return np.asarray(np.tanh(x.value(env)) + waves)

    return Term(text, value)


def _with_rows(maker: Maker, body: Body, turns: int, *shapes: Shape, depth: int) -> list[str]:
    """Statements that give such names their values."""
    names = []
    for shape in shapes:
        name, rows = maker.name(), _rows(maker, body, turns, shape, depth)
        body.add([f"{name} = {rows.text}"], assign(name, rows), **{name: (turns, *shape)})
        names.append(name)
    return names


@statement
def _elements(maker: Maker, body: Body, depth: int) -> None:
    """Each number of the state by itself; of an earlier state what a turn read, or what it wrote, may be kept."""
    turns, shape = maker.one_of(TURNS), maker.shape(MOST_AXES - 1)
    start = maker.term(shape, body.scope, depth - 1)
    own = shape[maker.below(len(shape) + 1) :]
    a, b = _with_rows(maker, body, turns, own, shape, depth=depth)
    (decay, decayed), (change, changed) = maker.one_of(DECAYS), maker.one_of(NEXT)
    h, t, k, y = (maker.name() for _ in range(4))
    early = maker.happens(0.4)
    text = change.format(a=decay.format(f"{a}[{t}]"), h=h, b=f"{b}[{t}]")
    read = f"{y} = {h} * {b}[{t}]"
    lines = [f"{h} = {start.text}", f"repeat {turns} shared as {t} {{"]
    lines += [f"  {line}" for line in ([read, f"{h} = {text}"] if early else [f"{h} = {text}", read])]

    def run(env: Env) -> None:
        state, rows = np.asarray(start.value(env)), []
        for i in range(turns):
            before, state = state, changed(decayed(env[a][i]), state, env[b][i])
            rows.append((before if early else state) * env[b][i])
        env[h], env[k] = state, np.stack(rows)

    body.add([*lines, f"}} keep {y} as {k}"], run, **{h: shape, k: (turns, *shape)})


@statement
def _memory(maker: Maker, body: Body, depth: int) -> None:
    """A matrix that each turn adds a product of two vectors to, and reads by a third."""
    turns, m, n = maker.one_of(TURNS), maker.one_of(SIZES), maker.one_of(SIZES)
    q, key, value, gate = _with_rows(
        maker, body, turns, (m,), (m,), (n,), maker.one_of([(), (m, 1), (m, n)]), depth=depth
    )
    s, t, k, y = (maker.name() for _ in range(4))
    erases = maker.happens(0.3)
    kept = f"{s} - 0.3 * outer({key}[{t}], {key}[{t}] @ {s})" if erases else f"sigmoid({gate}[{t}]) * {s}"
    lines = [f"{s} = zeros([{m}, {n}])", f"repeat {turns} shared as {t} {{"]
    lines += [f"  {s} = {kept} + outer({key}[{t}], {value}[{t}])", f"  {y} = {q}[{t}] @ {s}"]

    def run(env: Env) -> None:
        state, rows = np.zeros((m, n)), []
        for i in range(turns):
            old = np.outer(env[key][i], env[key][i] @ state)
            state = state - 0.3 * old if erases else state / (1 + np.exp(-env[gate][i]))
            state = state + np.outer(env[key][i], env[value][i])
            rows.append(env[q][i] @ state)
        env[s], env[k] = state, np.stack(rows)

    body.add([*lines, f"}} keep {y} as {k}"], run, **{s: (m, n), k: (turns, n)})
