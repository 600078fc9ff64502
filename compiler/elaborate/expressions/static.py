"""Arithmetic on numbers and sizes that are fixed when the file is compiled, within bounds."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

from mai.compiler.elaborate.bindings import Number
from mai.compiler.ir.sizes import Dim, Size


class StaticError(Exception):
    """Numbers that have no result: the slug and the words of a diagnostic."""

    def __init__(self, slug: str, message: str) -> None:
        super().__init__(message)
        self.slug, self.message = slug, message


LARGEST = 1e300
LARGEST_REAL = 3.4028234663852886e38  # Of float32.
LARGEST_WHOLE = 2**63 - 1  # Of int64; the smallest is one further from 0.


def as_real(number: Number) -> float:
    """A number as a float. Raises `StaticError` for a whole one that is beyond a float."""
    try:
        return float(number)
    except OverflowError as error:
        raise StaticError("number-too-large", "this number is too large") from error


def beyond(number: Number) -> str | None:
    """Why a compiled file cannot hold a number, as int64 or float32; None where it can."""
    if isinstance(number, int):
        if -LARGEST_WHOLE - 1 <= number <= LARGEST_WHOLE:
            return None
        return f"{number} is too large: whole numbers end at 2^63 - 1 = {LARGEST_WHOLE}"
    if abs(number) <= LARGEST_REAL:
        return None
    return f"{number:g} is too large: the largest float32 is {LARGEST_REAL:.4g}"


def power(base: Number, exponent: Number) -> Number:
    """base ^ exponent; refuses results beyond what a float can hold before they are computed."""
    if base and abs(exponent) * abs(math.log10(abs(base))) > math.log10(LARGEST):
        raise StaticError("number-too-large", f"{base} ^ {exponent} is too large a number")
    if base < 0 and not float(exponent).is_integer():
        raise StaticError("bad-number", f"{base} ^ {exponent} is not a real number")
    if base == 0 and exponent < 0:
        raise StaticError("division-by-zero", "0 cannot be raised to a negative power")
    result: Number = base**exponent
    return result


def divide(a: Number, b: Number) -> Number:
    """a / b; a whole number stays one, so that `d / heads` can be a dimension."""
    if b == 0:
        raise StaticError("division-by-zero", "this divides by zero")
    whole = isinstance(a, int) and isinstance(b, int) and a % b == 0
    return a // b if whole else a / b


def _whole(name: str, apply: Callable[[Number, Number], Number]) -> Callable[[Number, Number], Number]:
    def checked(a: Number, b: Number) -> Number:
        if b == 0:
            raise StaticError("division-by-zero", f"this divides by zero ({name})")
        return apply(a, b)

    return checked


BINARY: dict[str, Callable[..., Any]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": divide,
    "//": _whole("//", operator.floordiv),
    "%": _whole("%", operator.mod),
    "^": power,
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def apply(op: str, a: Number, b: Number) -> Number | bool:
    """`a op b` on numbers. Raises `StaticError`."""
    result: Number | bool = BINARY[op](a, b)
    if not isinstance(result, bool) and abs(result) > LARGEST:
        raise StaticError("number-too-large", "this number is too large")
    return result


def apply_sizes(op: str, a: Size, b: Size) -> Size | None:
    """`a op b` where one of them is known only at run time; None where the result is no size."""
    if op in ("+", "-", "*"):
        result: Size = BINARY[op](a, b)
        return result
    if op == "//" and isinstance(b, int) and b > 0 and isinstance(a, Dim):
        return a // b
    if op == "/" and isinstance(b, int) and b > 0 and isinstance(a, Dim) and all(c % b == 0 for _, c in a.terms):
        return a // b
    return None
