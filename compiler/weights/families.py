"""Families of known networks, whose rules `mai weights map` tries on a program and a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from mai.compiler.elaborate.bindings import Module
from mai.compiler.elaborate.blocks.weights_block import read_loading
from mai.compiler.ir.graph import Weight
from mai.compiler.weights.load import fits
from mai.compiler.weights.rules import Chain, Loading, Pattern, Rule, Source
from mai.spec import family_sources
from mai.spec.diagnostics import Reporter
from mai.spec.parse import parse

Shapes = Mapping[str, tuple[int, ...]]
MIN_SHARE = 1 / 3  # Of the parameters, how many a family's rules must match: fewer may be chance.
MAX_PREFIXES = 24


@dataclass(frozen=True, slots=True)
class FamilyMatch:
    """A family whose rules fit: its rules in the names of this program, each with its parameters, and what it ignores."""

    family: str
    rules: dict[Rule, set[str]]
    ignored: tuple[Chain, ...]

    @property
    def parameters(self) -> set[str]:
        """The parameters that have a rule."""
        return set().union(*self.rules.values())


@lru_cache(maxsize=1)
def families() -> tuple[Loading, ...]:
    """The rules of every family, in names without the net in front and without the modules around them."""
    loadings = []
    for source in family_sources():
        report = Reporter()
        loading = read_loading(parse(source, report), Module(source, {}, {}), report)
        report.check()
        assert loading is not None
        loadings.append(loading)
    return tuple(loadings)


def find_family(weights: Mapping[str, Weight], shapes: Shapes) -> FamilyMatch | None:
    """The family whose rules match most of these parameters and tensors; None where none matches a third of them.

    Args:
        shapes: of the tensors in the file, by name.
    """
    matches = [_try_family(f, p, weights, shapes) for f in families() for p in _prefixes(shapes)]
    best = max(matches, key=lambda match: len(match.parameters), default=None)
    enough = max(1, MIN_SHARE * len(weights))
    return best if best is not None and len(best.parameters) >= enough else None


def _prefixes(shapes: Shapes) -> list[str]:
    """What may stand before a family's names in the file, `transformer.` or nothing, the most frequent first."""
    counts = {"": 0}
    for name in shapes:
        parts = name.split(".")[:-1]
        for place in range(1, len(parts) + 1):
            if parts[place - 1].isdecimal():
                break
            prefix = ".".join(parts[:place]) + "."
            counts[prefix] = counts.get(prefix, 0) + 1
    return sorted(counts, key=lambda p: (-counts[p], len(p)))[:MAX_PREFIXES]


def _try_family(family: Loading, prefix: str, weights: Mapping[str, Weight], shapes: Shapes) -> FamilyMatch:
    """The rules of a family that fit, with a prefix before their tensors' names or without."""
    rules: dict[Rule, set[str]] = {}
    for weight in weights.values():
        net, _, rest = weight.name.partition(".")
        for rule, marks in family.rules_of(rest):
            for before in dict.fromkeys((prefix, "")):
                renamed = _rename_rule(rule, net, before)
                assert renamed.source is not None
                names = [c.pattern.fill(marks) for c in renamed.source.chains]
                if all(n in shapes for n in names) and fits(renamed, names, weight, shapes):
                    rules.setdefault(renamed, set()).add(weight.name)
                    break
    prefixed = [_add_prefix(chain, prefix) for chain in family.ignored]
    ignored = tuple(chain for chain in prefixed if any(chain.pattern.match(name) for name in shapes))
    return FamilyMatch(family.path, rules, ignored)


def _rename_rule(rule: Rule, net: str, prefix: str) -> Rule:
    assert rule.source is not None
    target = replace(rule.target, text=f"{net}.{rule.target.text}")
    return Rule(target, Source(tuple(_add_prefix(c, prefix) for c in rule.source.chains), rule.source.axis), rule.span)


def _add_prefix(chain: Chain, prefix: str) -> Chain:
    return Chain(Pattern(prefix + chain.pattern.text, chain.pattern.span), chain.steps)
