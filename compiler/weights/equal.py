"""Tensors that are called as the parameters are: in a file that mai wrote, or one that was written for the spec."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mai.compiler.ir.graph import Weight
from mai.compiler.weights.rules import Pattern, layer_pattern
from mai.spec.source import Source, Span

Shapes = Mapping[str, tuple[int, ...]]


def equal_names(weights: Mapping[str, Weight], shapes: Shapes) -> dict[Pattern, list[str]]:
    """The fewest patterns that can stand on both sides of a rule, `"f.*" = "f.*"`, and the parameters that each matches.

    A pattern is used only where every parameter that it matches has a tensor of its name and shape, so that no rule asks
    for a tensor that is not in the file.
    """
    equal = {name for name, weight in weights.items() if shapes.get(name) == weight.shape}
    patterns: dict[Pattern, list[str]] = {}
    covered: set[str] = set()
    for name in weights:
        if name in equal and name not in covered:
            pattern, names = next(_sound_patterns(name, weights, equal))
            patterns[pattern] = names
            covered.update(names)
    return patterns


def _sound_patterns(name: str, weights: Mapping[str, Weight], equal: set[str]) -> Iterator[tuple[Pattern, list[str]]]:
    """The patterns that match a name and otherwise only names in `equal`, the widest first, with what they match."""
    for text in _candidates(name):
        pattern = Pattern(text, Span(Source("", ""), 0, 0))
        if pattern.complaint is not None:
            continue
        matches = {n: marks for n in weights if (marks := pattern.match(n)) is not None}
        if equal.issuperset(matches) and all(pattern.fill(marks) == n for n, marks in matches.items()):
            yield (pattern if len(matches) > 1 else Pattern(name, pattern.span)), list(matches)


def _candidates(name: str) -> Iterator[str]:
    """Patterns that match a name, the widest first: `*`, `f.*`, `f.{i}.*`, `f.{i}.weight`, and the name itself."""
    for whole in dict.fromkeys((layer_pattern(name), name)):
        parts = whole.split(".")
        yield from (".".join((*parts[:count], "*")) for count in range(len(parts)))
        yield whole
