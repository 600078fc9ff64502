"""Which numbers a distribution can have: a probability lies between 0 and 1, a deviation is not negative, low lies below high."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mai.compiler.elaborate.bindings import Binding, BoundArgument, is_number
from mai.compiler.elaborate.context import Context
from mai.compiler.elaborate.functions.setting_ranges import ask_order, ask_range
from mai.compiler.ir.graph import Value
from mai.compiler.ir.sizes import Dim
from mai.spec.record import record


@record
class Range:
    """The numbers from `least` to `most` that an argument may be; `what` it is, in words."""

    what: str
    least: float | None = None
    most: float | None = None

    def holds(self, number: float) -> bool:
        """Whether a number lies in the range, its ends included."""
        return (self.least is None or number >= self.least) and (self.most is None or number <= self.most)


RANGES: Mapping[str, Mapping[str, Range]] = {
    "bernoulli": {"p": Range("a probability, from 0 to 1", 0, 1)},
    "normal": {"std": Range("a standard deviation, at least 0", 0)},
}
MOST_INTEGERS = 2**31  # A draw has 32 random bits, and its product with a range 63.
# Whether low may be high: of reals it may, which draws that number; of whole numbers high is the first that is not drawn.
ORDERED = {"uniform": True, "integers": False}


def check_numbers(e: Context, kind: str, arguments: Mapping[str, BoundArgument], numbers: Sequence[Binding]) -> None:
    """Refuse numbers that no distribution of this kind has; of settings, ask the same at run time.

    Args:
        arguments: those that are written, by name.
        numbers: all of the distribution's, defaults included.

    Raises:
        Stop: `impossible-draw` was reported.
    """
    for name, argument in arguments.items():
        allowed = RANGES.get(kind, {}).get(name)
        if allowed is None:
            continue
        if isinstance(argument.value, (Value, Dim)):
            ask_range(e, argument.value, argument.span, allowed.least, allowed.most)
        elif is_number(argument.value) and not allowed.holds(argument.value):  # type: ignore[arg-type]
            message = f"`{kind}` takes {allowed.what}, this is {argument.value:g}"
            help = f"for per cent write {argument.value / 100:g}" if _is_per_cent(allowed, argument.value) else None  # type: ignore[arg-type,operator]
            raise e.fail("impossible-draw", argument.span, message, help=help)
    if kind in ORDERED:
        _check_order(e, kind, arguments, *numbers)


def _check_order(e: Context, kind: str, arguments: Mapping[str, BoundArgument], low: Binding, high: Binding) -> None:
    if not is_number(low) or not is_number(high):
        ask_order(e, arguments.get("low", low), arguments.get("high", high), least=0 if ORDERED[kind] else 1)
    elif low > high or (low == high and not ORDERED[kind]):  # type: ignore[operator]
        message = f"`{kind}` draws from low to high, here from {low:g} to {high:g}"
        help = f"write `{kind}({high:g}, {low:g})`"
        raise e.fail("impossible-draw", next(iter(arguments.values())).span, message, help=help)
    elif kind == "integers" and high - low > MOST_INTEGERS:  # type: ignore[operator]
        message = f"`integers` draws one of at most 2^31 numbers, these are {high - low:,}"  # type: ignore[operator]
        raise e.fail("impossible-draw", next(iter(arguments.values())).span, message)


def _is_per_cent(allowed: Range, number: float) -> bool:
    return allowed.most == 1 and 1 < number <= 100
