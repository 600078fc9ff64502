"""What a setting may be, by its uses: a number of steps is at least 1, a count or a size at least 0, a probability at most 1.

A use asks it of a size, as soon as it is elaborated; when the graph is whole, each setting has the range that all of its
uses allow, and a default outside of it is refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from mai.compiler.ir.graph import Setting
from mai.compiler.ir.sizes import Dim, Quotient, Size, evaluate, symbols
from mai.spec.record import record
from mai.spec.source import Span

MOST = 2**31  # No setting that counts anything is larger.


@record
class Bound:
    """What one use asks of a setting: `least` and `most` are included, `use` is its place in the text."""

    name: str
    least: float | None
    most: float | None
    use: Span

    def __str__(self) -> str:
        if self.least is None or self.most is None:
            return f"at most {self.most:g}" if self.least is None else f"at least {self.least:g}"
        return f"from {self.least:g} to {self.most:g}"


@dataclass(slots=True)
class Bounds:
    """What the uses of a graph's settings have asked so far."""

    settings: Mapping[str, Setting]
    asked: list[Bound] = field(default_factory=list)
    not_zero: dict[str, Span] = field(default_factory=dict)

    def ask(self, name: str, use: Span, least: float | None = None, most: float | None = None) -> None:
        """Bound the setting `name`."""
        self.asked.append(Bound(name, least, most, use))

    def at_least(self, size: Size, least: int, use: Span) -> None:
        """Bound the settings that a size depends on, so that it is at least `least`.

        Of one setting, `c * n + k`, the bound is exact. Of several, or of products, each is large enough where all are
        equally large. Where one is subtracted from another nothing follows but that none is negative.
        """
        names = sorted(symbols(size) & set(self.settings))
        if not names or not isinstance(size, Dim):
            return
        if symbols(size) == set(names) and (line := line_of_size(size)) is not None:
            _, slope, start = line
            if slope > 0:
                self.ask(names[0], use, least=-((start - least) // slope))
            else:
                self.ask(names[0], use, most=(start - least) // -slope)
            return
        low = _least(size, names, least) if _grows(size) else 0
        for name in names:
            self.ask(name, use, least=low)

    def forbid_zero(self, name: str, use: Span) -> None:
        """Say that a use has no meaning where the setting `name` is 0, which other uses may rule out."""
        self.not_zero.setdefault(name, use)

    def zeros(self) -> Iterator[tuple[str, Span]]:
        """The settings that may be 0 and are used where they may not be, each with that use."""
        for name, use in self.not_zero.items():
            setting = self.range_of(name)
            if (setting.minimum is None or setting.minimum <= 0) and (setting.maximum is None or setting.maximum >= 0):
                yield name, use

    def range_of(self, name: str) -> Setting:
        """The setting with the range that its type and all of its uses allow."""
        setting = self.settings[name]
        asked = [b for b in self.asked if b.name == name]
        lows = [b.least for b in asked if b.least is not None]
        highs = [b.most for b in asked if b.most is not None]
        lows += [] if setting.minimum is None else [setting.minimum]
        highs += [] if setting.maximum is None else [setting.maximum]
        return replace(setting, minimum=max(lows, default=None), maximum=min(highs, default=None))

    def broken(self, name: str) -> Bound | None:
        """What the default of a setting does not keep to, if anything."""
        default = self.settings[name].default
        for bound in self.asked:
            too_low = bound.least is not None and default < bound.least
            too_high = bound.most is not None and default > bound.most
            if bound.name == name and (too_low or too_high):
                return bound
        return None


def setting_of(size: object) -> str | None:
    """The name that a size is, and nothing else: `n`, not `2 * n`."""
    if not isinstance(size, Dim) or len(size.terms) != 1:
        return None
    ((monomial, coefficient),) = size.terms
    alone = coefficient == 1 and len(monomial) == 1 and isinstance(monomial[0], str)
    return str(monomial[0]) if alone else None


def line_of_size(size: Dim) -> tuple[str, int, int] | None:
    """The name, the slope and the start of a size `slope * name + start`; None for any other size."""
    start = sum(c for monomial, c in size.terms if not monomial)
    rest = [(monomial, c) for monomial, c in size.terms if monomial]
    if len(rest) != 1 or len(rest[0][0]) != 1 or not isinstance(rest[0][0][0], str):
        return None
    return rest[0][0][0], rest[0][1], start


def _grows(size: Size) -> bool:
    """Whether a size becomes no smaller as its symbols, none of them negative, become larger."""
    if isinstance(size, int):
        return True
    atoms = [atom for monomial, _ in size.terms for atom in monomial]
    inner = [atom.numerator for atom in atoms if isinstance(atom, Quotient)]
    return all(c > 0 for monomial, c in size.terms if monomial) and all(map(_grows, inner))


def _least(size: Size, names: list[str], least: int) -> int:
    """The smallest number of at least 0 that makes a growing size large enough; an input's axes have 1 at least."""

    def is_enough(number: int) -> bool:
        return bool(evaluate(size, lambda name: number if name in names else 1) >= least)

    low, high = 0, MOST
    while low < high:  # Not `bisect`, whose indices are those of a list: of 32 bits in a browser.
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle + 1, high)
    return low
