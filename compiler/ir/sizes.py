"""Sizes of axes: whole numbers, or polynomials in symbols that are known only at run time.

A `Size` is a Python `int` wherever it is known; otherwise a `Dim`, in a normal form, so that two sizes are equal
exactly when their normal forms are: `P + count`, `2 * H`, `(H + 1) // 2`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import reduce
from itertools import chain
from math import gcd
from operator import add, floordiv, mul
from typing import TypeVar, Union

from mai.spec.record import record

Size = Union[int, "Dim"]
N = TypeVar("N")


@record
class Quotient:
    """`numerator // denominator`, an atom of its own when it does not divide out."""

    numerator: Dim
    denominator: int

    def __str__(self) -> str:
        shown = str(self.numerator)
        return f"({shown}) // {self.denominator}" if " " in shown else f"{shown} // {self.denominator}"


Atom = str | Quotient
Monomial = tuple[Atom, ...]


@record
class Dim:
    """A sum of coefficients times products of atoms; never a plain number. Make one with `symbol`."""

    terms: tuple[tuple[Monomial, int], ...]

    def __add__(self, other: Size) -> Size:
        return _normal([*self.terms, *_terms(other)])

    __radd__ = __add__

    def __neg__(self) -> Size:
        return _normal([(m, -c) for m, c in self.terms])

    def __sub__(self, other: Size) -> Size:
        return self + (-other)

    def __rsub__(self, other: Size) -> Size:
        return -self + other

    def __mul__(self, other: Size) -> Size:
        return _normal([(m + n, c * d) for m, c in self.terms for n, d in _terms(other)])

    __rmul__ = __mul__

    def __floordiv__(self, other: int) -> Size:
        """What the denominator divides comes out; what stays under one quotient is as small as it can be, and not negative.

        So `(H - 1) // 2 + 1` is `(H + 1) // 2`, `(2 * H + 1) // 4` is `H // 2`, and `(H // 2 + 1) // 2` is `(H + 2) // 4`.
        """
        whole = _normal([(m, c // other) for m, c in self.terms])
        rest = _normal([(m, c % other) for m, c in self.terms])
        return whole + (0 if isinstance(rest, int) else _quotient(rest, other))

    def __str__(self) -> str:
        text = ""
        for monomial, coefficient in sorted(self.terms, key=lambda t: (t[1] < 0, not t[0], _order(t[0]))):
            body = " * ".join(
                [*([str(abs(coefficient))] if abs(coefficient) != 1 or not monomial else []), *map(str, monomial)]
            )
            sign = "-" if coefficient < 0 else "+"
            text += f" {sign} {body}" if text else ("-" if coefficient < 0 else "") + body
        return text

    __repr__ = __str__


def symbol(name: str) -> Dim:
    """A size known only at run time, by its name in the spec."""
    return Dim((((name,), 1),))


def symbols(size: Size) -> set[str]:
    """The names that a size depends on."""
    if isinstance(size, int):
        return set()
    atoms = [atom for monomial, _ in size.terms for atom in monomial]
    return {n for a in atoms for n in ({a} if isinstance(a, str) else symbols(a.numerator))}


def evaluate(size: Size, value_of: Mapping[str, N] | Callable[[str], N]) -> N | int:
    """The size in some arithmetic (Python integers, tensors, graph values) that has `+ * //`."""
    if isinstance(size, int):
        return size
    return reduce(add, (_product(monomial, coefficient, value_of) for monomial, coefficient in size.terms))


def _product(monomial: Monomial, coefficient: int, value_of: Mapping[str, N] | Callable[[str], N]) -> N | int:
    head = [coefficient] if coefficient != 1 or not monomial else []
    factors = (_factor(atom, value_of) for atom in monomial)
    return reduce(lambda product, factor: mul(factor, product), chain(head, factors))


def _factor(atom: Atom, value_of: Mapping[str, N] | Callable[[str], N]) -> N | int:
    if isinstance(atom, Quotient):
        quotient: N = floordiv(evaluate(atom.numerator, value_of), atom.denominator)
        return quotient
    return value_of(atom) if callable(value_of) else value_of[atom]


def substitute(size: Size, sizes: Mapping[str, Size]) -> Size:
    """The size with some symbols replaced by other sizes."""
    return evaluate(size, lambda name: sizes.get(name, symbol(name)))


def product(sizes: tuple[Size, ...]) -> Size:
    """The number of elements of a shape."""
    total: Size = 1
    for size in sizes:
        total = total * size
    return total


def _quotient(numerator: Dim, denominator: int) -> Size:
    """A quotient of which nothing comes out, in lowest terms."""
    constant = sum(c for monomial, c in numerator.terms if not monomial)
    terms = [(monomial, c) for monomial, c in numerator.terms if monomial]
    inner = terms[0][0][0] if len(terms) == 1 and terms[0][1] == 1 and len(terms[0][0]) == 1 else None
    if isinstance(inner, Quotient):
        return (inner.numerator + constant * inner.denominator) // (inner.denominator * denominator)
    common = gcd(denominator, *(c for _, c in terms))
    if common > 1:
        return _normal([*((m, c // common) for m, c in terms), ((), constant // common)]) // (denominator // common)
    return _normal([((Quotient(numerator, denominator),), 1)])


def _terms(size: Size) -> list[tuple[Monomial, int]]:
    return [((), size)] if isinstance(size, int) else list(size.terms)


def _order(monomial: Monomial) -> tuple[str, ...]:
    return tuple(map(str, monomial))


def _normal(terms: list[tuple[Monomial, int]]) -> Size:
    sums: dict[Monomial, int] = {}
    for monomial, coefficient in terms:
        key = tuple(sorted(monomial, key=str))
        sums[key] = sums.get(key, 0) + coefficient
    kept = sorted(((m, c) for m, c in sums.items() if c), key=lambda t: _order(t[0]))
    if not kept:
        return 0
    if len(kept) == 1 and not kept[0][0]:
        return kept[0][1]
    return Dim(tuple(kept))
