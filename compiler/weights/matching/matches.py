"""Which modules of a file are which of a spec: by their tensors first, then by the words of names, and by order.

A pair is certain where nothing else fits either side, or where names decide. What is certain is taken away, which may make
others certain; the pairs that are left are likely alone, and each of them names what fits as well.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from mai.compiler.weights.matching.likeness import (
    Group,
    Shape,
    Tensors,
    layer_groups,
    likeness,
    single_groups,
    split_name,
)
from mai.compiler.weights.rules import Cut, Step, Transpose


@dataclass(frozen=True, slots=True)
class Pair:
    """A tensor of our modules, one of the file's, and the steps that turn the second into the first."""

    ours: str
    theirs: str
    shape: Shape
    steps: tuple[Step, ...]


@dataclass(frozen=True, eq=False)
class Match:
    """Modules and those of the file that they are to take.

    Attributes:
        ours, theirs: the modules.
        pairs: of their tensors.
        odd: whether matrices are transposed and most are not, or the other way round.
        apart: whether each is one tensor of a module, and not all of them.
        others: the pairs that may be meant instead of it.
    """

    ours: Group
    theirs: Group
    pairs: tuple[Pair, ...]
    odd: bool
    apart: bool
    others: tuple[Match, ...] = ()

    @property
    def certain(self) -> bool:
        """Whether nothing else fits as well."""
        return not self.others

    @property
    def tensors(self) -> int:
        """How many parameters it gives a tensor."""
        return len(self.ours.members) * len(self.pairs)

    @cached_property
    def names(self) -> tuple[frozenset[str], frozenset[str]]:
        """The names of all parameters and of all tensors of the file."""
        return self.ours.all_names, self.theirs.all_names

    @cached_property
    def renamed(self) -> bool:
        """Whether the names are the same but for the net in front."""
        same = all(pair.ours == pair.theirs for pair in self.pairs)
        return same and bool(self.ours.tail) and self.ours.tail == self.theirs.tail

    @cached_property
    def shared(self) -> frozenset[str]:
        """The words that both names have."""
        return self.ours.words & self.theirs.words

    @cached_property
    def words(self) -> float:
        """How alike the words of the names are, from 0 to 1."""
        return likeness(self.ours, self.theirs)


def best_matches(ours: Mapping[str, Shape], theirs: Mapping[str, Shape]) -> list[Match]:
    """Matches with all matrices as they are, or with all transposed, whichever covers more parameters."""
    candidates = [Matching(ours, theirs, transposed).matches() for transposed in (False, True)]
    return max(candidates, key=lambda matches: sum(m.tensors for m in matches if not m.odd))


class Matching:
    """Pairs modules with those of a file: each parameter and each tensor is in one pair at most.

    Args:
        ours, theirs: the shapes of the parameters, and of the file's tensors, by name in the order of their definition.
        transposed: whether matrices of the file are transposed.
    """

    def __init__(self, ours: Mapping[str, Shape], theirs: Mapping[str, Shape], transposed: bool) -> None:
        self._ours, self._transposed = ours, transposed
        self._theirs = {name: shape for name, shape in theirs.items() if _fits_any(shape, set(ours.values()))}
        self._matches: list[Match] = []
        self._links: dict[str, Match] = {}  # By the module of ours.

    def matches(self) -> list[Match]:
        """All pairs: of all layers, then single ones; then matrices the other way round; modules as a whole, then tensors alone."""
        for layers in (True, False):
            for odd in (False, True):
                for apart in (False, True):
                    self._match(apart, odd, layers)
        return [self._compared(match) for match in self._matches]

    def _match(self, apart: bool, odd: bool, layers: bool) -> None:
        """One pass; what an earlier one has paired with doubt may be meant here as well, and is compared, too."""
        fixed = [m for m in self._matches if m.certain or (len(m.ours.members) > 1) is not layers]
        here = _groups(_without(self._ours, [m.names[0] for m in fixed]), apart, layers)
        there = _groups(_without(self._theirs, [m.names[1] for m in fixed]), apart, layers)
        fits = list(_fits(here, there, self._transposed is not odd, odd, apart))
        taken = Taken(self._matches)
        while certain := list(self._decide(fits, taken)):
            for match in certain:
                self._add(match)
            sure = Taken(certain)
            fits = [m for m in fits if sure.is_free(m)]
        for match in self._guess(fits, taken):
            self._add(match)

    def _add(self, match: Match) -> None:
        self._matches.append(match)
        self._links.setdefault(match.ours.stem, match)

    def _decide(self, fits: list[Match], taken: Taken) -> Iterator[Match]:
        """The pairs that nothing else fits; once these are taken away, others may be such."""
        near = Neighbours(fits)
        for match in fits:
            if taken.is_free(match) and all(self._beats(match, other) for other in near.of(match)):
                taken.add(match)
                yield match

    def _guess(self, fits: list[Match], taken: Taken) -> Iterator[Match]:
        """The likeliest of the pairs that are left, each with what fits as well."""
        near, order = Neighbours(fits), _orders(fits)
        for match in sorted(fits, key=lambda m: self._score(m) + 0.2 * order[m], reverse=True):
            if taken.is_free(match) and (match.words or self._link(match) > 0):  # A shape of several is no reason.
                taken.add(match)
                yield replace(match, others=tuple(m for m in near.of(match) if not self._beats(match, m)))

    def _link(self, match: Match, certain: bool = False) -> int:
        """1 where its modules are paired already, -1 where ours is paired with another, else 0."""
        link = self._links.get(match.ours.stem)
        if link is None or (certain and not link.certain):
            return 0
        return 1 if link.theirs.stem == match.theirs.stem else -1

    def _beats(self, match: Match, other: Match) -> bool:
        """Whether it is certain that a pair is meant, and not another one of the same tensors.

        Its modules are paired, or the names are the same but for the net, or they have all the words in common that the other
        names have, and one more.
        """
        links = self._link(match, certain=True), self._link(other, certain=True)
        if links[0] != links[1]:
            return links[0] > links[1]
        if match.renamed is not other.renamed:
            return match.renamed
        return len(match.ours.members) > len(other.ours.members) or other.shared < match.shared

    def _score(self, match: Match) -> float:
        """How much speaks for a pair: that only the net's name differs, that its modules are paired already, its words."""
        return 4 * match.renamed + self._link(match) + 0.8 * match.words

    def _compared(self, match: Match) -> Match:
        """A certain pair with what is left over at the end and fits as well."""
        if not match.certain or match.renamed:
            return match
        ours = _left(self._ours, [m.names[0] for m in self._matches], match.apart)
        theirs = _left(self._theirs, [m.names[1] for m in self._matches], match.apart)
        near = self._left_beside(match, [match.ours], theirs), self._left_beside(match, ours, [match.theirs])
        return replace(match, others=(*near[0], *near[1]))

    def _left_beside(self, match: Match, ours: Sequence[Group], theirs: Sequence[Group]) -> list[Match]:
        """Pairs of its tensors with single ones that are left over: of a pair of layers, with as many as it has."""
        here, there = ([single for group in groups for single in _tensors(group)] for groups in (ours, theirs))
        fits = (fit for transposed in (False, True) for fit in _fits(here, there, transposed, match.odd, apart=True))
        pairs = [fit for fit in fits if not self._beats(match, fit)]
        return pairs if len(pairs) >= len(match.ours.members) else []


class Taken:
    """The names that are in pairs already."""

    def __init__(self, matches: Sequence[Match]) -> None:
        self._ours: set[str] = set()
        self._theirs: set[str] = set()
        for match in matches:
            self.add(match)

    def add(self, match: Match) -> None:
        """Take the tensors of a pair."""
        self._ours |= match.names[0]
        self._theirs |= match.names[1]

    def is_free(self, match: Match) -> bool:
        """Whether no tensor of a pair is taken."""
        return self._ours.isdisjoint(match.names[0]) and self._theirs.isdisjoint(match.names[1])


class Neighbours:
    """Of each pair, the others with one of its tensors."""

    def __init__(self, fits: Sequence[Match]) -> None:
        self._by_name: dict[tuple[int, str], list[Match]] = defaultdict(list)
        for match in fits:
            for side, names in enumerate(match.names):
                for name in names:
                    self._by_name[side, name].append(match)

    def of(self, match: Match) -> Iterator[Match]:
        """The others, those with a tensor of ours first."""
        seen = {match}
        for side, names in enumerate(match.names):
            for name in sorted(names):
                for other in self._by_name[side, name]:
                    if other not in seen:
                        seen.add(other)
                        yield other


def _fits_any(shape: Shape, ours: set[Shape]) -> bool:
    return any(_steps(shape, here, transposed) is not None for here in ours for transposed in (False, True))


def _without(shapes: Mapping[str, Shape], taken: Sequence[frozenset[str]]) -> dict[str, Shape]:
    names = frozenset[str]().union(*taken)
    return {name: shape for name, shape in shapes.items() if name not in names}


def _left(shapes: Mapping[str, Shape], taken: Sequence[frozenset[str]], apart: bool) -> list[Group]:
    """Tensors that are left over; unless `apart` without those whose module is another's already."""
    left = _without(shapes, taken)
    modules = {split_name(name)[0] for name in shapes.keys() - left.keys()} if not apart else set()
    return _groups({n: s for n, s in left.items() if split_name(n)[0] not in modules}, apart=True, layers=False)


def _groups(shapes: Mapping[str, Shape], apart: bool, layers: bool) -> list[Group]:
    """Modules with all their tensors, or each tensor `apart`; those of several `layers` together, or each for itself."""
    modules: dict[tuple[str, str], list[tuple[str, Shape]]] = {}
    for name, shape in shapes.items():
        module, part = split_name(name)
        modules.setdefault((module, part if apart else ""), []).append((part, shape))
    whole: list[tuple[str, Tensors]] = [(module, tuple(tensors)) for (module, _), tensors in modules.items()]
    return layer_groups(whole) if layers else single_groups(whole)


def _tensors(group: Group) -> Iterator[Group]:
    """Each of its tensors, of its first module."""
    for tensor in group.tensors:
        yield Group((group.members[0][1],), (((), group.members[0][1]),), (tensor,), group.place)


def _orders(fits: Sequence[Match]) -> dict[Match, float]:
    """How near the places of both sides are, each counted among modules of its own tensors, from 0 to 1."""
    ours, theirs = _ranks([m.ours for m in fits]), _ranks([m.theirs for m in fits])
    most = max([1, *ours.values(), *theirs.values()])
    return {m: 1 - abs(ours[m.ours] - theirs[m.theirs]) / most for m in fits}


def _ranks(groups: Sequence[Group]) -> dict[Group, int]:
    """The place of each group among those of the same shapes."""
    alike: dict[tuple[Shape, ...], dict[Group, None]] = {}
    for group in sorted(groups, key=lambda g: g.place):
        alike.setdefault(tuple(shape for _, shape in group.tensors), {})[group] = None
    return {group: rank for same in alike.values() for rank, group in enumerate(same)}


def _fits(ours: Sequence[Group], theirs: Sequence[Group], transposed: bool, odd: bool, apart: bool) -> Iterator[Match]:
    """All pairs that fit."""
    alike: dict[tuple[int, ...], list[Group]] = defaultdict(list)
    for group in theirs:
        alike[group.sizes].append(group)
    for group in ours:
        for other in alike[group.sizes]:
            match = _fit(group, other, transposed, odd, apart)
            if match is not None:
                yield match


def _fit(ours: Group, theirs: Group, transposed: bool, odd: bool, apart: bool) -> Match | None:
    """A pair whose tensors fit and whose layers are counted alike, `{i}` as `{i + 1}` or `{2 * i}`; else None."""
    if number_counts(ours, theirs) is None:
        return None
    if not apart and ours.roles.keys() != theirs.roles.keys():
        return None
    partners = theirs.tensors if apart else [theirs.roles[role] for role in ours.roles]
    pairs = []
    for (part, shape), (other, there) in zip(ours.tensors if apart else ours.roles.values(), partners, strict=True):
        steps = _steps(there, shape, transposed)
        if steps is None:
            return None
        pairs.append(Pair(part, other, shape, steps))
    return Match(ours, theirs, tuple(pairs), odd, apart)


def _steps(there: Shape, here: Shape, transposed: bool) -> tuple[Step, ...] | None:
    """The steps from the file's shape to the parameter's; None where there are none, or matrices are the other way round."""
    if len(here) == 2 and transposed and there == (here[1], here[0]):
        return (Transpose(),)
    if there == here:
        return None if len(here) == 2 and transposed else ()
    ones = len(there) - len(here)
    return (Cut((0,) * ones),) if ones > 0 and there == (1,) * ones + here else None


def number_counts(ours: Group, theirs: Group) -> tuple[tuple[int, int], ...] | None:
    """How the file counts our layers, each of their numbers n as a n + b: (a, b). None where it does not count so."""
    first, second = ours.numbers, theirs.numbers
    if first == second:
        return ((1, 0),) * len(first[0])
    if len(first[0]) != len(second[0]):
        return None
    counts = [_count(a, b) for a, b in zip(zip(*first, strict=True), zip(*second, strict=True), strict=True)]
    return None if None in counts else tuple(c for c in counts if c is not None)


def _count(ours: Sequence[int], theirs: Sequence[int]) -> tuple[int, int] | None:
    """The a and b with a n + b in `theirs` for each n of `ours`; None where there are none with a positive a."""
    low, high = ours.index(min(ours)), ours.index(max(ours))
    step = ours[high] - ours[low]
    times = (theirs[high] - theirs[low]) // step if step else 1
    plus = theirs[low] - times * ours[low]
    fits = times > 0 and all(times * n + plus == m for n, m in zip(ours, theirs, strict=True))
    return (times, plus) if fits else None
