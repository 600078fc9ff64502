"""How the noises of a stochastic equation move its states, seen on the code of its increments.

The nodes from the noises to the increments are followed. What they read beside the noise is either a factor of it, in a product or a
function, or only a term beside it in a sum. Methods whose formulas ask more of an equation than its increments refuse the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.rewrite import nodes_for, reached, reading
from mai.compiler.ir.sizes import product
from mai.compiler.ir.structure import Integrate, Spread
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise.base import Elementwise
from mai.compiler.ops.elementwise.logic import Where
from mai.compiler.ops.shapes.shape import Concat, Stack
from mai.compiler.passes.loops.noises.linearity import check_linear
from mai.compiler.solvers import SOLVERS
from mai.compiler.solvers.problem import Influence
from mai.compiler.solvers.tableaus import Additive, Tableau
from mai.spec.diagnostics import Diagnostic, Edit, MaiError
from mai.spec.diagnostics.edit import put
from mai.spec.record import record
from mai.spec.source import Span

SUMS: tuple[type[Operation], ...] = (el.Add, el.Subtract, Concat, Stack, Where)


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
        MaiError: `not-linear`, where a term has not one differential, or `noise-reads-state`, where its method asks for more.
    """
    region, structure = integral.regions[0], Integrate.of(integral)
    count = len(integral.inputs) - structure.before_states
    noises, states = region.inputs[3 : 3 + structure.noises], region.inputs[3 + structure.noises :]
    moved, rule = region.outputs[:count], SOLVERS[structure.method].rule
    takes_increments = isinstance(rule, Tableau) and len(rule.b) == 1
    check_linear(integral, moved, [region.inputs[2], *noises], is_strict=not takes_increments)
    if takes_increments:
        return Influence()
    nodes = nodes_for(region.nodes, moved)
    moving = frozenset(i for i, v in enumerate(moved) if v in reached(nodes, noises))
    followed = _followed(nodes, noises, states, moving)
    if isinstance(rule, Additive):
        _check_additive(integral, nodes, followed, states)
    by_state = {i: followed[v] for i, v in enumerate(moved) if v in followed}
    read = frozenset[int]().union(*(f.read for f in by_state.values()))
    is_one = structure.noises == 1 and product(noises[0].type.shape) == 1
    commutes = is_one or all(not f.tangled and not f.mixed and f.read & moving <= {i} for i, f in by_state.items())
    commutes = commutes or not read & moving or _commute_by_number(nodes, noises, states, moved)
    return Influence(
        tuple(sorted(moving)),
        _own(by_state, moving, is_one),
        bool(read),
        bool(read & moving),
        commutes,
    )


def _commute_by_number(
    nodes: Sequence[Node], noises: Sequence[Value], states: Sequence[Value], moved: Sequence[Value]
) -> bool:
    from mai.compiler.passes.loops.noises.numbers_apart import commute  # Few equations are written by components.

    return commute(nodes, noises, states, moved)


def _own(by_state: dict[int, Noisy], moving: frozenset[int], is_one: bool) -> dict[int, int] | None:
    """For each state that moves its one noise, if each has one of its own."""
    if is_one:
        return dict.fromkeys(by_state, 0)
    own = {i: min(f.noises) for i, f in by_state.items()}
    is_apart = len(set(own.values())) == len(own) and all(len(f.noises) == 1 for f in by_state.values())
    fits = all(f.aligned and not f.mixed and f.read & moving <= {i} for i, f in by_state.items())
    return own if is_apart and fits else None


def _followed(
    nodes: Sequence[Node], noises: Sequence[Value], states: Sequence[Value], moving: frozenset[int]
) -> dict[Value, Noisy]:
    """What each value has of the noises."""
    reads = _Reads({v: frozenset({i}) for i, v in enumerate(states)})
    noisy = {v: Noisy(frozenset({k})) for k, v in enumerate(noises)}
    for node in nodes:
        reads.follow(node)
        if any(v in noisy for v in node.inputs):
            noisy[node.output] = _noisy(node, noisy, reads, moving)
    return noisy


def _noisy(node: Node, noisy: dict[Value, Noisy], reads: _Reads, moving: frozenset[int]) -> Noisy:
    parts = [v for v in node.inputs if v in noisy]
    beside = [] if node.op in SUMS and node.op is not Where else [v for v in node.inputs if v not in noisy]
    if node.op is Where:
        beside = [v for v in node.inputs[:1] if v not in noisy]
    factors = [v for v in beside if v in reads.states]
    newly = frozenset[int]().union(*(reads.states[v] for v in factors))
    before = frozenset[int]().union(*(noisy[v].read for v in parts))
    turning = [v for v in factors if reads.states[v] & moving]  # Factors that read what noises move.
    keeps = keeps_elements(node, [*parts, *turning])
    return Noisy(
        frozenset[int]().union(*(noisy[v].noises for v in parts)),
        before | newly,
        all(noisy[v].aligned for v in parts) and keeps_elements(node, parts),
        any(noisy[v].mixed for v in parts) or any(v in reads.mixed for v in turning),
        any(noisy[v].tangled for v in parts)
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


def _check_additive(
    integral: Node, nodes: Sequence[Node], followed: dict[Value, Noisy], states: Sequence[Value]
) -> None:
    """The factor of a noise reads no state."""
    for node in nodes:
        result = followed.get(node.output) if len(node.outputs) == 1 else None
        if result is not None and result.read:
            names = ", ".join(f"`{states[i].name}`" for i in sorted(result.read))
            problem = f"is for noise whose factor reads no state, and this one reads {names}"
            words = "`{}` takes the derivative of such a factor"
            raise _refused(integral, "noise-reads-state", node.span, problem, "milstein", words)
