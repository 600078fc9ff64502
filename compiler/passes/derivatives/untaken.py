"""What `where` does not take has no part in a derivative.

The derivative of where(c, log(x), 0) is 0 where c does not hold. Followed node by node it would be 0 / x there, no number at 0. So
what may be infinite in a branch is computed of a number at which nothing is, where the branch is not taken: log(where(c, x, 1)).
Nothing changes of the value, and the code has the derivative of any order, in torch as in a file.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.operation import Lowering, broadcast
from mai.compiler.ir.rewrite import Copier, copy_graph, reading, rewriting
from mai.compiler.ir.structure import DERIVATIVES, Constant, Lead, Unlead
from mai.compiler.ir.types import Axis, DType, Type, join_leads
from mai.compiler.ops.elementwise import Power
from mai.compiler.ops.elementwise.base import Elementwise
from mai.compiler.ops.elementwise.logic import Where
from mai.compiler.ops.reductions.norm import OVER_EXAMPLES
from mai.compiler.ops.terms import Term
from mai.spec.record import record

BRANCHES = (1, 2)  # The operands of a `Where` that it takes or does not take.
DEPTH = 3  # How far the computations of two conditions are compared.

# The axes that calls of layers are mapped over inside a branch, from the outside in; () where the condition lacks them.
View = tuple[tuple[Axis, ...], ...]


@record
class Guard:
    """An operand of a node in a branch: `safe` stands in its place where the branch is not taken."""

    condition: Value
    view: View
    branch: int
    operand: int
    safe: float | Lowering


@rewriting(Where)
def untaken(graph: Graph, *, trained: bool = False) -> Graph:
    """Guard the branches of each `where` in a graph that has derivatives, or is `trained`: torch takes them."""
    if not trained and not graph.has(*DERIVATIVES):
        return graph
    inside, roots = _guarded_branches(graph)
    if not inside:
        return graph

    def rule(copier: Copier, node: Node) -> bool:
        if node in inside or not copier.mapping.keys().isdisjoint(node.outputs):
            return True  # Copied with the `where` that reads it, or for its condition.
        if node in roots:
            _copy_with_branches(copier, node, inside)
        return node in roots

    return copy_graph(graph, rule)


# ------------------------------------------------------------------- branches


def _guarded_branches(graph: Graph) -> tuple[dict[Node, list[Guard]], set[Node]]:
    """The nodes of the branches that have something to guard, each with its guards, and every `where` that reads them."""
    inside, roots = defaultdict[Node, list[Guard]](list), set[Node]()
    for region in graph.regions():
        places = {node: place for place, node in enumerate(region.nodes)}
        groups = _groups(region)
        stands_for = {wheres[0].inputs[0]: wheres for wheres in groups}
        for branch, wheres in ((branch, wheres) for wheres in groups for branch in BRANCHES):
            condition = wheres[0].inputs[0]
            alone = Alone(region.nodes, places, wheres, branch, stands_for).nodes(graph.outputs)
            guards = {n: [*_guards(condition, view, branch, n, graph.inputs)] for n, view in alone.items()}
            if any(guards.values()):
                roots.update(wheres)
                for node, own in guards.items():
                    inside[node] += own
    return inside, roots


def _groups(region: Region) -> list[list[Node]]:
    """Every `where` of a region, by what their conditions compute, the first one first: its condition stands for those of the others."""
    groups = defaultdict[Hashable, list[Node]](list)
    for node in region.nodes:
        if node.op is Where and node.output.type.dtype is DType.REAL:
            groups[_key(node.inputs[0], DEPTH)].append(node)
    return [*groups.values()]


def _key(value: Value, depth: int) -> Hashable:
    """What is alike of values that are computed alike.

    Equal nodes are not shared before: two branches with other conditions may compute the same, each guarded by its own.
    """
    node = value.producer
    if node is not None and node.op is Constant:
        return Constant, Constant.of(node).value
    if node is None or not depth or not issubclass(node.op, Elementwise) or node.attributes:
        return value
    return (node.op, *(_key(v, depth - 1) for v in node.inputs))


class Alone:
    """The nodes that compute a branch of these `wheres`, and nothing else, each with the condition's view of it.

    They are of single elements, or of whatever is seen by a condition that is one number for each example.
    """

    def __init__(
        self, nodes: Sequence[Node], places: Mapping[Node, int], wheres: Sequence[Node], branch: int,
        stands_for: Mapping[Value, Sequence[Node]],
    ) -> None:  # fmt: skip
        self.stands_for = stands_for  # Conditions with each `where` whose branches they guard: they read them, too.
        self.all, self.places, self.wheres, self.branch = nodes, places, set(wheres), branch
        self.condition = wheres[0].inputs[0]
        self.alone: dict[Node, View] = {}
        self.views: dict[int, View | None] = {}  # By place; None where two readers see it in different ways.
        self.waiting: list[int] = []
        for where in wheres:
            self._wait_for(where.inputs[branch], ())

    def nodes(self, leaving: Collection[Value]) -> dict[Node, View]:
        """All of them, but for those of values that leave the graph."""
        while self.waiting:  # The last one first: all that read a node have been looked at before it.
            place = -heapq.heappop(self.waiting)
            node, view = self.all[place], self.views[place]
            is_alone = all(
                v not in leaving and all(self._is_here(r, v) for r in self._readers(v)) for v in node.outputs
            )
            if view is not None and is_alone:
                self.alone[node] = view
                inner = self._inner_view(node, view)
                for operand in node.inputs if inner is not None else ():
                    self._wait_for(operand, inner)
        return self.alone

    def _wait_for(self, value: Value, view: View | None) -> None:
        place = self.places.get(value.producer) if value.producer is not None else None
        if place is None or not self._is_seen(self.all[place], view):
            return
        if place not in self.views:
            self.views[place] = view
            heapq.heappush(self.waiting, -place)
        elif self.views[place] != view:
            self.views[place] = None

    def _is_seen(self, node: Node, view: View | None) -> bool:
        """Whether the condition speaks of each element of what a node reads, as of each element of what it makes."""
        if node.op in OVER_EXAMPLES:
            return False
        if issubclass(node.op, Elementwise) or node.op in (Lead, Unlead):
            return True
        return node.structure is None and view is not None and not _seen(self.condition, view).rank

    def _readers(self, value: Value) -> Iterator[Node]:
        yield from value.uses
        yield from self.stands_for.get(value, ())

    def _is_here(self, reader: Node, value: Value) -> bool:
        """Whether a reader of a value is in the branch, or a `where` that takes it as this branch alone."""
        is_end = reader in self.wheres and reader.inputs[self.branch] is value and reader.inputs.count(value) == 1
        return is_end or reader in self.alone

    def _inner_view(self, node: Node, view: View) -> View | None:
        """How the condition sees what a node reads; None where it does not."""
        seen, shape = _seen(self.condition, view), node.output.type.shape
        if node.op is Lead:
            is_whole = view[-1:] == ((),) or (view[-1:] == (Lead.of(node).axes,) and seen.rank == len(shape))
            return view[:-1] if is_whole else None
        if node.op is not Unlead:
            return view
        count = Unlead.of(node).count
        axes = node.inputs[0].type.lead[-count:]
        if not set(axes).isdisjoint(seen.lead):
            return None  # The elements along an axis of the condition are read together.
        if seen.rank <= len(shape) - count:
            return (*view, ())
        return (*view, axes) if seen.shape == shape else None


def _seen(condition: Value, view: View) -> Type:
    """The type of a condition whose first axes are mapped over."""
    type = condition.type
    for axes in view:
        type = Type(type.dtype, type.shape[len(axes) :], type.lead + axes)
    return type


# --------------------------------------------------------------------- guards


def _guards(condition: Value, view: View, branch: int, node: Node, inputs: Collection[Value]) -> Iterator[Guard]:
    """Operands of a node that may be infinite, or bring what is missing in the data, and are as large as the condition."""
    if node.structure is not None:
        return
    steep = {} if _is_low_power(node) else node.op.steep
    for operand, value in enumerate(node.inputs):
        safe = steep.get(operand, 0.0 if value in inputs else None)
        if safe is not None and value.type.dtype is DType.REAL and _fits(_seen(condition, view), value):
            yield Guard(condition, view, branch, operand, safe)


def _is_low_power(node: Node) -> bool:
    """Whether a node is x or x^2, whose derivative is finite wherever x is."""
    exponent = node.inputs[1].producer if node.op is Power else None
    number = Constant.of(exponent).value if exponent is not None and exponent.op is Constant else None
    return number in (1, 2)


def _fits(condition: Type, value: Value) -> bool:
    """Whether a choice by the condition has the value's own type."""
    same_shape = broadcast(condition.shape, value.type.shape) == value.type.shape
    return same_shape and join_leads([condition, value.type]) == value.type.lead


# --------------------------------------------------------------------- copies


def _copy_with_branches(copier: Copier, where: Node, inside: Mapping[Node, Sequence[Guard]]) -> None:
    """Copy a `where` after what is left to copy of what it reads, each node after what it reads and after its conditions."""
    path = {where: None}  # In order: each node is copied for the one before it.
    while path:
        node = next(reversed(path))
        guards = inside.get(node, ())
        read = [*reading(node), *(guard.condition for guard in guards)]
        before = next((v.producer for v in read if v.producer is not None and v not in copier.mapping), None)
        assert before not in path, "no condition is computed from what it guards"
        if before is not None:
            path[before] = None
            continue
        del path[node]
        _copy(copier, node, guards)


def _copy(copier: Copier, node: Node, guards: Sequence[Guard]) -> None:
    """A copy of a node, each of its guarded operands a choice."""
    builder, inputs = copier.builder, [copier[v] for v in node.inputs]
    builder.span, builder.scope = node.span, node.scope
    if not guards:
        copier.copy(node)
        return
    for guard in guards:
        condition, value = copier[guard.condition], inputs[guard.operand]
        safe = guard.safe(Term(builder, value)).value if callable(guard.safe) else builder.constant(guard.safe)
        for axes in guard.view:
            condition = builder.lead(condition, axes) if axes else condition
        chosen = (condition, value, safe) if guard.branch == BRANCHES[0] else (condition, safe, value)
        inputs[guard.operand] = builder.emit(Where, *chosen, name=value.name)
    copier.bind(node, *builder.emit_all(node.op, inputs, node.attributes, node.output.name))
