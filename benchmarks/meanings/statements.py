"""The statements of a random program: names, loops, integrals, choices, derivatives; and its layers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.meanings.terms import MOST_AXES, Env, Maker, Scope, Shape, Term, dims
from mai.runtime.arrays import Array

Run = Callable[[Env], None]
STEP = 1e-5  # Of a derivative by two values.
ENOUGH = 0.2  # The sum at which a loop ends.


@dataclass(slots=True)
class Body:
    """Statements so far, the names that they have made, and what runs them.

    defined: for each name that the body gives a value, or that it begins with, by which statement it has its value: -1 at the start.
    befores: the names as they were before each statement, in the run that is going on.
    """

    scope: Scope
    defined: dict[str, int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    befores: list[Env] = field(default_factory=list)

    def add(self, lines: Sequence[str], run: Run, **names: Shape) -> None:
        """One more statement, and the names that it gives a value."""
        self.defined |= dict.fromkeys(names, len(self.runs))
        self.lines += lines
        self.runs.append(run)
        self.scope |= names

    def run(self, env: Env) -> None:
        """All of them."""
        self.befores = [{} for _ in self.runs]
        self._run(env, range(len(self.runs)))

    def _run(self, env: Env, which: range) -> None:
        for i in which:
            self.befores[i] = dict(env)
            self.runs[i](env)

    def again(self, env: Env, which: range, **names: Array) -> Env:
        """The names after some statements, run again from other values; `env` is what they are now."""
        befores = list(self.befores)
        own = {**(befores[which.start] if which else env), **names}
        self._run(own, which)
        self.befores = befores
        return own


def body_with(shapes: Scope) -> Body:
    """A body that begins with these names."""
    return Body(dict(shapes), dict.fromkeys(shapes, -1))


Statement = Callable[["Maker", Body, int], None]


def statement(function: Statement) -> Statement:
    """Register a way to make a statement."""
    STATEMENTS.append(function)
    return function


def add_statement(maker: Maker, body: Body, depth: int) -> None:
    """Any statement."""
    maker.one_of(STATEMENTS if depth > 0 else STATEMENTS[:1])(maker, body, depth)


def new_layer(maker: Maker, shapes: Sequence[Shape], result: Shape, depth: int) -> tuple[str, Callable[..., Array]]:
    """A layer of tensors of these shapes: its name, and its meaning."""
    place = len(maker.layers)
    maker.layers.append("")  # Those that its body calls come after it.
    names = [f"p{i}" for i in range(len(shapes))]
    body = body_with(dict(zip(names, shapes, strict=True)))
    labels, maker.labels = maker.labels, {}
    for _ in range(maker.below(2)):
        add_statement(maker, body, depth - 1)
    out = maker.term(result, body.scope, depth)
    maker.labels = labels
    typed = ", ".join(f"{n}: {dims(s)}" for n, s in zip(names, shapes, strict=True))
    lines = "".join(f"  {line}\n" for line in body.lines)
    maker.layers[place] = f"layer l{place}({typed}) -> {dims(result)} {{\n{lines}  return {out.text}\n}}\n"

    def call(*arrays: Array) -> Array:
        env = dict(zip(names, arrays, strict=True))
        body.run(env)
        return np.asarray(out.value(env))

    return f"l{place}", call


def _let(maker: Maker, body: Body, depth: int) -> None:
    shape, name = maker.shape(), maker.name()
    x = maker.term(shape, body.scope, depth)
    body.add([f"{name} = {x.text}"], assign(name, x), **{name: shape})


def assign(name: str, term: Term) -> Run:
    """Give a name its value."""

    def run(env: Env) -> None:
        env[name] = np.asarray(term.value(env))

    return run


def _first_value(maker: Maker, body: Body, depth: int) -> tuple[str, Shape]:
    """A name with a first value, which a loop moves."""
    shape, name = maker.shape(), maker.name()
    x = maker.term(shape, body.scope, depth - 1)
    body.add([f"{name} = {x.text}"], assign(name, x), **{name: shape})
    return name, shape


def _indented(body: Body) -> list[str]:
    return [f"  {line}" for line in body.lines]


def _inside(maker: Maker, body: Body, name: str, shape: Shape, depth: int, change: str) -> Body:
    """The body of a loop: perhaps a statement of its own, then the state's next value."""
    inner = Body(dict(body.scope), {name: -1})
    if maker.happens(0.4):
        add_statement(maker, inner, depth - 2)
    u = maker.term(shape, inner.scope, depth - 1)
    text = f"0.5 * tanh({u.text}){change}"
    inner.add([f"{name} = {text}"], assign(name, Term(text, lambda env: 0.5 * np.tanh(u.value(env)))))
    return inner


def _repeat(maker: Maker, body: Body, depth: int) -> None:
    """So many turns, whose number a turn may know and whose states may be kept."""
    name, shape = _first_value(maker, body, depth)
    turns, turn, kept = maker.below(5, 1), maker.name(), maker.name()
    share = 0.1 * maker.below(2)
    inner = _inside(maker, body, name, shape, depth, f" + {share} * {turn}")
    keeps = len(shape) < MOST_AXES and maker.happens(0.5)

    def run(env: Env) -> None:
        own, rows = dict(env), []
        for i in range(turns):
            inner.run(own)
            own[name] = own[name] + share * i
            rows.append(own[name])
        env[name], env[kept] = own[name], np.stack(rows)

    lines = [f"repeat {turns} shared as {turn} {{", *_indented(inner), "}" + f" keep {name} as {kept}" * keeps]
    body.add(lines, run, **{name: shape}, **({kept: (turns, *shape)} if keeps else {}))


def _until(maker: Maker, body: Body, depth: int) -> None:
    """Each example stops by itself."""
    name, shape = _first_value(maker, body, depth)
    turns = maker.below(6, 2)
    inner = _inside(maker, body, name, shape, depth, "")

    def run(env: Env) -> None:
        own = dict(env)
        for _ in range(turns):
            inner.run(own)
            if own[name].sum() > ENOUGH:
                break
        env[name] = own[name]

    body.add([f"repeat {turns} until sum({name}) > {ENOUGH} {{", *_indented(inner), "}"], run, **{name: shape})


def _integrate(maker: Maker, body: Body, depth: int) -> None:
    name, shape = _first_value(maker, body, depth)
    time, steps = maker.name(), maker.below(4, 1)
    first, last = maker.one_of([(0, 1), (1, 0), (0, 0.5)])
    kept, keeps = maker.name(), len(shape) < MOST_AXES and maker.happens(0.4)
    u = maker.term(shape, {**body.scope, time: ()}, depth - 1)

    def run(env: Env) -> None:
        def slope(y: Array, s: float) -> Array:
            return np.asarray(np.tanh(u.value({**env, name: y, time: np.asarray(s)})))

        y, h = env[name], (last - first) / steps
        rows = [y]
        for i in range(steps):
            s = first + i * h
            a = slope(y, s)
            b = slope(y + h / 2 * a, s + h / 2)
            c = slope(y + h / 2 * b, s + h / 2)
            y = y + h / 6 * (a + 2 * b + 2 * c + slope(y + h * c, s + h))
            rows.append(y)
        env[name], env[kept] = y, np.stack(rows)

    lines = [f"integrate {time} in {first}..{last} using rk4({steps}) {{", f"  d{name}/d{time} = tanh({u.text})", "}"]
    lines[-1] += f" keep {name} as {kept}" * keeps
    body.add(lines, run, **{name: shape}, **({kept: (steps + 1, *shape)} if keeps else {}))


def _if(maker: Maker, body: Body, depth: int) -> None:
    name, shape = _first_value(maker, body, depth)
    holds = maker.happens(0.5)
    x = maker.term(shape, body.scope, depth - 1)

    def run(env: Env) -> None:
        if holds:
            env[name] = np.asarray(x.value(env))

    body.add([f"if {'2 > 1' if holds else '1 > 2'} {{", f"  {name} = {x.text}", "}"], run, **{name: shape})


def _value_of(maker: Maker, body: Body, shape: Shape, depth: int) -> tuple[str, str, Term]:
    """A name, another with a value that depends on it, and that value: of what came before, which does not depend on it."""
    names = list(body.scope)
    x, y = maker.one_of(names), maker.name()
    before = {name: body.scope[name] for name in names[: names.index(x) + 1]}
    u = maker.term(shape, before, depth - 1)
    return x, y, Term(f"{u.text} + 0.3 * sum({x}^2)", lambda env: u.value(env) + 0.3 * np.sum(env[x] ** 2))


def step_along(way: Any) -> float:
    """How much of a way is gone for a difference: of a long one less, since what bends has other slopes far away."""
    return float(STEP / max(1.0, np.abs(way).max(initial=0)))


def _moved(term: Term, env: Env, name: str, way: Any) -> Array:
    """How a value changes where a name's is moved along a way."""
    step = step_along(way)
    ahead, behind = ({**env, name: env[name] + side * step * way} for side in (1, -1))
    return np.asarray((term.value(ahead) - term.value(behind)) / (2 * step))


def _gradient(maker: Maker, body: Body, depth: int) -> None:
    x, y, term = _value_of(maker, body, (), depth)
    name, shape = maker.name(), body.scope[x]

    def run(env: Env) -> None:
        env[y] = np.asarray(term.value(env))
        ways = np.eye(int(np.prod(shape))).reshape(-1, *shape)
        env[name] = np.array([_moved(term, env, x, way) for way in ways]).reshape(shape)

    body.add([f"{y} = {term.text}", f"{name} = grad({y}, {x})"], run, **{y: (), name: shape})


def _directional(maker: Maker, body: Body, depth: int) -> None:
    shape = maker.shape()
    x, y, term = _value_of(maker, body, shape, depth)
    name, way = maker.name(), maker.term(body.scope[x], body.scope, depth - 2)

    def run(env: Env) -> None:
        env[y] = np.asarray(term.value(env))
        env[name] = _moved(term, env, x, way.value(env))

    body.add([f"{y} = {term.text}", f"{name} = jvp({y}, {x}, {way.text})"], run, **{y: shape, name: shape})


STATEMENTS: list[Statement] = [_let, _let, _repeat, _until, _integrate, _if, _gradient, _directional]
