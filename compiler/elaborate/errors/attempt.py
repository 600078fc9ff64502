"""Elaborating on trial: what has an error leaves nothing behind but what there is to say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy

from mai.compiler.elaborate.bindings import Environment
from mai.compiler.elaborate.context import Context, Stop
from mai.compiler.elaborate.expressions.static import StaticError
from mai.spec.diagnostics import Reporter


def attempt(e: Context, env: Environment, elaborate: Callable[[], object]) -> Reporter | None:
    """Elaborate something in a function's body; None where it has no error.

    Otherwise the names of `env`, the graph and the weights are as they were before, and what was reported is returned.
    """
    before = _Before(e, env)
    with _reported_apart(e) as reporter:
        try:
            elaborate()
        except Stop:
            pass
        except StaticError as error:
            reporter.error(error.slug, e.builder.span, error.message)
    if not reporter.failed:
        for diagnostic in reporter.diagnostics:
            e.report.add(diagnostic)
        return None
    before.restore(e, env)
    e.failed_attempts += 1
    return reporter


@contextmanager
def _reported_apart(e: Context) -> Iterator[Reporter]:
    """Inside, errors go to a reporter of their own."""
    outer, e.report = e.report, Reporter()
    try:
        yield e.report
    finally:
        e.report = outer


class _Before:
    """What elaborating a block changes, as it was before."""

    def __init__(self, e: Context, env: Environment) -> None:
        self.names, self.where = dict(env.names), dict(env.where)
        self.weights, self.own_weights = dict(e.weights), dict(e.graph.weights)
        self.sizes, self.counts, self.places = dict(e.graph.sizes), dict(e.scope.counts), dict(e.draws.places)
        self.calls = {key: list(values) for key, values in e.graph.calls.items()}
        self.region, self.nodes, self.evaluations = e.builder.region, len(e.builder.region.nodes), len(e.evaluations)
        self.stacked, self.stops = dict(e.stacked), e.stops
        self.lets, self.top = dict(e.expressions.lets), len(e.graph.nodes)
        self.train = copy(e.train.states) if e.train is not None else {}

    def restore(self, e: Context, env: Environment) -> None:
        """Take back what has been changed; values know no node of what is taken back."""
        _put_back(env.names, self.names)
        _put_back(env.where, self.where)
        _put_back(e.weights, self.weights)
        _put_back(e.graph.weights, self.own_weights)
        _put_back(e.graph.sizes, self.sizes)
        _put_back(e.graph.calls, self.calls)
        _put_back(e.expressions.lets, self.lets)
        _put_back(e.stacked, self.stacked)
        _put_back(e.scope.counts, self.counts)
        e.draws.places, e.stops = self.places, self.stops
        if e.train is not None:
            _put_back(e.train.states, self.train)
        del e.evaluations[self.evaluations :]
        for region, length in ((self.region, self.nodes), (e.graph, self.top)):
            for node in region.nodes[length:]:
                node.drop()
            del region.nodes[length:]


def _put_back(now: dict, before: dict) -> None:  # type: ignore[type-arg]
    now.clear()
    now.update(before)
