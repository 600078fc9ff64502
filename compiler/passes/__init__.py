"""Passes: graph to graph, one a file. `prepare` makes what torch runs, `optimise` what becomes ONNX."""

from __future__ import annotations

from mai.compiler.ir.graph import Graph, Node
from mai.compiler.ops.structure import Integrate, Later
from mai.compiler.passes.differentiate import differentiate
from mai.compiler.passes.discretise import discretise
from mai.compiler.passes.fold import fold
from mai.compiler.passes.freeze import freeze
from mai.compiler.passes.fuse import fuse
from mai.compiler.passes.hoist import hoist
from mai.compiler.passes.incremental import incremental
from mai.compiler.passes.prune import prune, select
from mai.compiler.passes.recompute import recompute
from mai.compiler.passes.share import share
from mai.compiler.passes.split import split
from mai.compiler.passes.step import step
from mai.compiler.passes.unroll import unroll

__all__ = ["derived", "fold", "freeze", "later", "optimise", "prepare", "prune", "select", "step"]


def prepare(graph: Graph, *, cache: bool = False) -> Graph:
    """Every `repeat` with fresh parameters, every `integrate`, derivative and `extend` replaced by plain code and loops.

    With `cache`, `extend` in its incremental form.
    """
    grown = incremental if cache else recompute
    return prune(share(grown(derived(graph))))


def derived(graph: Graph) -> Graph:
    """Only as far as derivatives: raises `MaiError` for those that do not exist."""
    return differentiate(discretise(unroll(graph)))


def optimise(graph: Graph) -> Graph:
    """A prepared graph made fast: what does not depend on the examples is computed once, before the loops."""
    return prune(share(fuse(hoist(prune(share(split(fold(graph))))))))


def later(graph: Graph) -> list[Node]:
    """The nodes that check but do not execute yet, in a prepared graph."""
    return [node for node in graph.walk() if node.op in (Later, Integrate)]
