"""How many operations a graph becomes when its blocks are written out, and how many turns it takes: told before it is done."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from mai.compiler.ir.graph import Graph, Node, Region
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import Adjoint, Extend, Integrate, Loop
from mai.compiler.solvers import SOLVERS
from mai.compiler.solvers.tableaus import Rosenbrock, Tableau
from mai.spec.diagnostics import Diagnostic

MOST_OPERATIONS = 200_000  # Of one graph: some thousand layers. Ten thousand or more of them are compiled in a second.
OTHERS_COPIES = 4  # At most, of a velocity by a method that is no Runge-Kutta method; a derivative is a copy.
MOST_TURNS = 1_000_000  # Of loops inside each other.


def oversized(graph: Graph) -> Iterator[Diagnostic]:
    """The first block with which a graph has more operations, or whose body has more turns, than can be done."""
    yield from islice(_too_long(graph, 1), 1)
    yield from islice(_too_much(graph), 1)


def _too_long(region: Region, turns: int) -> Iterator[Diagnostic]:
    for node in (n for n in region.nodes if n.regions):
        own = _turns(node)
        if own * turns > MOST_TURNS:
            message = f"these are {own:,} turns inside {turns:,}: {own * turns:,}, more than {MOST_TURNS:,}"
            yield Diagnostic("repeat-too-long", node.span, message, label="too many turns")
        else:
            for inner in node.regions:
                yield from _too_long(inner, own * turns)


def _turns(node: Node) -> int:
    """How often a node's bodies are done one after the other, as far as that is known."""
    if node.op is Loop:
        return _number_or_one(Loop.of(node).count)
    if node.op in (Integrate, Adjoint):
        return _number_or_one(Integrate.of(node).steps)
    return _number_or_one(Extend.of(node).count) if node.op is Extend else 1


def _number_or_one(count: Size | None) -> int:
    return count if isinstance(count, int) else 1


def _too_much(region: Region) -> Iterator[Diagnostic]:
    """Of the innermost bodies first."""
    for node in (n for n in region.nodes if n.regions):
        for inner in node.regions:
            yield from _too_much(inner)
    total = 0
    for node in region.nodes:
        total += operations(node) if node.regions else 1
        if total > MOST_OPERATIONS:
            message = f"written out, this makes more than {MOST_OPERATIONS:,} operations: {total:,}"
            yield Diagnostic("too-deep", node.span, message, label=f"{_copies(node):,} copies of what is inside")
            return


def operations(node: Node) -> int:
    """The operations that a node becomes: turns that own weights, and a solver's stages, are written out."""
    return 1 + _copies(node) * sum(operations(inner) for region in node.regions for inner in region.nodes)


def _copies(node: Node) -> int:
    if node.op is Loop and Loop.of(node).fresh:
        return _number_or_one(Loop.of(node).count)
    if node.op in (Integrate, Adjoint):
        rule = SOLVERS[Integrate.of(node).method].rule
        return len(rule.a) if isinstance(rule, (Tableau, Rosenbrock)) else OTHERS_COPIES
    return 1
