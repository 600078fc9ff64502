"""How the noises of a stochastic equation move its states, seen on the code of its increments.

The nodes between the noises and the increments are followed. Of what they read beside the noise some is a factor, which a product or
a function multiplies the noise by, and some only stands beside it in a sum. Methods that ask more of an equation than its increments
refuse what their formulas do not hold for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.rewrite import nodes_for, reading
from mai.compiler.ir.sizes import product
from mai.compiler.ir.structure import Constant, Integrate, Lead, Spread, Unlead
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise.base import Elementwise
from mai.compiler.ops.elementwise.logic import Where
from mai.compiler.ops.linear.factors import Solve, SolveTriangular
from mai.compiler.ops.products.product import Affine, Einsum, Matmul
from mai.compiler.ops.reductions.running import Cumsum
from mai.compiler.ops.reductions.sums import Mean, Sum
from mai.compiler.ops.shapes.flip import Flip
from mai.compiler.ops.shapes.gather import Gather
from mai.compiler.ops.shapes.indexing import Pick, Shift, Slice, Take
from mai.compiler.ops.shapes.shape import Concat, Expand, Reshape, Squeeze, Stack, Transpose, Unsqueeze
from mai.compiler.ops.shapes.tile import Tile
from mai.compiler.solvers import SOLVERS
from mai.compiler.solvers.problem import Influence
from mai.compiler.solvers.tableaus import Additive, Tableau
from mai.spec.diagnostics import Diagnostic, Edit, MaiError
from mai.spec.diagnostics.edit import put
from mai.spec.record import record
from mai.spec.source import Span

SUMS: tuple[type[Operation], ...] = (el.Add, el.Subtract, Concat, Stack, Where)
VIEWS: tuple[type[Operation], ...] = (Lead, Unlead, Spread, el.Place)
FIRST, EITHER, LAST = (0,), (0, 1), (1,)
# The operands in each of which an operation is linear.
LINEAR: dict[type[Operation], tuple[int, ...]] = {
    **dict.fromkeys((el.Multiply, Matmul, Affine), EITHER), **dict.fromkeys((Solve, SolveTriangular), LAST),
    **dict.fromkeys((el.Divide, el.Negative, Sum, Mean, Cumsum, Flip, Gather, Pick, Shift, Slice, Take), FIRST),
    **dict.fromkeys((Expand, Reshape, Squeeze, Transpose, Unsqueeze, Tile, *VIEWS), FIRST),
}  # fmt: skip


@dataclass
class _Reads:
    """Which states each value of a region reads, and whether element by element: number i of number i of a state alone."""

    states: dict[Value, frozenset[int]] = field(default_factory=dict)
    mixed: set[Value] = field(default_factory=set)

    def follow(self, node: Node) -> None:
        """The states that a node's results read are those of all that it reads."""
        read = [v for v in reading(node) if v in self.states]
        if not read:
            return
        states = frozenset[int]().union(*(self.states[v] for v in read))
        is_mixed = not keeps_elements(node, read) or any(v in self.mixed for v in read)
        self.states.update(dict.fromkeys(node.outputs, states))
        if is_mixed:
            self.mixed.update(node.outputs)


@record
class Noisy:
    """A value that is linear in noises: in which of them, and which states its factors read.

    aligned: number i of it has number i of one noise alone. mixed: a factor reads other numbers of a moved state than the one that it
    is a factor of. tangled: two noises have different factors of moved states, so that they may not commute.
    """

    noises: frozenset[int]
    read: frozenset[int] = frozenset()
    aligned: bool = True
    mixed: bool = False
    tangled: bool = False


def keeps_elements(node: Node, values: Iterable[Value]) -> bool:
    """Whether number i of a result is made of number i of each of these values, which have its shape."""
    is_elementwise = node.op is Spread or issubclass(node.op, Elementwise)
    return is_elementwise and all(v.type.shape == node.output.type.shape for v in values)


def influence_of(integral: Node) -> Influence:
    """How the noises of an `Integrate` move its states.

    Raises:
        MaiError: `not-linear` or `noise-reads-state`, where its method asks for more than the increments are.
    """
    region, structure = integral.regions[0], Integrate.of(integral)
    count = len(integral.inputs) - structure.before_states
    noises, states = region.inputs[3 : 3 + structure.noises], region.inputs[3 + structure.noises :]
    moved, rule = region.outputs[:count], SOLVERS[structure.method].rule
    if isinstance(rule, Tableau) and len(rule.b) == 1:
        return Influence()  # Its step is the increment, whatever that is.
    nodes = nodes_for(region.nodes, moved)
    _check_linear(integral, nodes, [region.inputs[2], *noises])
    moving = frozenset(i for i, v in enumerate(moved) if v in reached(nodes, noises))
    followed = _followed(nodes, noises, states, moving)
    if isinstance(rule, Additive):
        _check_additive(integral, nodes, followed, states)
    found = {i: followed[v] for i, v in enumerate(moved) if v in followed}
    read = frozenset[int]().union(*(f.read for f in found.values()))
    is_one = structure.noises == 1 and product(noises[0].type.shape) == 1
    commutes = is_one or all(not f.tangled and not f.mixed and f.read & moving <= {i} for i, f in found.items())
    return Influence(
        tuple(sorted(moving)),
        _own(found, moving, is_one),
        bool(read),
        bool(read & moving),
        commutes or not read & moving,
    )


def _own(found: dict[int, Noisy], moving: frozenset[int], is_one: bool) -> dict[int, int] | None:
    """For each state that moves its one noise, if each has one of its own."""
    if is_one:
        return dict.fromkeys(found, 0)
    own = {i: min(f.noises) for i, f in found.items()}
    is_apart = len(set(own.values())) == len(own) and all(len(f.noises) == 1 for f in found.values())
    fits = all(f.aligned and not f.mixed and f.read & moving <= {i} for i, f in found.items())
    return own if is_apart and fits else None


def reached(nodes: Iterable[Node], sources: Iterable[Value]) -> set[Value]:
    """The sources, and all values that nodes make from them."""
    found = set(sources)
    for node in nodes:
        if not found.isdisjoint(reading(node)):
            found.update(node.outputs)
    return found


def _followed(
    nodes: Sequence[Node], noises: Sequence[Value], states: Sequence[Value], moving: frozenset[int]
) -> dict[Value, Noisy]:
    """What each value has of the noises."""
    reads = _Reads({v: frozenset({i}) for i, v in enumerate(states)})
    found = {v: Noisy(frozenset({k})) for k, v in enumerate(noises)}
    for node in nodes:
        reads.follow(node)
        if any(v in found for v in node.inputs):
            found[node.output] = _noisy(node, found, reads, moving)
    return found


def _noisy(node: Node, found: dict[Value, Noisy], reads: _Reads, moving: frozenset[int]) -> Noisy:
    parts = [v for v in node.inputs if v in found]
    beside = [] if node.op in SUMS and node.op is not Where else [v for v in node.inputs if v not in found]
    if node.op is Where:
        beside = [v for v in node.inputs[:1] if v not in found]
    factors = [v for v in beside if v in reads.states]
    newly = frozenset[int]().union(*(reads.states[v] for v in factors))
    before = frozenset[int]().union(*(found[v].read for v in parts))
    turning = [v for v in factors if reads.states[v] & moving]  # Factors that read what noises move.
    keeps = keeps_elements(node, [*parts, *turning])
    return Noisy(
        frozenset[int]().union(*(found[v].noises for v in parts)),
        before | newly,
        all(found[v].aligned for v in parts) and keeps_elements(node, parts),
        any(found[v].mixed for v in parts) or any(v in reads.mixed for v in turning),
        any(found[v].tangled for v in parts)
        or (not keeps and bool((before | newly) & moving))
        or (len(parts) > 1 and bool(before & moving)),
    )


# ------------------------------------------------------------------- refusals


def by_another_method(integral: Node, method: str, words: str) -> Edit | None:
    """The edit that names another method for an integral of the text."""
    span = integral.span
    written = re.search(rf"\busing\s+({Integrate.of(integral).method})\b", span.text) if span else None
    if span is None or written is None:
        return None
    return put(Span(span.source, span.start + written.start(1), span.start + written.end(1)), method, words)


def _refused(integral: Node, slug: str, at: Span | None, problem: str, other: str, words: str) -> MaiError:
    """The error for an equation that a method does not hold for, with the method that does; to be raised."""
    edit = by_another_method(integral, other, words)
    message, edits = f"`{Integrate.of(integral).method}` {problem}", () if edit is None else (edit,)
    return MaiError([Diagnostic(slug, at, message, help=words.replace("{}", other), edits=edits)])


def _check_linear(integral: Node, nodes: Sequence[Node], sources: Sequence[Value]) -> None:
    """Increments are a sum of products, each with the step or one noise as a factor."""
    found = reached(nodes, sources)
    for node in nodes:
        problem = _fault(node, found) if any(v in found for v in node.outputs) else ""
        if problem:
            takes = f"takes increments f * dt + g * dB: {problem}"
            words = "each term has the step or one noise as a factor; `{}` adds up whatever is written"
            raise _refused(integral, "not-linear", node.span, takes, "euler_maruyama", words)


def _fault(node: Node, found: set[Value]) -> str:
    """Why a result is not linear in what it depends on; empty where it is."""
    places = [i for i, v in enumerate(node.inputs) if v in found]
    if node.regions or not places:
        return "a loop stands between a noise and its state"
    if node.op in SUMS:
        if node.op is Where and 0 in places:
            return "this choice depends on the noise"
        others = [v for i, v in enumerate(node.inputs) if i not in places and not (node.op is Where and i == 0)]
        return "" if all(map(_is_zero, others)) else "this adds something with neither the step nor a noise"
    if node.op is Affine and len(node.inputs) > 2:
        return "the bias of this layer has neither the step nor a noise as a factor"
    linear = range(len(node.inputs)) if node.op is Einsum else LINEAR.get(node.op, ())
    if len(places) > 1 and all(i in linear for i in places):
        return "this is a product of steps or noises"
    return "" if set(places) <= set(linear) else f"`{node.op.name}` of the step or of a noise is not linear in it"


def _is_zero(value: Value) -> bool:
    """Whether a value is zero as it is written."""
    node = value.producer
    if node is None:
        return False
    if node.op is Constant:
        return _only_zeros(Constant.of(node).value)
    return node.op in (*VIEWS, Expand, Reshape, Unsqueeze, el.ToReal) and _is_zero(node.inputs[0])


def _only_zeros(value: object) -> bool:
    return all(map(_only_zeros, value)) if isinstance(value, tuple) else value == 0


def _check_additive(
    integral: Node, nodes: Sequence[Node], followed: dict[Value, Noisy], states: Sequence[Value]
) -> None:
    """The factor of a noise reads no state."""
    for node in nodes:
        made = followed.get(node.output) if len(node.outputs) == 1 else None
        if made is not None and made.read:
            names = ", ".join(f"`{states[i].name}`" for i in sorted(made.read))
            problem = f"is for noise whose factor reads no state, and this one reads {names}"
            words = "`{}` takes the derivative of such a factor"
            raise _refused(integral, "noise-reads-state", node.span, problem, "milstein", words)
