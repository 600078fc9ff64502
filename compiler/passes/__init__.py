"""Passes: graph to graph, one a file. `prepare` makes what torch runs, `optimise` what becomes ONNX."""

from __future__ import annotations

from collections.abc import Callable

from mai.compiler.ir.graph import Graph
from mai.compiler.ir.rewrite import made_in
from mai.compiler.ir.structure import DERIVATIVES, Integrate
from mai.compiler.passes.branches.pair import pair
from mai.compiler.passes.derivatives.differentiate import differentiate
from mai.compiler.passes.local.fold import fold
from mai.compiler.passes.local.freeze import freeze
from mai.compiler.passes.local.fuse import fuse
from mai.compiler.passes.local.prune import prune, select
from mai.compiler.passes.local.share import share
from mai.compiler.passes.local.split import split
from mai.compiler.passes.local.upsampled import upsampled
from mai.compiler.passes.loops.discretise import discretise
from mai.compiler.passes.loops.hoist import hoist
from mai.compiler.passes.loops.retime import retimed
from mai.compiler.passes.loops.unroll import unroll
from mai.compiler.passes.text.incremental import incremental
from mai.compiler.passes.text.recompute import recompute
from mai.compiler.passes.text.speculate import speculative
from mai.compiler.passes.text.step import step
from mai.compiler.passes.text.two_level_cache import two_level

__all__ = [
    "GROWN",
    "check_derivatives",
    "derived",
    "fold",
    "freeze",
    "optimise",
    "prepare",
    "prune",
    "retimed",
    "select",
    "step",
]

TURNS = 2  # Of a `repeat`, where only what can be done with it is asked: a turn, and one that has another before it.

# A text computed whole each turn; grown token by token, the new part joined to the past each turn, or once a block of turns.
GROWN: dict[str, Callable[[Graph], Graph]] = {
    "none": recompute, "concat": incremental, "two-level": lambda graph: two_level(incremental(graph)),
}  # fmt: skip


def prepare(graph: Graph, *, cache: str = "none", adjoint: bool = False, drafts: int = 0) -> Graph:
    """Every `repeat` with fresh parameters, every `integrate`, derivative and `extend` replaced by plain code and loops.

    `cache` is a key of `GROWN`: how an `extend` keeps the past. With `adjoint`, an `integrate` that asks for it is ready to
    be trained through by the adjoint equation. With `drafts`, a turn of the text reads up to so many tokens that it guesses.
    """
    plain = derived(graph, adjoint=adjoint)
    return prune(share(speculative(plain, drafts) if drafts else GROWN[cache](plain)))


def derived(graph: Graph, *, adjoint: bool = False) -> Graph:
    """Only as far as derivatives: raises `MaiError` for those that do not exist."""
    return differentiate(discretise(unroll(graph), adjoint=adjoint))


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
    """A prepared graph made fast: what does not depend on the examples is computed once, before the loops.

    What has left the loops is in no branch's way when branches become one; what they become is there when sums are taken in.
    """
    return prune(share(fuse(pair(hoist(prune(share(split(upsampled(fold(graph))))))))))
