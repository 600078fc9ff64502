"""What passes would refuse, asked when a file is checked: only the passes that are needed are loaded."""

from __future__ import annotations

from mai.compiler.ir.graph import Graph, Node
from mai.compiler.ir.rewrite import Copier, copy_graph, made_in
from mai.compiler.ir.structure import DERIVATIVES, Integrate
from mai.compiler.passes.loops.unroll import unroll
from mai.compiler.solvers import takes_derivatives

TURNS = 2  # Of a `repeat`, where only what can be done with it is asked: a turn, and one that has another before it.


def check_derivatives(graph: Graph) -> None:
    """Raise what `derived` would raise, without keeping the code of the derivatives.

    An `integrate` is looked at before it becomes steps: each step copies its velocity, so derivatives inside it are the same.
    """
    from mai.compiler.passes.derivatives.differentiate import differentiate
    from mai.compiler.passes.derivatives.turns_apart import check_turns
    from mai.compiler.passes.loops.discretise import discretise

    check_turns(graph)
    plain = unroll(graph, at_most=TURNS)
    moving = {v for n in plain.walk() if n.op is Integrate for region in n.regions for v in made_in(region)}
    derives = any(map(takes_derivatives, plain.walk()))
    inside = not derives and all(
        moving.issuperset(n.inputs[1 : 1 + len(n.inputs) // 2]) for n in plain.walk() if n.op in DERIVATIVES
    )
    differentiate(plain if inside else discretise(plain))


def check_growth(graph: Graph) -> None:
    """Raise what `prepare` would raise of a text that is to grow token by token, and keep nothing of it."""
    from mai.compiler.passes.local.prune import prune
    from mai.compiler.passes.text.incremental import incremental

    incremental(prune(_plain(unroll(_with_few_turns(graph), at_most=TURNS))))


def _with_few_turns(graph: Graph) -> Graph:
    """A graph with a few turns of each kind, of those that were elaborated one by one."""
    again = {turn.nodes[0]: turn for turn in graph.turns_again if turn.nodes}
    left = {node for turn in again.values() for node in turn.nodes}

    def rule(copier: Copier, node: Node) -> bool:
        if node in again:
            copier.mapping.update((after, copier[before]) for after, before in again[node].states)
        return node in left

    return copy_graph(graph, rule) if again else graph


def _plain(graph: Graph) -> Graph:
    """A graph without differential equations and derivatives."""
    if not graph.has(Integrate, *DERIVATIVES):
        return graph
    from mai.compiler.passes.derivatives.differentiate import differentiate
    from mai.compiler.passes.loops.discretise import discretise

    return differentiate(discretise(graph))
