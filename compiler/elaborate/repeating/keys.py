"""What decides the nodes of a call: calls with the same key repeat one template."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import chain

from mai.compiler.elaborate.bindings import Binding, Builtin, Distribution, Environment, Function, Partial
from mai.compiler.elaborate.context import Context
from mai.compiler.elaborate.repeating.prints import SIMPLE, Prints, as_text
from mai.compiler.elaborate.repeating.templates import surroundings
from mai.compiler.ir.graph import Value
from mai.compiler.ir.types import Axis
from mai.compiler.ops.products.chosen import is_chosen

OUTSIDE = -1  # The place of a value that is no operand.


def key_of(
    e: Context, env: Environment, function: Function, tensors: Mapping[str, Value], axes: tuple[Axis, ...]
) -> Hashable | None:
    """What decides the nodes of a call; None for a call that is elaborated each time.

    A growing text around decides nothing more: what a call reads of it, as its turn, are values that no template has.
    """
    if not _is_plain(function) or e.scope.second or e.scope.among:
        return None
    prints = e.calls.templates.prints
    static = [env.names[p.name.id] for p in function.declaration.parameters if p.name.id not in tensors]
    decided = [prints.of(function).number, *(_fixed_key(prints, binding) for binding in static)]
    if None in decided:
        return None
    values = [*tensors.values(), *surroundings(e)]
    around = (e.axes, axes, e.scope.turns, e.over_all_examples)
    return tuple(decided), tuple(v.type for v in values), relations(e, values), around


def relations(e: Context, values: Sequence[Value]) -> Hashable:
    """Which values are one, which are the transposes of others, and which matrices are one of several."""
    places = {value: place for place, value in enumerate(values)}
    turned = [places.get(e.transposes[value], OUTSIDE) if value in e.transposes else None for value in values]
    return tuple(places[value] for value in values), tuple(turned), tuple(map(is_chosen, values))


def _is_plain(function: Function) -> bool:
    """Whether a function is no member of a family, and has one set of parameters."""
    return function.member is None and function.count is None and function.twin is None and function.at is None


def _fixed_key(prints: Prints, value: Binding) -> Hashable | None:
    """What stands for an argument that is fixed when the file is compiled; None for one that may be of the user's own code."""
    if value is None:
        return None
    if isinstance(value, SIMPLE):
        return as_text(value)
    if isinstance(value, Builtin):
        return Builtin, value.name
    if isinstance(value, Function):
        is_standard = value.declaration.span.source.in_prelude
        return prints.of(value).number if is_standard and _is_plain(value) else None
    parts = [type(value), *(_fixed_key(prints, part) for part in _parts(value))]
    return None if None in parts else tuple(parts)


def _parts(value: Binding) -> Sequence[Binding]:
    """What a list, a distribution and a call that lacks its tensors are made of; nothing, for what has no key."""
    if isinstance(value, list):
        return value
    if isinstance(value, Distribution):
        return [value.kind, *value.shape, *value.numbers]
    if isinstance(value, Partial):
        return [value.function, *chain.from_iterable((a.name or "", a.value) for a in value.arguments)]
    return [None]
