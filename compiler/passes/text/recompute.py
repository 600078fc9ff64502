"""`extend` in its plain form: every turn computes the whole row again. The incremental form is compared with it."""

from __future__ import annotations

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.rewrite import Copier, copy_graph, rewriting
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.structure import Extend
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.shapes.shape import Concat, Unsqueeze
from mai.compiler.passes.text.growth import Finish, State, grow


@rewriting(Extend)
def recompute(graph: Graph) -> Graph:
    """Replace each `extend` by a loop whose state is the row so far."""
    return copy_graph(graph, _rule)


def _rule(copier: Copier, node: Node) -> bool:
    if node.op is not Extend:
        return False
    builder, region, length = copier.builder, node.regions[0], Extend.of(node).length

    def advance(turn: Value, row: Value) -> tuple[Value, Finish]:
        so_far = Value(row.type.with_shape((symbol(length),)), row.name)
        copier.sizes[length] = (so_far, len(row.type.lead))
        tokens = builder.emit(el.Maximum, so_far, builder.constant(0), name=row.name)
        copier.mapping.update(zip(region.inputs, [turn, tokens], strict=True))
        copier.nodes(region.nodes)

        def finish(token: Value) -> list[State]:
            longer = builder.emit(Concat, so_far, builder.emit(Unsqueeze, token), axis=-1, name=row.name)
            return [State(so_far, lambda _: row, longer)]

        return copier[region.outputs[0]], finish

    grow(copier, node, advance)
    return True
