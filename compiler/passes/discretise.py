"""An `integrate` with a fixed step becomes a loop over its steps."""

from __future__ import annotations

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.shape import Concat, Unsqueeze
from mai.compiler.ops.structure import Integrate
from mai.compiler.solvers import SOLVERS
from mai.compiler.solvers.stepper import Stepper


def discretise(graph: Graph) -> Graph:
    """No `integrate` whose solver has a tableau is left; the others stay, to be refused by who executes."""
    return copy_graph(graph, _rule)


def _rule(copier: Copier, node: Node) -> bool:
    tableau = SOLVERS[node.attributes["method"]].tableau if node.op is Integrate else None
    if tableau is None or node.attributes["options"].get("adjoint"):
        return False
    builder, field = copier.builder, node.regions[0]
    start, stop, steps, *states = (copier[v] for v in node.inputs)
    step = builder.emit(el.Divide, builder.emit(el.Subtract, stop, start), builder.emit(el.ToReal, steps), name="h")
    stepper = Stepper(builder, tableau, start, step)

    def velocity(time: Value, at: list[Value]) -> list[Value]:
        copier.mapping.update(zip(field.inputs, [time, *at], strict=True))
        copier.nodes(field.nodes)
        builder.span, builder.scope = node.span, node.scope
        return [copier[v] for v in field.outputs]

    body = Region([Value(field.inputs[0].type, "turn"), *(Value(v.type, v.name) for v in states)])
    body.inputs[0].type = steps.type
    outer, builder.region = builder.region, body
    moved = stepper.step(body.inputs[0], body.inputs[1:], velocity)
    body.outputs = moved + [moved[i] for i in node.attributes["keep"]]
    builder.region = outer
    last = builder.loop(steps, node.attributes["steps"], states, body)
    paths = [
        _with_start(builder, states[i], rows)
        for i, rows in zip(node.attributes["keep"], last[len(states) :], strict=True)
    ]
    copier.bind(node, *last[: len(states)], *paths)
    return True


def _with_start(builder: Builder, start: Value, rows: Value) -> Value:
    """A path: where the state began, then a row a step."""
    axis = -rows.type.rank
    first = builder.emit(Unsqueeze, start, axes=(axis,))
    return builder.emit(Concat, first, rows, axis=axis, name=rows.name)
