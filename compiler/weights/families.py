"""Known networks: which of their rules a program and a file have in common."""

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
SHARE = 1 / 3  # of the parameters that a family's rules must find: fewer may be chance
MAX_PREFIXES = 24


@dataclass(frozen=True, slots=True)
class Known:
    """A family whose rules fit: the rules under the names here, what each parameter takes, and what is left out."""

    family: str
    rules: dict[Rule, set[str]]
    ignored: tuple[Chain, ...]

    @property
    def found(self) -> set[str]:
        """The parameters that have a rule."""
        return set().union(*self.rules.values())


@lru_cache(maxsize=1)
def families() -> tuple[Loading, ...]:
    """Every family's rules, without the names of nets and of the modules around them."""
    made = []
    for source in family_sources():
        report = Reporter()
        loading = read_loading(parse(source, report), Module(source, {}, {}), report)
        report.check()
        assert loading is not None
        made.append(loading)
    return tuple(made)


def known(weights: Mapping[str, Weight], shapes: Shapes) -> Known | None:
    """The family that says most about these parameters and this file; None where none says much."""
    tried = [_tried(f, p, weights, shapes) for f in families() for p in _prefixes(shapes)]
    best = max(tried, key=lambda k: len(k.found), default=None)
    return best if best is not None and len(best.found) >= max(1, SHARE * len(weights)) else None


def _prefixes(shapes: Shapes) -> list[str]:
    """What may stand before a family's names: `transformer.`, or nothing."""
    made = {"": 0}
    for name in shapes:
        parts = name.split(".")[:-1]
        for place in range(1, len(parts) + 1):
            if parts[place - 1].isdecimal():
                break
            prefix = ".".join(parts[:place]) + "."
            made[prefix] = made.get(prefix, 0) + 1
    return sorted(made, key=lambda p: (-made[p], len(p)))[:MAX_PREFIXES]


def _tried(family: Loading, prefix: str, weights: Mapping[str, Weight], shapes: Shapes) -> Known:
    rules: dict[Rule, set[str]] = {}
    for weight in weights.values():
        net, _, rest = weight.name.partition(".")
        for rule, found in family.rules_of(rest):
            for before in dict.fromkeys((prefix, "")):
                here = _moved(rule, net, before)
                assert here.source is not None
                names = [c.pattern.filled(found) for c in here.source.chains]
                if all(n in shapes for n in names) and fits(here, names, weight, shapes):
                    rules.setdefault(here, set()).add(weight.name)
                    break
    ignored = tuple(
        placed for chain in family.ignored if any((placed := _placed(chain, prefix)).pattern.found(n) for n in shapes)
    )
    return Known(family.path, rules, ignored)


def _moved(rule: Rule, net: str, prefix: str) -> Rule:
    assert rule.source is not None
    target = replace(rule.target, text=f"{net}.{rule.target.text}")
    return Rule(target, Source(tuple(_placed(c, prefix) for c in rule.source.chains), rule.source.axis), rule.span)


def _placed(chain: Chain, prefix: str) -> Chain:
    return Chain(Pattern(prefix + chain.pattern.text, chain.pattern.span), chain.steps)
