"""An integral by another method, with another number of steps, on another grid of times: a change of variable."""

from __future__ import annotations

from dataclasses import replace

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ir.structure import Integrate
from mai.compiler.ir.types import real
from mai.compiler.ops import elementwise as el
from mai.compiler.solvers.grid import Grid, Plan


def retimed(graph: Graph, plan: Plan, setting: str | None) -> Graph:
    """The graph with its one `integrate` computed as `plan` says.

    `setting` is the setting that is its number of steps, which `plan` gives a new default; None where the number is fixed
    in the spec, and then fixed anew.
    """

    def rule(copier: Copier, node: Node) -> bool:
        if node.op is not Integrate:
            return False
        copier.bind(node, *_integral(copier, node, plan, setting is None))
        return True

    copied = copy_graph(graph, rule)
    if setting is not None:
        copied.settings[setting] = replace(copied.settings[setting], default=plan.steps)
    return copied


def _integral(copier: Copier, node: Node, plan: Plan, fixed: bool) -> tuple[Value, ...]:
    builder = copier.builder
    start, stop, steps, *states = (copier[v] for v in node.inputs)
    field, bounds = node.regions[0], (start, stop)
    if not plan.grid.even:
        bounds = (builder.constant(0.0), builder.constant(1.0))
        field = _warped(copier, node, plan.grid, start, stop)
    else:
        field = copier.region(field)
    builder.span, builder.scope = node.span, node.scope
    integral = replace(Integrate.of(node), method=plan.method)
    if fixed:
        integral, steps = replace(integral, steps=plan.steps), builder.constant(plan.steps)
    types = [v.type for v in node.outputs]
    results = builder.add(integral, [*bounds, steps, *states], types, [field]).outputs
    for old, new in zip(node.outputs, results, strict=True):
        new.name = old.name
    return results


def _warped(copier: Copier, node: Node, grid: Grid, start: Value, stop: Value) -> Region:
    """dx/du = (stop - start) g'(u) v(x, s), s = start + (stop - start) g(u)."""
    builder, field = copier.builder, node.regions[0]
    length = builder.emit(el.Subtract, stop, start, name="length")
    u, *states = [Value(v.type, v.name) for v in field.inputs]
    u.name, u.type = "u", real()
    inner = Region([u, *states])
    outer, builder.region = builder.region, inner
    time = builder.emit(
        el.Add, start, builder.emit(el.Multiply, length, grid.at(builder, u)), name=field.inputs[0].name
    )
    rate = builder.emit(el.Multiply, length, grid.rate(builder, u), name="rate")
    copier.mapping.update(zip(field.inputs, [time, *states], strict=True))
    copier.nodes(field.nodes)
    builder.span, builder.scope = node.span, node.scope
    inner.outputs = [builder.emit(el.Multiply, copier[v], rate, name=v.name) for v in field.outputs]
    builder.region = outer
    return inner
