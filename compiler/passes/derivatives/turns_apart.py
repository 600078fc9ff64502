"""Loops in which a derivative goes through earlier turns become their turns, one after the other.

A derivative inside a loop, of a value outside it, goes through all that this value has moved: the loop's states, too, as they are in
that turn. A loop's body alone cannot say what moved them, turns that are written out can.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, made_in
from mai.compiler.ir.structure import DERIVATIVES, FixedPoint, Gradient, Loop
from mai.compiler.ops.elementwise import StopGradient
from mai.compiler.passes.derivatives.dependence import is_real
from mai.compiler.passes.loops.unroll import one_turn, stacked
from mai.spec.diagnostics import Diagnostic, MaiError

# Of all derivatives, if each goes through all that is written out; and with a derivative of derivatives: what there is in seconds.
MOST_OPERATIONS = 50_000
CARRIED = (
    "carry it as a state of the loop: for `h = step(h, x)` write `(h, dh) = jvp(step, (h, x), (dh, 1))`, "
    "with `dh = 0` before the loop where h does not begin with x"
)
Flow = dict[Value, list[Value]]


def turns_apart(graph: Graph) -> Graph:
    """No derivative is left that goes through the states of a loop around it.

    Raises:
        MaiError: `not-differentiable`, where the number of turns is known only when a file runs, or there are too many, or it goes
            through the solution of a `fixed_point` around it.
    """
    while loops := _crossed(graph):
        _check_can_be_written_out(loops)
        graph = copy_graph(graph, _written_out(loops))
    return graph


def check_turns(graph: Graph) -> None:
    """Refuse what `turns_apart` does, also of turns that own parameters: before they are written out for these."""
    _check_can_be_written_out(_crossed(graph))


def places(node: Node) -> Sequence[Value]:
    """What a derivative is with respect to: one value, or those of a `Pushforward`."""
    return node.inputs[1 : 2 if node.op is Gradient else 1 + len(node.inputs) // 2]


def _crossed(graph: Graph) -> dict[Node, Node]:
    """The outermost loops whose states are on the way from a value outside to a derivative by it inside, each with that derivative.

    A fixed point is a loop of one state here: its solution.
    """
    around = [*_derivatives(graph, ())]
    if not any(loops for _, loops in around):
        return {}
    forth = _flow(graph)
    back: Flow = {}
    for source, ends in forth.items():
        for end in ends:
            back.setdefault(end, []).append(source)
    crossed = dict[Node, Node]()
    for derivative, loops in around:
        before = _reached(back, derivative.inputs[:1]) if loops else set[Value]()
        for x in places(derivative):
            outside = [loop for loop in loops if x not in made_in(loop.regions[0])]
            after = _reached(forth, [x]) if outside else set[Value]()
            loop = next((n for n in outside if not {*n.regions[0].inputs}.isdisjoint(before & after)), None)
            if loop is not None:
                crossed.setdefault(loop, derivative)
    return crossed


def _derivatives(region: Region, loops: tuple[Node, ...]) -> Iterator[tuple[Node, tuple[Node, ...]]]:
    """Every derivative, and the loops around it, the outermost first."""
    for node in region.nodes:
        if node.op in DERIVATIVES:
            yield node, loops
        for inner in node.regions:
            yield from _derivatives(inner, (*loops, node) if node.op in (Loop, FixedPoint) else loops)


def _flow(graph: Graph) -> Flow:
    """For each value those that are made of it at once: by a node, or as a loop goes from turn to turn."""
    flow: Flow = {}
    for node in graph.walk():
        for sources, ends in _steps(node):
            for source in sources:
                flow.setdefault(source, []).extend(ends)
    return flow


def _steps(node: Node) -> Iterator[tuple[Sequence[Value], Sequence[Value]]]:
    if node.op is StopGradient:
        return
    if node.op is Loop:
        body, states = node.regions[0], len(node.inputs) - 1
        for i in range(states):
            yield [node.inputs[1 + i], body.outputs[i]], [body.inputs[1 + i], node.outputs[i]]
        for kept, rows in zip(body.outputs[states:], node.outputs[states:], strict=True):
            yield [kept], [rows]
        return
    yield node.inputs, [*node.outputs, *(v for region in node.regions for v in region.inputs)]
    for region in node.regions:
        yield region.outputs, node.outputs


def _reached(flow: Flow, values: Sequence[Value]) -> set[Value]:
    """The real values that one comes to from some."""
    reached, waiting = set(values), [*values]
    while waiting:
        further = [v for v in flow.get(waiting.pop(), ()) if v not in reached and is_real(v)]
        reached.update(further)
        waiting += further
    return reached


def _check_can_be_written_out(loops: dict[Node, Node]) -> None:
    """Refuse turns of unknown number, and so many that their derivatives, each through all turns before it, are too much code."""
    operations = derivatives = 0
    for loop, derivative in loops.items():
        if loop.op is FixedPoint:
            message = "this derivative goes through the solution of the fixed point around it"
            raise _refused(derivative, message, "take it after the `fixed_point`, or with respect to the solution")
        rule = Loop.of(loop)
        if not isinstance(rule.count, int) or rule.stops:
            raise _through_turns(derivative, "the number of its turns is not known")
        body = [*loop.regions[0].walk()]
        operations += rule.count * len(body)
        derivatives += rule.count * sum(node.op in DERIVATIVES for node in body)
        if operations * derivatives > MOST_OPERATIONS:
            raise _through_turns(derivative, f"its {rule.count:,} turns are too many")


def _through_turns(derivative: Node, why: str) -> MaiError:
    message = f"this derivative goes through the earlier turns of the loop around it, and {why}"
    return _refused(derivative, message, CARRIED)


def too_many(derivative: Node) -> MaiError:
    """The refusal of derivatives that go through too much, where the turns before them stand one after the other."""
    message = f"with this derivative they go through more than {MOST_OPERATIONS:,} operations in all"
    return _refused(derivative, message, CARRIED)


def _refused(derivative: Node, message: str, help: str) -> MaiError:
    return MaiError([Diagnostic("not-differentiable", derivative.span, message, help=help)])


def _written_out(loops: dict[Node, Node]) -> Callable[[Copier, Node], bool]:
    def rule(copier: Copier, node: Node) -> bool:
        if node not in loops:
            return False
        states, kept = [copier[v] for v in node.inputs[1:]], list[Sequence[Value]]()
        for turn in range(int(Loop.of(node).count or 0)):  # type: ignore[arg-type]
            states, rows = one_turn(copier, node, turn, states)
            kept.append(rows)
        copier.bind(node, *states, *stacked(copier, node, kept))
        return True

    return rule
