"""Derivatives through all statements between a name and a value computed from it: loops, integrals, factors, other derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.meanings.statements import Body, statement, step_along
from benchmarks.meanings.terms import Env, Maker, Shape, Term
from mai.runtime.arrays import Array

SECOND = ("hessian", "laplacian")  # Differences of such differences have no digits left.
FIRST = ("grad", "jvp", "jacobian", "vjp")


def order(text: str) -> int:
    """How many derivatives are taken one of another, at most, in a text."""
    return sum(text.count(f"{word}(") for word in FIRST) + 2 * sum(text.count(f"{word}(") for word in SECOND)


def _source(maker: Maker, body: Body) -> str | None:
    """A name that this body has given a value, with at most one derivative on the way from there."""
    names = [n for n in body.scope if n in body.defined and n not in maker.labels]
    if not names:
        return None
    x = maker.one_of(names)
    return None if order(" ".join((*body.lines, *maker.layers))) > 1 else x


def _along(body: Body, x: str, term: Term) -> Callable[[Env, Any], Array]:
    """How a term changes where x is moved along a way."""
    which = range(body.defined[x] + 1, len(body.runs))

    def moved(env: Env, way: Any) -> Array:
        at = (body.befores[which.start] if which else env)[x]
        step = step_along(way)
        ahead, behind = (term.value(body.again(env, which, **{x: at + side * step * way})) for side in (1, -1))
        return np.asarray((ahead - behind) / (2 * step))

    return moved


def _reaching(term: Term, x: str) -> Term:
    """A term that depends on x in any case."""
    return Term(f"{term.text} + 0.1 * sum({x}^2)", lambda env: term.value(env) + 0.1 * np.sum(env[x] ** 2))


@statement
def _gradient_through(maker: Maker, body: Body, depth: int) -> None:
    x = _source(maker, body)
    if x is None:
        return
    y, name, shape = maker.name(), maker.name(), body.scope[x]
    term = _reaching(maker.term((), body.scope, depth - 1), x)
    moved = _along(body, x, term)

    def run(env: Env) -> None:
        ways = np.eye(int(np.prod(shape))).reshape(-1, *shape)
        gradient = np.array([moved(env, way) for way in ways]).reshape(shape)
        env[y], env[name] = np.asarray(term.value(env)), gradient

    body.add([f"{y} = {term.text}", f"{name} = grad({y}, {x})"], run, **{y: (), name: shape})


@statement
def _direction_through(maker: Maker, body: Body, depth: int) -> None:
    x = _source(maker, body)
    if x is None:
        return
    shape: Shape = maker.shape()
    y, name = maker.name(), maker.name()
    term, way = _reaching(maker.term(shape, body.scope, depth - 1), x), maker.term(body.scope[x], body.scope, depth - 2)
    moved = _along(body, x, term)

    def run(env: Env) -> None:
        along = moved(env, way.value(env))
        env[y], env[name] = np.asarray(term.value(env)), along

    body.add([f"{y} = {term.text}", f"{name} = jvp({y}, {x}, {way.text})"], run, **{y: shape, name: shape})
