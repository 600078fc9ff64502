"""`mai weights map`: rules for a file that nobody has written rules for yet, from equal names, families, shapes and order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mai.compiler.ir.graph import Weight
from mai.compiler.weights.equal import equal_names
from mai.compiler.weights.families import Known, known
from mai.compiler.weights.likeness import Group, Shape, groups, likeness, natural
from mai.compiler.weights.load import Used
from mai.compiler.weights.rules import Chain, Cut, Pattern, Step, Transpose, numbered
from mai.spec.source import Source, Span

NEAR = 0.1  # of likeness: what is so much less alike might be meant, too
SHOWN = 3
LETTERS = "ijklmn"


@dataclass(frozen=True, slots=True)
class Line:
    """A rule as text, and what is to be looked at in it."""

    rule: str
    doubt: str = ""

    def doubted(self, why: str) -> Line:
        """With one more doubt."""
        return replace(self, doubt=f"{self.doubt}; {why}" if self.doubt else why)

    def __str__(self) -> str:
        return f"  {self.rule}  # {self.doubt}" if self.doubt else f"  {self.rule}"


@dataclass(slots=True)
class Proposal:
    """A `weights from` to paste: how many parameters find their own names, the family that the others are of, its lines, and
    the parameters for which nothing was found.
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
        """How many lines are to be looked at."""
        return sum(bool(line.doubt) for line in self.lines)


def propose(path: str, weights: Mapping[str, Weight], shapes: Mapping[str, Shape]) -> Proposal:
    """Rules that give each of `weights` a tensor of a file.

    Tensors of the parameters' own names and shapes come first, then a family's rules. What these leave is matched by
    likeness of names and order among tensors of the same shape, transposed or with axes of one before it, the layers of a
    `repeat` together.
    """
    made, used, left = Proposal(path), Used(shapes), dict(weights)
    for pattern, names in equal_names(weights, shapes).items():
        made.lines.append(Line(f'"{pattern.text}" = "{pattern.text}"'))
        made.equal += len(names)
        used.whole.update(names)
        left = {name: w for name, w in left.items() if name not in names}
    family = known(left, {name: shapes[name] for name, _ in used.left()}) if left else None
    if family is not None:
        made.family = family.family
        made.lines += _family_lines(family, used)
        left = {name: w for name, w in left.items() if name not in family.found}
    remaining = {name for name, _ in used.left()}
    for match in _matched({n: w.shape for n, w in left.items()}, {n: shapes[n] for n in natural(remaining)}):
        named = not weights.keys().isdisjoint(set(match.theirs.names) - set(match.ours.names))
        made.lines.append(match.line.doubted("it has the name of another parameter") if named else match.line)
        for name in match.theirs.names:
            used.whole.add(name)
        for name in match.ours.names:
            left.pop(name)
    made.lines += _ignored(used, shapes)
    made.lacking = list(left.values())
    return made


def _family_lines(family: Known, used: Used) -> Iterator[Line]:
    for rule, names in family.rules.items():
        assert rule.source is not None
        for name in names:
            found = rule.target.found(name)
            assert found is not None
            for chain in rule.source.chains:
                used.mark(chain.pattern.filled(found), chain)
        chains = ", ".join(map(str, rule.source.chains))
        joined = chains if len(rule.source.chains) == 1 else f"concat({chains}, axis = {rule.source.axis})"
        yield Line(f'"{rule.target.text}" = {joined}')
    for chain in family.ignored:
        if _ignores(chain, used):
            yield Line(f"ignore {chain}")


def _ignores(chain: Chain, used: Used) -> bool:
    """Whether anything is left of what a family leaves out; it is left out then."""
    names = [name for name, _ in used.left() if chain.pattern.found(name)]
    for name in names:
        used.ignore(name, chain)
    return bool(names)


def _ignored(used: Used, shapes: Mapping[str, Shape]) -> Iterator[Line]:
    alike: dict[str, list[str]] = {}
    for name in natural(name for name, _ in used.left()):
        alike.setdefault(numbered(name), []).append(name)
    for pattern, names in alike.items():
        text = pattern if len(names) > 1 else names[0]
        yield Line(f'ignore "{text}"', f"nothing takes it: {list(shapes[names[0]])}")


# ------------------------------------------------------------------ by likeness


@dataclass(frozen=True, slots=True)
class Match:
    """Parameters and the tensors that they are to take; `others` are tensors that fit nearly as well."""

    ours: Group
    theirs: Group
    steps: tuple[Step, ...]
    odd: bool  # whether it is transposed and the other matrices are not, or the other way round
    words: float
    order: float
    others: tuple[str, ...] = ()

    @property
    def renamed(self) -> bool:
        """Whether the names are the same but for that of the net."""
        return bool(self.ours.tail) and self.ours.tail == self.theirs.tail

    @property
    def line(self) -> Line:
        doubts = []
        if self.others:
            doubts.append(f"ambiguous: {', '.join(f'`{o}`' for o in self.others)} fits as well")
        if Transpose() in self.steps and self.ours.shape[0] == self.ours.shape[1]:
            doubts.append("ambiguous: it is square, and transposed because others are")
        target, source = _texts(self.ours, self.theirs)
        return Line(f'"{target}" = {Chain(_pattern(source), self.steps)}', "; ".join(doubts))


def _matched(ours: Mapping[str, Shape], theirs: Mapping[str, Shape]) -> list[Match]:
    """Groups of layers first, then single tensors; matrices all as they are or all transposed, whichever fits more."""
    ways = [list(_passes(ours, theirs, turned)) for turned in (False, True)]
    return max(ways, key=lambda way: sum(len(m.ours.members) for m in way if not m.odd))


def _passes(ours: Mapping[str, Shape], theirs: Mapping[str, Shape], turned: bool) -> Iterator[Match]:
    """The likest pairs, each group and each tensor once; what the rest of the matrices leaves may be the other way round."""
    linked: dict[str, str] = {}
    for odd, whole in ((False, True), (False, False), (True, True), (True, False)):
        here, there = _grouped(ours, whole), _grouped(theirs, whole)
        pairs = [m for a in here for b in there if (m := _match(a, b, turned, odd)) is not None]
        taken = list(_greedy(pairs, linked))
        yield from taken
        ours = _without(ours, [m.ours for m in taken])
        theirs = _without(theirs, [m.theirs for m in taken])


def _grouped(shapes: Mapping[str, Shape], whole: bool) -> list[Group]:
    """Groups of several; or each name for itself."""
    if whole:
        return [g for g in groups(shapes) if len(g.members) > 1]
    total = max(1, len(shapes) - 1)
    return [Group((name,), shape, (((), name),), place / total) for place, (name, shape) in enumerate(shapes.items())]


def _without(shapes: Mapping[str, Shape], taken: Sequence[Group]) -> dict[str, Shape]:
    gone = {name for group in taken for name in group.names}
    return {name: shape for name, shape in shapes.items() if name not in gone}


def _match(ours: Group, theirs: Group, turned: bool, odd: bool) -> Match | None:
    """A pair that could be meant: the shapes fit, and the layers are the same but for where they count from."""
    steps = _steps(theirs.shape, ours.shape, turned is not odd)
    if steps is None or len(ours.members) != len(theirs.members) or _offsets(ours, theirs) is None:
        return None
    order = 1 - abs(ours.place - theirs.place)
    return Match(ours, theirs, steps, odd, likeness(ours, theirs), order)


def _steps(there: Shape, here: Shape, turned: bool) -> tuple[Step, ...] | None:
    """What makes the one shape of the other; None where nothing simple does, or only the other way round."""
    if len(here) == 2 and turned and there == (here[1], here[0]):
        return (Transpose(),)
    if there == here:
        return None if len(here) == 2 and turned else ()
    ones = len(there) - len(here)
    return (Cut((0,) * ones),) if ones > 0 and there == (1,) * ones + here else None


def _offsets(ours: Group, theirs: Group) -> tuple[int, ...] | None:
    """How much later the layers of the file count; None where they are others."""
    first, second = ours.numbers, theirs.numbers
    if len(first[0]) != len(second[0]):
        return None
    offsets = tuple(b - a for a, b in zip(first[0], second[0], strict=True))
    shifted = [tuple(n + o for n, o in zip(numbers, offsets, strict=True)) for numbers in first]
    return offsets if shifted == second else None


def _greedy(pairs: Iterable[Match], linked: dict[str, str]) -> Iterator[Match]:
    """The best pair, again and again: first what fits nothing else, and the bias of a layer whose weight is known.

    `linked` has the layers that were found before, and gets those that are found here.
    """
    left = list(pairs)
    while left:
        counts = Counter(name for m in left for name in (m.ours.names[0], m.theirs.names[0]))
        best = max(left, key=lambda m: _score(m, linked, counts))
        near = [m for m in left if m.ours is best.ours and m is not best and m.words > best.words - NEAR]
        near = [m for m in near if m.renamed] if best.renamed else near
        known = linked.get(best.ours.stem) == best.theirs.stem
        others = () if known else tuple(_texts(m.ours, m.theirs)[1] for m in near[:SHOWN])
        yield replace(best, others=others)
        linked.setdefault(best.ours.stem, best.theirs.stem)
        gone = {*best.ours.names, *best.theirs.names}
        left = [m for m in left if gone.isdisjoint(m.ours.names) and gone.isdisjoint(m.theirs.names)]


def _score(match: Match, linked: Mapping[str, str], counts: Mapping[str, int]) -> float:
    """How much speaks for a pair: words, order, that nothing else fits, and that its layer is known, or another's; more than
    all of these, that only the net is called otherwise.
    """
    only = counts[match.ours.names[0]] == 1 and counts[match.theirs.names[0]] == 1
    layer = linked.get(match.ours.stem)
    known = 0.0 if layer is None else 1.0 if layer == match.theirs.stem else -1.0
    return 0.8 * match.words + 0.2 * match.order + 0.5 * only + known + 4 * match.renamed


def _texts(ours: Group, theirs: Group) -> tuple[str, str]:
    """Both names, the layers' numbers as `{i}` and `{i + 1}`."""
    offsets = _offsets(ours, theirs) or ()
    here = [f"{{{letter}}}" for letter, _ in zip(LETTERS, offsets, strict=False)]
    there = [_counted(letter, offset) for letter, offset in zip(LETTERS, offsets, strict=False)]
    return _joined(ours.parts, here), _joined(theirs.parts, there)


def _counted(letter: str, offset: int) -> str:
    return f"{{{letter}}}" if not offset else f"{{{letter} {'+' if offset > 0 else '-'} {abs(offset)}}}"


def _joined(parts: Sequence[str], marks: Sequence[str]) -> str:
    return "".join(part + mark for part, mark in zip(parts, (*marks, ""), strict=True))


def _pattern(text: str) -> Pattern:
    return Pattern(text, Span(Source("", ""), 0, 0))
