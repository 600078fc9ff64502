"""Which numbers a distribution can have: a probability lies between 0 and 1, a deviation is not negative, low lies below high."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mai.compiler.elaborate.bindings import Binding, BoundArgument, Number, is_number
from mai.compiler.elaborate.context import Context
from mai.compiler.elaborate.functions.setting_ranges import ask_order, ask_range
from mai.compiler.elaborate.random.families import Family, Parameter
from mai.compiler.ir.graph import Value
from mai.compiler.ir.sizes import Dim
from mai.compiler.ops.elementwise.conversion import written_out
from mai.spec.diagnostics import Change, Edit
from mai.spec.diagnostics.edit import put

MOST_INTEGERS = 2**31  # A draw has 32 random bits, and its product with a range 63.
# Whether low may be high: of reals it may, which draws that number; of whole numbers high is the first that is not drawn.
ORDERED = {"uniform": True, "integers": False, "truncated_normal": False}


def check_numbers(
    e: Context, family: Family, arguments: Mapping[str, BoundArgument], numbers: Sequence[Binding]
) -> None:
    """Refuse numbers that no distribution of this family has; of settings, ask the same at run time.

    Args:
        arguments: those that are written, by name.
        numbers: all of the distribution's, defaults included.

    Raises:
        Stop: `impossible-draw` was reported.
    """
    kind = family.name
    for allowed in family.parameters:
        argument = arguments.get(allowed.name)
        if argument is None:
            continue
        if isinstance(argument.value, (Value, Dim)):
            ask_range(e, argument.value, argument.span, allowed.least, allowed.most)
        elif is_number(argument.value) and not allowed.allows(argument.value):
            message = f"`{kind}` takes {allowed.what}, this is {argument.value:g}"
            help = _other_number(argument, allowed, argument.value)
            raise e.fail("impossible-draw", argument.span, message, help=help)
    if kind in ORDERED:
        _check_order(e, kind, arguments, *numbers[-2:])
    if kind == "multivariate_normal":
        _check_factor(e, arguments["factor"])


def _check_order(e: Context, kind: str, arguments: Mapping[str, BoundArgument], low: Binding, high: Binding) -> None:
    if not is_number(low) or not is_number(high):
        ask_order(e, arguments.get("low", low), arguments.get("high", high), least=int(kind == "integers"))
    elif low > high or (low == high and not ORDERED[kind]):
        message = f"`{kind}` draws from low to high, here from {low:g} to {high:g}"
        help = _ordered(list(arguments.values()), f"write `{kind}({high:g}, {low:g})`")
        raise e.fail("impossible-draw", next(iter(arguments.values())).span, message, help=help)
    elif kind == "integers" and high - low > MOST_INTEGERS:
        message = f"`integers` draws one of at most 2^31 numbers, these are {high - low:,}"
        raise e.fail("impossible-draw", next(iter(arguments.values())).span, message)


def _check_factor(e: Context, factor: BoundArgument) -> None:
    """Refuse a table with numbers above its diagonal: it is the covariance itself, or draws and densities would be NaN."""
    table = _table(factor.value)
    if any(number for place, row in enumerate(table) for number in row[place + 1 :]):
        message = "a factor of the covariance is lower triangular, and this has numbers above its diagonal"
        help = put(factor.span, f"cholesky({factor.span.text})", "if this is the covariance itself, write {}")
        raise e.fail("impossible-draw", factor.span, message, help=help)


def _table(value: Binding) -> Sequence[Sequence[Number]]:
    """The rows of a table of numbers that is written out; none of any other matrix."""
    if isinstance(value, Value):
        return written_out(value) or () if value.type.rank == 2 else ()  # type: ignore[return-value]
    rows = value if isinstance(value, (list, tuple)) else ()
    is_table = all(isinstance(row, (list, tuple)) and all(map(is_number, row)) for row in rows)
    return rows if is_table else ()  # type: ignore[return-value]


def _other_number(argument: BoundArgument, allowed: Parameter, number: float) -> Edit | None:
    if _is_per_cent(allowed, number):
        return put(argument.span, f"{number / 100:g}", "for per cent write {}")
    return None


def _ordered(arguments: Sequence[BoundArgument], words: str) -> str | Edit:
    """Low and high exchanged, where both are written."""
    if len(arguments) != 2 or all(a.span.text == arguments[0].span.text for a in arguments):
        return words
    first, second = (a.span for a in arguments)
    return Edit(words, (Change(first, second.text), Change(second, first.text)))


def _is_per_cent(allowed: Parameter, number: float) -> bool:
    return allowed.most == 1 and 1 < number <= 100
