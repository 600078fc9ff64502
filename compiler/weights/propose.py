"""`mai weights map`: proposes rules for a file, from equal names, known families, shapes and the order of names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase

from mai.compiler.ir.graph import Weight
from mai.compiler.weights.equal import equal_names
from mai.compiler.weights.families import NO_CONSTANTS, Family, FamilyMatch, find_family, match_families
from mai.compiler.weights.likeness import Group, Shape, group_names, likeness, natural_order
from mai.compiler.weights.load import Usage
from mai.compiler.weights.rules import Chain, Cut, Pattern, Step, Transpose, layer_pattern
from mai.spec.source import Source, Span

NEAR = 0.1  # A pair whose words are less alike than the best by so much might be meant, too.
MAX_OTHERS = 3  # Of the pairs that might be meant, how many are named.
LETTERS = "ijklmn"


@dataclass(frozen=True, slots=True)
class Line:
    """A rule as text, and the reason to look at it, if there is one."""

    rule: str
    doubt: str = ""

    def with_doubt(self, why: str) -> Line:
        """The same rule with one more reason to look at it."""
        return replace(self, doubt=f"{self.doubt}; {why}" if self.doubt else why)

    def __str__(self) -> str:
        return f"  {self.rule}  # {self.doubt}" if self.doubt else f"  {self.rule}"


@dataclass(slots=True)
class Proposal:
    """A `weights from` block to paste.

    Attributes:
        path: of the file.
        equal: how many parameters have a tensor of their own name.
        family: the known network whose rules the others follow.
        lines: the rules.
        lacking: the parameters that no tensor fits.
    """

    path: str
    equal: int = 0
    family: str | None = None
    lines: list[Line] = field(default_factory=list)
    lacking: list[Weight] = field(default_factory=list)

    def __str__(self) -> str:
        lacking = [f'  # no tensor of the file fits "{w.name}" {list(w.shape)}' for w in self.lacking]
        return "\n".join([f'weights from "{self.path}" {{', *map(str, self.lines), *lacking, "}"])

    @property
    def doubts(self) -> int:
        """How many lines have a doubt."""
        return sum(bool(line.doubt) for line in self.lines)


def propose(
    path: str,
    weights: Mapping[str, Weight],
    shapes: Mapping[str, Shape],
    constants: Mapping[str, int | float] = NO_CONSTANTS,
) -> Proposal:
    """Propose rules that give each parameter a tensor of a file.

    Parameters with a tensor of their own name and shape come first, then those that a known family has rules for. The
    others are matched by likeness of names and by order, among tensors of the same shape, of the transposed shape, or of
    the shape after axes of size 1; the layers of a `repeat` are matched together.

    Args:
        path: of the file, as the rules will name it.
        weights: the parameters by name.
        shapes: of the tensors in the file, by name.
        constants: of the spec, by which rules may cut: `heads`, `head_width`.
    """
    proposal, usage, left = Proposal(path), Usage(shapes), dict(weights)
    for pattern, names in equal_names(weights, shapes).items():
        proposal.lines.append(Line(f'"{pattern.text}" = "{pattern.text}"'))
        proposal.equal += len(names)
        usage.whole.update(names)
        left = {name: w for name, w in left.items() if name not in names}
    unused = {name: shapes[name] for name, _ in usage.unused()}
    family = find_family(left, unused, constants) if left else None
    if family is not None:
        proposal.family = family.family
        proposal.lines += _family_lines(family, usage)
        left = {name: w for name, w in left.items() if name not in family.parameters}
    remaining = {name for name, _ in usage.unused()}
    for match in _best_matches({n: w.shape for n, w in left.items()}, {n: shapes[n] for n in natural_order(remaining)}):
        taken = not weights.keys().isdisjoint(set(match.theirs.names) - set(match.ours.names))
        line = match.line
        proposal.lines.append(line.with_doubt("it has the name of another parameter") if taken else line)
        for name in match.theirs.names:
            usage.whole.add(name)
        for name in match.ours.names:
            left.pop(name)
    proposal.lines += _ignore_lines(usage, shapes)
    proposal.lacking = list(left.values())
    return proposal


def propose_of_family(
    path: str, weights: Mapping[str, Weight], shapes: Mapping[str, Shape], chosen: Family, spare: Sequence[str] = ()
) -> Proposal:
    """The rules of one family alone; a tensor that they do not name gets no line, those of the patterns `spare` are ignored."""
    left_out = {pattern: {n for n in shapes if fnmatchcase(n, pattern)} for pattern in spare}
    shapes = {n: s for n, s in shapes.items() if not any(n in names for names in left_out.values())}
    family = match_families([chosen], weights, shapes)
    lines = [*_family_lines(family, Usage(shapes)), *(Line(f'ignore "{p}"') for p, names in left_out.items() if names)]
    return Proposal(path, 0, family.family, lines, [w for n, w in weights.items() if n not in family.parameters])


def _family_lines(family: FamilyMatch, usage: Usage) -> Iterator[Line]:
    """The lines of a family's rules; what they take or ignore is marked in `usage`."""
    for rule, names in family.rules:
        assert rule.source is not None
        for name in names:
            marks = rule.target.match(name)
            assert marks is not None
            for chain in rule.source.chains:
                usage.mark(chain.pattern.fill(marks), chain.filled(marks))
        yield Line(f'"{rule.target.text}" = {rule.source}')
    for chain in family.ignored:
        if _mark_ignored(chain, usage):
            yield Line(f"ignore {chain}")


def _mark_ignored(chain: Chain, usage: Usage) -> bool:
    """Mark what a family ignores of the tensors that are left; False where none is left."""
    names = [name for name, _ in usage.unused() if chain.pattern.match(name)]
    for name in names:
        usage.ignore(name, chain)
    return bool(names)


def _ignore_lines(usage: Usage, shapes: Mapping[str, Shape]) -> Iterator[Line]:
    """A doubtful `ignore` for each tensor, or for each name of all layers, that nothing takes."""
    alike: dict[str, list[str]] = {}
    for name in natural_order(name for name, _ in usage.unused()):
        alike.setdefault(layer_pattern(name), []).append(name)
    for pattern, names in alike.items():
        text = pattern if len(names) > 1 else names[0]
        yield Line(f'ignore "{text}"', f"nothing takes it: {list(shapes[names[0]])}")


# ------------------------------------------------------------------ by likeness


@dataclass(frozen=True, slots=True)
class Match:
    """Parameters and the tensors that they are to take.

    Attributes:
        ours, theirs: the parameters, and the tensors of the file.
        steps: what turns a tensor into a parameter.
        odd: whether it is transposed and most matrices are not, or the other way round.
        words: how alike the words of the names are, from 0 to 1.
        order: how near their places among all names are, from 0 to 1.
        others: the names of tensors that fit nearly as well.
    """

    ours: Group
    theirs: Group
    steps: tuple[Step, ...]
    odd: bool
    words: float
    order: float
    others: tuple[str, ...] = ()

    @property
    def renamed(self) -> bool:
        """Whether the names are the same but for the net in front."""
        return bool(self.ours.tail) and self.ours.tail == self.theirs.tail

    @property
    def line(self) -> Line:
        """The rule, doubtful where others fit as well or nothing but its shape says that it is transposed."""
        doubts = []
        if self.others:
            doubts.append(f"ambiguous: {', '.join(f'`{o}`' for o in self.others)} fits as well")
        if Transpose() in self.steps and self.ours.shape[0] == self.ours.shape[1]:
            doubts.append("ambiguous: it is square, and transposed because others are")
        target, source = _pattern_texts(self.ours, self.theirs)
        return Line(f'"{target}" = {Chain(_pattern(source), self.steps)}', "; ".join(doubts))


def _best_matches(ours: Mapping[str, Shape], theirs: Mapping[str, Shape]) -> list[Match]:
    """Matches with all matrices as they are, or with all transposed, whichever covers more parameters."""
    candidates = [list(_match_all(ours, theirs, transposed)) for transposed in (False, True)]
    return max(candidates, key=lambda matches: sum(len(m.ours.members) for m in matches if not m.odd))


def _match_all(ours: Mapping[str, Shape], theirs: Mapping[str, Shape], transposed: bool) -> Iterator[Match]:
    """The likeliest pairs, in four passes: groups of layers, single tensors, then both with matrices the other way round.

    Each parameter and each tensor is in one pair.
    """
    linked: dict[str, str] = {}
    for odd, whole in ((False, True), (False, False), (True, True), (True, False)):
        here, there = _grouped(ours, whole), _grouped(theirs, whole)
        pairs = [m for a in here for b in there if (m := _match(a, b, transposed, odd)) is not None]
        matches = list(_greedy(pairs, linked))
        yield from matches
        ours = _without(ours, [m.ours for m in matches])
        theirs = _without(theirs, [m.theirs for m in matches])


def _grouped(shapes: Mapping[str, Shape], whole: bool) -> list[Group]:
    """Groups of several names where `whole`, else each name for itself."""
    if whole:
        return [g for g in group_names(shapes) if len(g.members) > 1]
    total = max(1, len(shapes) - 1)
    return [Group((name,), shape, (((), name),), place / total) for place, (name, shape) in enumerate(shapes.items())]


def _without(shapes: Mapping[str, Shape], taken: Sequence[Group]) -> dict[str, Shape]:
    names = {name for group in taken for name in group.names}
    return {name: shape for name, shape in shapes.items() if name not in names}


def _match(ours: Group, theirs: Group, transposed: bool, odd: bool) -> Match | None:
    """A pair whose shapes fit and whose layers are counted alike, `{i}` as `{i + 1}` or `{2 * i}`; else None."""
    steps = _steps(theirs.shape, ours.shape, transposed is not odd)
    if steps is None or len(ours.members) != len(theirs.members) or _offsets(ours, theirs) is None:
        return None
    order = 1 - abs(ours.place - theirs.place)
    return Match(ours, theirs, steps, odd, likeness(ours, theirs), order)


def _steps(there: Shape, here: Shape, transposed: bool) -> tuple[Step, ...] | None:
    """The steps from the file's shape to the parameter's; None where there are none, or matrices are the other way round."""
    if len(here) == 2 and transposed and there == (here[1], here[0]):
        return (Transpose(),)
    if there == here:
        return None if len(here) == 2 and transposed else ()
    ones = len(there) - len(here)
    return (Cut((0,) * ones),) if ones > 0 and there == (1,) * ones + here else None


def _offsets(ours: Group, theirs: Group) -> tuple[tuple[int, int], ...] | None:
    """How the file counts our layers, each of their numbers n as a n + b: (a, b). None where it does not count so."""
    first, second = ours.numbers, theirs.numbers
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


def _greedy(pairs: Iterable[Match], linked: dict[str, str]) -> Iterator[Match]:
    """Take the pair with the best score, again and again, until none is left.

    `linked` says which layers of the file belong to which of ours, from the pairs so far: so the bias of a layer follows its
    weight. It is extended by the pairs that are taken here.
    """
    left = list(pairs)
    while left:
        counts = Counter(name for m in left for name in (m.ours.names[0], m.theirs.names[0]))
        best = max(left, key=lambda m: _score(m, linked, counts))
        if not best.words and not _is_only(best, counts) and linked.get(best.ours.stem) != best.theirs.stem:
            left = [m for m in left if m.words or m.ours.shape != best.ours.shape]  # A shape of several is no reason.
            continue
        near = [m for m in left if m.ours is best.ours and m is not best and m.words > best.words - NEAR]
        near = [m for m in near if m.renamed] if best.renamed else near
        is_linked = linked.get(best.ours.stem) == best.theirs.stem
        others = () if is_linked else tuple(_pattern_texts(m.ours, m.theirs)[1] for m in near[:MAX_OTHERS])
        yield replace(best, others=others)
        linked.setdefault(best.ours.stem, best.theirs.stem)
        matched = {*best.ours.names, *best.theirs.names}
        left = [m for m in left if matched.isdisjoint(m.ours.names) and matched.isdisjoint(m.theirs.names)]


def _is_only(match: Match, counts: Mapping[str, int]) -> bool:
    """Whether neither side fits anything else."""
    return counts[match.ours.names[0]] == 1 and counts[match.theirs.names[0]] == 1


def _score(match: Match, linked: Mapping[str, str], counts: Mapping[str, int]) -> float:
    """How much speaks for a pair: its words, its order, that nothing else fits, and that its layers are linked already.

    Layers linked to others speak against it. More than all of these counts that the names differ in the net alone.
    """
    only = _is_only(match, counts)
    layer, link = linked.get(match.ours.stem), 0.0
    if layer is not None:
        link = 1.0 if layer == match.theirs.stem else -1.0
    return 0.8 * match.words + 0.2 * match.order + 0.5 * only + link + 4 * match.renamed


def _pattern_texts(ours: Group, theirs: Group) -> tuple[str, str]:
    """The patterns of both, the layers' numbers as `{i}`, and in the file as `{i}`, `{i + 1}` or `{2 * i}`."""
    offsets = _offsets(ours, theirs) or ()
    here = [f"{{{letter}}}" for letter, _ in zip(LETTERS, offsets, strict=False)]
    there = [_number_mark(letter, *count) for letter, count in zip(LETTERS, offsets, strict=False)]
    return _interleave(ours.parts, here), _interleave(theirs.parts, there)


def _number_mark(letter: str, times: int, plus: int) -> str:
    counted = letter if times == 1 else f"{times} * {letter}"
    return f"{{{counted}}}" if not plus else f"{{{counted} {'+' if plus > 0 else '-'} {abs(plus)}}}"


def _interleave(parts: Sequence[str], marks: Sequence[str]) -> str:
    return "".join(part + mark for part, mark in zip(parts, (*marks, ""), strict=True))


def _pattern(text: str) -> Pattern:
    return Pattern(text, Span(Source("", ""), 0, 0))
