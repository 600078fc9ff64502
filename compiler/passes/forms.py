"""The forms of a graph: what torch runs, what becomes ONNX, what people read. `pipeline` has the passes that make each."""

from __future__ import annotations

from mai.compiler.ir.graph import Graph
from mai.compiler.ir.structure import DERIVATIVES
from mai.compiler.passes import pipeline
from mai.compiler.passes.local.fold import fold
from mai.compiler.passes.local.freeze import freeze
from mai.compiler.passes.local.prune import prune, select
from mai.compiler.passes.loops.retime import retimed
from mai.compiler.passes.loops.some_turns import refusal, some_turns
from mai.compiler.passes.pipeline import GROWN
from mai.compiler.passes.text.fixed_cache import fixed_cache
from mai.compiler.passes.text.prompt_blocks import prompt_blocks
from mai.compiler.passes.text.step import step

__all__ = [
    "GROWN", "derived", "fixed_cache", "fold", "freeze", "grown", "optimise", "prepare", "prompt_blocks", "prune", "readable", "refusal", "retimed", "select", "some_turns", "step",
]  # fmt: skip


def prepare(
    graph: Graph, *, cache: str = "none", adjoint: bool = False, drafts: int = 0, trained: bool = False
) -> Graph:
    """Every `repeat` with fresh parameters, every `integrate`, derivative and `extend` replaced by plain code and loops.

    `cache` is a key of `GROWN`: how an `extend` keeps the past. With `adjoint`, an `integrate` that asks for it is ready to
    be trained through by the adjoint equation. With `drafts`, a turn of the text reads up to so many tokens that it guesses.
    Torch takes derivatives of what is `trained`.
    """
    passes = pipeline.preparation(cache=cache, adjoint=adjoint, drafts=drafts, trained=trained)
    return pipeline.run(passes, graph)


def derived(graph: Graph, *, adjoint: bool = False) -> Graph:
    """Only as far as derivatives: raises `MaiError` for those that do not exist."""
    return pipeline.run(pipeline.derivation(adjoint=adjoint), graph)


def grown(graph: Graph, *, cache: str = "none", drafts: int = 0, own: bool = False) -> Graph:
    """The rest of `prepare`, for what `derived` gave: a text that is prepared in two forms is derived once. Its `own` graph is changed."""
    return pipeline.run(pipeline.growth(cache=cache, drafts=drafts), graph, own=own)


def optimise(graph: Graph, *, own: bool = False) -> Graph:
    """A prepared graph made fast: what does not depend on the examples is computed once, before the loops. Its `own` graph is changed."""
    return pipeline.run(pipeline.OPTIMISATION, graph, own=own)


def readable(graph: Graph) -> Graph:
    """Blocks as loops, for people to read; the turns of a `repeat` with weights of their own are written out only where it is differentiated."""
    has_derivative = any(node.op in DERIVATIVES for node in graph.walk())
    return pipeline.run((pipeline.UNROLL, *pipeline.READABLE) if has_derivative else pipeline.READABLE, graph)
