"""All functions that the language knows: those of operations by their records, and those written by hand."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import Binding, Builtin, is_number
from mai.compiler.elaborate.bindings import BoundArgument as Arg
from mai.compiler.elaborate.expressions.static import StaticError
from mai.compiler.elaborate.expressions.whole import whole
from mai.compiler.elaborate.functions import arguments as read
from mai.compiler.elaborate.functions import (
    constrain,  # noqa: F401
    constructs,  # noqa: F401
    couplings,  # noqa: F401
    derivatives,  # noqa: F401
    fixed_points,  # noqa: F401
    space,  # noqa: F401
)
from mai.compiler.elaborate.functions.builtins import BUILTINS, Listed, listed_by_hand
from mai.compiler.elaborate.functions.distributions import densities, distributions  # noqa: F401
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import OPERATIONS, Operation, ShapeError
from mai.compiler.ir.signature import COMPOSED, OWN, Argument, Function, Kind, Same, written
from mai.compiler.ops.scan import load_operations
from mai.compiler.ops.terms import Term
from mai.spec.diagnostics.foreign import answer

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator

__all__ = ["BUILTINS", "FUNCTIONS", "listed"]
Implementation = Callable[..., Binding]
Bound = Mapping[str, Arg]
Emit = Callable[["Elaborator", list[Value], dict[str, object]], Binding]


def _implementation(function: Function, own: Mapping[str, object], emit: Emit) -> Implementation:
    """What the elaborator calls: arguments are read by their kinds, then `emit` makes the values."""
    tensors = [a for a in function.arguments if a.kind.is_tensor]
    fixed = [a for a in function.arguments if not a.kind.is_tensor]

    def implementation(e: Elaborator, **bound: Arg) -> Binding:
        if function.fold is not None and all(is_number(a.value) for a in bound.values()):
            return _folded(function, [a.value for a in bound.values()])
        operands = _operands(e, function, tensors, bound)
        attributes = _attributes(e, fixed, own, operands, bound)
        if function.derived is not None:
            attributes |= function.derived(tuple(v.type for v in operands), attributes)
        return emit(e, operands, attributes)

    return implementation


def _folded(function: Function, numbers: list[Binding]) -> float:
    """The function of compile-time numbers."""
    assert function.fold is not None
    try:
        return function.fold(*numbers)
    except (ValueError, OverflowError) as error:
        shown = ", ".join(map(str, numbers))
        raise StaticError("bad-number", f"{function.name}({shown}) is not a real number") from error


def _operands(e: Elaborator, function: Function, tensors: Sequence[Argument], bound: Bound) -> list[Value]:
    """The tensors, in their order; one that is left out may be followed by none."""
    present = [a for a in tensors if a.name in bound]
    if present != tensors[: len(present)]:
        absent = next(a for a in tensors if a.name not in bound)
        raise ShapeError("missing-argument", f"`{function.name}` lacks its argument `{absent.name}`")
    alike = [bound[a.name] for a in present if a.kind is Kind.ALIKE]
    promoted = iter(e.promoted([a.value for a in alike], [a.span for a in alike]))
    return [next(promoted) if a.kind is Kind.ALIKE else _tensor(e, function, a.kind, bound[a.name]) for a in present]


def _tensor(e: Elaborator, function: Function, kind: Kind, argument: Arg) -> Value:
    if kind is Kind.TRUTH:
        return e.truth(argument.value, argument.span)
    if kind is Kind.INDEX:
        return whole(e, argument.value, argument.span, f"`{function.name}` takes whole numbers")
    convert = e.real if kind is Kind.REAL else e.value
    return convert(argument.value, argument.span)


def _attributes(
    e: Elaborator, fixed: Sequence[Argument], own: Mapping[str, object], operands: list[Value], bound: Bound
) -> dict[str, object]:
    """What is fixed when the file is compiled, by the names of the operation's attributes."""
    rank = operands[0].type.rank if operands else 0
    values: dict[str, object] = {}
    for argument in fixed:
        default = argument.default
        if isinstance(default, Same):
            default = values[default.name]
        elif default is OWN:
            default = own[argument.name]
        values[argument.name] = READERS[argument.kind](e, argument, bound.get(written(argument)), default, rank)
    return values


# How what is fixed when the file is compiled is read, by its kind: of its value and its default, for a tensor of a rank.
READERS: dict[Kind, Callable[[Elaborator, Argument, Arg | None, object, int], object]] = {
    Kind.NUMBER: lambda e, argument, value, default, rank: read.number(e, value, default),
    Kind.WHOLE: lambda e, argument, value, default, rank: read.whole(e, value, default),
    Kind.PLACES: lambda e, argument, value, default, rank: read.places(e, value, default),
    Kind.COUNT: lambda e, argument, value, default, rank: read.positive(e, value, default, argument.least),
    Kind.COUNTS: lambda e, argument, value, default, rank: read.counts(e, value, rank),
    Kind.PER_AXIS: lambda e, argument, value, default, rank: read.per_axis(e, value, default, rank - 1),
    Kind.FRAME: lambda e, argument, value, default, rank: read.frame(e, value, default, rank - 1),
    Kind.FLAG: lambda e, argument, value, default, rank: read.truth(e, value, default),
    Kind.AXIS: lambda e, argument, value, default, rank: read.axis_of(e, value, rank, default),
    Kind.AXES: lambda e, argument, value, default, rank: read.axes_of(e, value, rank),
    Kind.SIZE: lambda e, argument, value, default, rank: read.size(e, value, argument.name),
}


def _of_operation(op: type[Operation], function: Function) -> Implementation:
    label = function.label or function.name
    return _implementation(function, op.attributes, lambda e, xs, named: e.emit(op, *xs, name=label, **named))


def _of_terms(function: Function) -> Implementation:
    """A function that is several operations."""
    apply = function.apply
    assert apply is not None

    def emit(e: Elaborator, operands: list[Value], attributes: dict[str, object]) -> Binding:
        result = apply(*(Term(e.builder, v) for v in operands), **attributes)
        return tuple(t.value for t in result) if isinstance(result, tuple) else result.value

    return _implementation(function, {}, emit)


def _implemented() -> list[tuple[Function, Implementation]]:
    """Every record with what it does, in the order of the files that have them: by operation, then those of several operations."""
    load_operations()
    composed = sorted(COMPOSED, key=lambda function: function.name)
    of_operations = [(function, _of_operation(op, function)) for op, function in _of_operations()]
    return of_operations + [(function, _of_terms(function)) for function in composed]


def _of_operations() -> list[tuple[type[Operation], Function]]:
    pairs = [(op, op.__dict__.get("function")) for op in sorted(OPERATIONS.values(), key=lambda op: op.__module__)]
    return [(op, function) for op, function in pairs if function is not None]


FUNCTIONS: dict[str, Function] = {}
for _function, _implementation_of_it in _implemented():
    assert _function.name not in BUILTINS, f"there are two functions `{_function.name}`"
    FUNCTIONS[_function.name] = _function
    BUILTINS[_function.name] = Builtin(_function.name, _implementation_of_it, _function)
    answer(_function.elsewhere, _function.example)


@cache
def listed() -> Mapping[str, Listed]:
    """What the reference says of each function, by its name: its own sentence, or the first paragraph of its operation."""
    first = {function.name: (inspect.getdoc(op) or "").partition("\n\n")[0] for op, function in _of_operations()}
    records = {name: Listed(f.section, f.form, f.says or first.get(name, "")) for name, f in FUNCTIONS.items()}
    return listed_by_hand() | records
