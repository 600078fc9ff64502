"""An integral by another method, with another number of steps, on another grid of times: a change of variable."""

from __future__ import annotations

from dataclasses import replace

from mai.compiler.ir.graph import Graph, Node, Region, Setting, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, nodes_for
from mai.compiler.ir.sizes import Size, symbol
from mai.compiler.ir.structure import Integrate
from mai.compiler.ir.types import DType, Type, real
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise.conversion import Reusable
from mai.compiler.ops.work import known_sizes, multiply_adds
from mai.compiler.passes.loops.unroll import unroll
from mai.compiler.solvers.grid import Grid, Plan
from mai.compiler.solvers.reuse import differentiated

REUSE = "reuse"  # The setting that a file gets which reuses what its spec calls reusable.


def retimed(graph: Graph, plan: Plan, setting: str | None, reuse: str | None = None) -> Graph:
    """The graph with its one `integrate` computed as `plan` says.

    `setting` is the setting that is its number of steps, which `plan` gives a new default; None where the number is fixed
    in the spec, and then fixed anew. `reuse` is that of what is computed at some steps alone, which is made where the plan reuses.
    """
    every = _every(graph, plan, reuse)

    def rule(copier: Copier, node: Node) -> bool:
        if node.op is not Integrate:
            return False
        copier.bind(node, *_integral(copier, node, plan, setting is None, every))
        return True

    copied = copy_graph(graph, rule)
    if setting is not None:
        copied.settings[setting] = replace(copied.settings[setting], default=plan.steps)
    if reuse is not None and not isinstance(every, int):
        _set(copied, reuse, plan.reuse)
    return copied


def _every(graph: Graph, plan: Plan, reuse: str | None) -> Size:
    """At every how many-th step reusable values are computed: a setting's number, where there is one or shall be."""
    if reuse is None or (reuse not in graph.settings and plan.reuse == 1):
        return plan.reuse
    return symbol(reuse)


def _set(graph: Graph, name: str, count: int) -> None:
    """Give a setting that counts steps its default; one that the graph has not is made."""
    if name not in graph.settings:
        value = graph.sizes[name] = Value(Type(DType.INT), name)
        graph.settings[name] = Setting(value, count, 1)
    graph.settings[name] = replace(graph.settings[name], default=count)


def spared_share(graph: Graph) -> float:
    """The share of the multiply-adds of its one `integrate`'s velocity that reusable values alone need; 0 where none can be kept."""
    if not graph.has(Reusable):
        return 0.0
    known = known_sizes(graph)
    (field,) = [node.regions[0] for node in unroll(graph).walk() if node.op is Integrate]
    if differentiated(field) is not None:
        return 0.0
    whole = multiply_adds(field, known, products=True)
    return 1 - multiply_adds(_between(field), known, products=True) / whole if whole else 0.0


def _between(field: Region) -> Region:
    """What is computed of a velocity where the reusable values are there already."""
    computed = [node for node in field.nodes if node.op is not Reusable]
    return Region(field.inputs, nodes_for(computed, field.outputs), field.outputs)


def _integral(copier: Copier, node: Node, plan: Plan, fixed: bool, reuse: Size) -> tuple[Value, ...]:
    builder = copier.builder
    start, stop, steps, *states = (copier[v] for v in node.inputs)
    field, bounds = node.regions[0], (start, stop)
    if not plan.grid.even:
        bounds = (builder.constant(0.0), builder.constant(1.0))
        field = _warped(copier, node, plan.grid, start, stop)
    else:
        field = copier.region(field)
    builder.span, builder.scope = node.span, node.scope
    integral = replace(Integrate.of(node), method=plan.method, reuse=reuse)
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
