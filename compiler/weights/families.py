"""Families of known networks, whose rules `mai import` gives a spec and `mai weights map` tries on a program and a file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePath
from types import MappingProxyType

from mai.compiler.elaborate.bindings import Module
from mai.compiler.elaborate.blocks.weights_block import read_loading
from mai.compiler.ir.graph import Weight
from mai.compiler.weights.rules import MARK, Chain, Loading, Marks, Pattern, Rule, Shapes, Source, fits
from mai.spec import family_sources
from mai.spec.diagnostics import Reporter
from mai.spec.family_records import family_records
from mai.spec.parsing.parse import parse
from mai.spec.source import Source as Text

MIN_SHARE = 1 / 3  # Of the parameters, how many a family's rules must match: fewer may be chance.
MAX_PREFIXES = 24
NO_CONSTANTS: Mapping[str, int | float] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FamilyMatch:
    """A family whose rules fit: its rules in the names of this program, each with its parameters, and what it ignores."""

    family: str
    rules: tuple[tuple[Rule, frozenset[str]], ...]
    ignored: tuple[Chain, ...]

    @property
    def parameters(self) -> set[str]:
        """The parameters that have a rule."""
        return set().union(*(names for _, names in self.rules))


@dataclass(frozen=True, slots=True)
class Family:
    """Rules in names without the net in front and without the modules around them; of several sets the first that fits counts.

    `parts` are the sets again with their names and what they are of, of a pipeline, whose sets are of one part each.
    """

    sets: tuple[Loading, ...]
    parts: tuple[tuple[str, str, Loading], ...] = ()

    @property
    def name(self) -> str:
        """What the first set of rules is called."""
        return self.sets[0].path

    @property
    def ignored(self) -> Iterator[Chain]:
        """The tensors that are left out on purpose."""
        return (chain for loading in self.sets for chain in loading.ignored)


Constants = tuple[tuple[str, int | float], ...]


@lru_cache(maxsize=1)
def _sources() -> dict[str, Text]:
    """The files of the sets of rules by their names."""
    return {PurePath(source.path).stem: source for source in family_sources()}


@lru_cache(maxsize=1024)
def _rule_set(name: str, constants: Constants) -> Loading | None:
    """The rules of a set; none where it is not there, or cuts by constants that are not."""
    report = Reporter()
    if (source := _sources().get(name)) is None:
        return None
    return read_loading(parse(source, report), Module(source, dict(constants), {}), report)


def family_of(sets: Sequence[str], constants: Mapping[str, int | float] = NO_CONSTANTS) -> Family:
    """The family with these sets of rules, by the names of their files; `unet2d@unet` are those of a part of a pipeline, `text=clip_text@text_encoder` for one net."""
    numbers = tuple(sorted(constants.items()))
    named = ((_rule_set(name, numbers), net, name, part) for net, name, part in map(_split_set, sets))
    read = [(name, part, _of_part(rules, net, part)) for rules, net, name, part in named if rules is not None]
    return Family(tuple(rules for _, _, rules in read), tuple(read) if all(part for _, part, _ in read) else ())


def _split_set(written: str) -> tuple[str, str, str]:
    """The net that a set of rules is for, its file, and the part of a pipeline: of `text=clip_text@text_encoder`."""
    front, _, part = written.partition("@")
    net, _, name = front.rpartition("=")
    return net, name, part


def _of_part(loading: Loading, net: str, part: str) -> Loading:
    """Rules for a file of several nets, whose tensors are called by their parts."""
    before, prefix = net and f"{net}.", part and f"{part}."
    rules = tuple(_rename_rule(rule, before, prefix) for rule in loading.rules)
    return replace(loading, rules=rules, ignored=tuple(_add_prefix(chain, prefix) for chain in loading.ignored))


def families(constants: Mapping[str, int | float] = NO_CONSTANTS) -> list[Family]:
    """The families of all records, and those of sets of rules that no record has: those of few sets first, which win where others match as much."""
    used = dict.fromkeys(tuple(r["rules"]) for r in family_records().values() if "rules" in r)
    names_used = {_split_set(written)[1] for sets in used for written in sets}
    alone = [(name,) for name in _sources() if name not in names_used]
    return [family for names in sorted([*used, *alone], key=len) if (family := family_of(names, constants)).sets]


def set_names() -> list[str]:
    """The sets of rules that a spec may name, `family("llama")`."""
    return [*_sources()]


def with_rules_of_sets(loading: Loading, weights: Mapping[str, Weight], shapes: Shapes) -> Loading:
    """A block with rules in the place of the sets that it names: those whose tensors are in the file, in the right shape.

    A parameter that has a rule of its own takes none of a set.
    """
    rules, ignored = [*loading.rules], [*loading.ignored]
    left = {name: weight for name, weight in weights.items() if not any(True for _ in loading.rules_of(name))}
    for each in loading.sets:
        own = {name: weight for name, weight in left.items() if each.target.match(name)}
        match = match_families([Family((each.rules,))], own, shapes)
        rules += [rule for rule, _ in match.rules]
        ignored += match.ignored
    return replace(loading, rules=tuple(rules), ignored=tuple(ignored))


def find_family(
    weights: Mapping[str, Weight], shapes: Shapes, constants: Mapping[str, int | float] = NO_CONSTANTS
) -> FamilyMatch | None:
    """The family whose rules match most of these parameters and tensors; None where none matches a third of them.

    Args:
        shapes: of the tensors in the file, by name.
        constants: by which rules may cut.
    """
    best = match_families(families(constants), weights, shapes)
    enough = max(1, MIN_SHARE * len(weights))
    return best if len(best.parameters) >= enough else None


def match_families(tried: Sequence[Family], weights: Mapping[str, Weight], shapes: Shapes) -> FamilyMatch:
    """Of some families the one whose rules match most, with what stands before their names in the file."""
    prefixes = _prefixes(shapes)
    attempts = ((f, *attempt) for f in tried for attempt in _try_family(f, prefixes, weights, shapes))
    family, prefix, fitting = max(attempts, key=lambda attempt: sum(map(bool, attempt[2].values())))
    return FamilyMatch(family.name, _rules_of(fitting), _ignored(family, prefix, shapes))


def _prefixes(shapes: Shapes) -> list[str]:
    """What may stand before a family's names in the file, `transformer.` or nothing, the most frequent first."""
    counts = {"": 0}
    for name in shapes:
        parts = name.split(".")[:-1]
        for place in range(1, len(parts) + 1):
            if parts[place - 1].isdecimal() or MARK.search(parts[place - 1]):
                break
            prefix = ".".join(parts[:place]) + "."
            counts[prefix] = counts.get(prefix, 0) + 1
    return sorted(counts, key=lambda p: (-counts[p], len(p)))[:MAX_PREFIXES]


def _beginnings(prefix: str) -> list[str]:
    """A prefix and what it begins with, the longest first: a head stands beside its net, `module.model.` beside `module.`."""
    parts = prefix.split(".")[:-1]
    return [".".join([*parts[:count], ""]) for count in range(len(parts), -1, -1)]


# A rule that fits a parameter, what its marks stand for, and the tensors that it names.
Fit = tuple[Rule, Marks, tuple[str, ...]]


# Rules for one parameter by one set: the net before their names, and each rule with what its marks stand for.
Candidates = tuple[str, list[tuple[Rule, Marks]]]


def _try_family(
    family: Family, prefixes: Sequence[str], weights: Mapping[str, Weight], shapes: Shapes
) -> Iterator[tuple[str, dict[str, list[Fit]]]]:
    """For each prefix what fits each parameter, with the prefix before the tensors' names or without."""
    candidates = [(weight, list(_candidates(family, weight))) for weight in weights.values()]
    for prefix in prefixes:
        fitting = {weight.name: _fitting(each, prefix, weight, shapes) for weight, each in candidates}
        yield prefix, _without_second_names(fitting)


def _rules_of(fitting: Mapping[str, Sequence[Fit]]) -> tuple[tuple[Rule, frozenset[str]], ...]:
    """What fits, in as few rules as say it, each with its parameters."""
    pairs = [(fit[0], {name}) for name, each in fitting.items() for fit in each]
    shorter = [(_fill_what_is_one(rule, names), names) for rule, names in _grouped(pairs)]
    return tuple((rule, frozenset(names)) for rule, names in _grouped(shorter))


def _ignored(family: Family, prefix: str, shapes: Shapes) -> tuple[Chain, ...]:
    """The patterns of tensors that a family leaves out which some of the file have."""
    prefixed = [_add_prefix(chain, p) for chain in family.ignored for p in _beginnings(prefix)]
    return tuple(chain for chain in prefixed if any(chain.pattern.match(name) for name in shapes))


def _grouped(pairs: Iterable[tuple[Rule, set[str]]]) -> list[tuple[Rule, set[str]]]:
    """Equal rules as one, with the parameters of all."""
    groups: dict[tuple[str, str], tuple[Rule, set[str]]] = {}
    for rule, names in pairs:
        groups.setdefault((rule.target.text, str(rule.source)), (rule, set()))[1].update(names)
    return list(groups.values())


def _candidates(family: Family, weight: Weight) -> Iterator[Candidates]:
    """What each set of rules has for a parameter, by its name."""
    net, _, rest = weight.name.partition(".")
    for loading in family.sets:
        for before, name in (("", weight.name), (f"{net}.", rest)):  # Few rules say which net's they are.
            if rules := list(loading.rules_of(name)):
                yield before, rules


def _fitting(candidates: Sequence[Candidates], prefix: str, weight: Weight, shapes: Shapes) -> list[Fit]:
    """The rules of the first set that has one whose tensors are in the file, of the right shapes."""
    for before, rules in candidates:
        fitting = [fit for rule in rules if (fit := _fit(*rule, before, prefix, weight, shapes))]
        if fitting:
            return fitting
    return []


def _fit(rule: Rule, marks: Marks, net: str, prefix: str, weight: Weight, shapes: Shapes) -> Fit | None:
    """The rule in the names of the program and of the file, where its tensors are there and of the right shapes."""
    for before in _beginnings(prefix):
        renamed = _rename_rule(rule, net, before)
        assert renamed.source is not None
        names = tuple(c.pattern.fill(marks) for c in renamed.source.chains)
        if all(n in shapes for n in names) and fits(renamed.filled(marks), names, weight, shapes):
            return renamed, marks, names
    return None


def misfits(family: Family, weights: Iterable[Weight], shapes: Shapes) -> Iterator[tuple[Weight, str]]:
    """The parameters for which a family has a rule whose tensor is in the file and does not fit, each with the tensor's name."""
    prefixes = dict.fromkeys((*_prefixes(shapes), ""))
    for weight in weights:
        names = (weight.name, weight.name.partition(".")[2])
        rules = (pair for loading in family.sets for name in names for pair in loading.rules_of(name))
        tensors = (
            p + c.pattern.fill(marks)
            for rule, marks in rules
            if rule.source
            for c in rule.source.chains
            for p in prefixes
        )
        tensor = next((name for name in tensors if name in shapes), None)
        if tensor is not None and shapes[tensor] != tuple(weight.shape):
            yield weight, tensor


def _without_second_names(fitting: Mapping[str, Sequence[Fit]]) -> dict[str, list[Fit]]:
    """What fits, without second tensors of a parameter that another parameter takes: a head may be tied or not."""
    takers: dict[str, set[str]] = {}
    for parameter, fit in ((p, fit) for p, each in fitting.items() for fit in each):
        for name in fit[2]:
            takers.setdefault(name, set()).add(parameter)
    return {
        parameter: [fit for fit in each if fit is each[0] or all(len(takers[n]) == 1 for n in fit[2])]
        for parameter, each in fitting.items()
    }


def _fill_what_is_one(rule: Rule, names: set[str]) -> Rule:
    """The rule with the numbers that the right side does not have in their places, where they are the same for all parameters."""
    assert rule.source is not None
    asked = set().union(*(chain.numbers for chain in rule.source.chains))
    marks = [marks for name in names if (marks := rule.target.match(name)) is not None]
    spare = rule.target.numbers - asked
    if any(len({m.numbers[n] for m in marks}) > 1 for n in spare):
        return rule
    text = MARK.sub(lambda m: str(marks[0].numbers[m["name"]]) if m["name"] in spare else m[0], rule.target.text)
    return replace(rule, target=Pattern(text, rule.target.span))


def _rename_rule(rule: Rule, net: str, prefix: str) -> Rule:
    assert rule.source is not None
    target = replace(rule.target, text=net + rule.target.text)
    return Rule(target, Source(tuple(_add_prefix(c, prefix) for c in rule.source.chains), rule.source.axis), rule.span)


def _add_prefix(chain: Chain, prefix: str) -> Chain:
    return Chain(Pattern(prefix + chain.pattern.text, chain.pattern.span), chain.steps)
