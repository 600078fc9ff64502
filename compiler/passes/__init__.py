"""Passes: graph to graph, one a file. `prepare` makes what torch runs, `optimise` what becomes ONNX; `pipeline` has their order."""

from __future__ import annotations

from mai.compiler.ir.graph import Graph
from mai.compiler.ir.rewrite import made_in
from mai.compiler.ir.structure import DERIVATIVES, Integrate
from mai.compiler.passes import pipeline
from mai.compiler.passes.derivatives.differentiate import differentiate
from mai.compiler.passes.local.fold import fold
from mai.compiler.passes.local.freeze import freeze
from mai.compiler.passes.local.prune import prune, select
from mai.compiler.passes.loops.discretise import discretise
from mai.compiler.passes.loops.retime import retimed
from mai.compiler.passes.loops.unroll import unroll
from mai.compiler.passes.pipeline import GROWN
from mai.compiler.passes.text.incremental import incremental
from mai.compiler.passes.text.step import step

__all__ = [
    "GROWN",
    "check_derivatives",
    "derived",
    "fold",
    "freeze",
    "grown",
    "optimise",
    "prepare",
    "prune",
    "readable",
    "retimed",
    "select",
    "step",
]

TURNS = 2  # Of a `repeat`, where only what can be done with it is asked: a turn, and one that has another before it.


def prepare(graph: Graph, *, cache: str = "none", adjoint: bool = False, drafts: int = 0) -> Graph:
    """Every `repeat` with fresh parameters, every `integrate`, derivative and `extend` replaced by plain code and loops.

    `cache` is a key of `GROWN`: how an `extend` keeps the past. With `adjoint`, an `integrate` that asks for it is ready to
    be trained through by the adjoint equation. With `drafts`, a turn of the text reads up to so many tokens that it guesses.
    """
    return pipeline.run(pipeline.preparation(cache=cache, adjoint=adjoint, drafts=drafts), graph)


def derived(graph: Graph, *, adjoint: bool = False) -> Graph:
    """Only as far as derivatives: raises `MaiError` for those that do not exist."""
    return pipeline.run(pipeline.derivation(adjoint=adjoint), graph)


def grown(graph: Graph, *, cache: str = "none", drafts: int = 0) -> Graph:
    """The rest of `prepare`, for what `derived` gave: a text that is prepared in two forms is derived once."""
    return pipeline.run(pipeline.growth(cache=cache, drafts=drafts), graph)


def check_derivatives(graph: Graph) -> None:
    """Raise what `derived` would raise, and keep nothing of it.

    Derivatives of what an `integrate` makes in its velocity are all inside it: its steps, copies of it, make no difference.
    """
    plain = unroll(graph, at_most=TURNS)
    moving = {v for n in plain.walk() if n.op is Integrate for region in n.regions for v in made_in(region)}
    inside = all(n.inputs[1] in moving for n in plain.walk() if n.op in DERIVATIVES)
    differentiate(plain if inside else discretise(plain))


def check_growth(graph: Graph) -> None:
    """Raise what `prepare` would raise of a text that is to grow token by token, and keep nothing of it."""
    incremental(differentiate(discretise(unroll(graph, at_most=TURNS))))


def optimise(graph: Graph) -> Graph:
    """A prepared graph made fast: what does not depend on the examples is computed once, before the loops."""
    return pipeline.run(pipeline.OPTIMISATION, graph)


def readable(graph: Graph) -> Graph:
    """Loops in the place of all that is none; a `repeat` keeps its turns' weights apart only where it is differentiated."""
    has_derivative = any(node.op in DERIVATIVES for node in graph.walk())
    return pipeline.run((pipeline.UNROLL, *pipeline.READABLE) if has_derivative else pipeline.READABLE, graph)
