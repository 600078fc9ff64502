"""Tensors of the parameters' own names: a file that a spec wrote, or one that was written for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mai.compiler.ir.graph import Weight
from mai.compiler.weights.rules import Pattern, numbered
from mai.spec.source import Source, Span

Shapes = Mapping[str, tuple[int, ...]]


def equal_names(weights: Mapping[str, Weight], shapes: Shapes) -> dict[Pattern, list[str]]:
    """Patterns, as few as possible, that stand on both sides of a rule, and the parameters of each.

    A pattern is taken only where every parameter that it finds has a tensor of its name and shape, so that no rule asks
    for a tensor that is not there.
    """
    equal = {name for name, weight in weights.items() if shapes.get(name) == weight.shape}
    made: dict[Pattern, list[str]] = {}
    taken: set[str] = set()
    for name in weights:
        if name in equal and name not in taken:
            pattern, names = next(_sound(name, weights, equal))
            made[pattern] = names
            taken.update(names)
    return made


def _sound(name: str, weights: Mapping[str, Weight], equal: set[str]) -> Iterator[tuple[Pattern, list[str]]]:
    for text in _wider(name):
        pattern = Pattern(text, Span(Source("", ""), 0, 0))
        if pattern.complaint is not None:
            continue
        found = {n: f for n in weights if (f := pattern.found(n)) is not None}
        if equal.issuperset(found) and all(pattern.filled(f) == n for n, f in found.items()):
            several = len(found) > 1
            yield (pattern if several else Pattern(name, pattern.span)), list(found)


def _wider(name: str) -> Iterator[str]:
    """Patterns that find a name, those that find most before the others: `*`, `f.*`, `f.{i}.*`, `f.{i}.weight`, itself."""
    for whole in dict.fromkeys((numbered(name), name)):
        parts = whole.split(".")
        yield from (".".join((*parts[:count], "*")) for count in range(len(parts)))
        yield whole
