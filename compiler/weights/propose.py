"""`mai weights map`: proposes rules for a file, from equal names, known families, shapes and the order of names."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path

from mai.compiler.ir.graph import Weight
from mai.compiler.weights.equal import equal_names
from mai.compiler.weights.families import NO_CONSTANTS, Family, FamilyMatch, find_family, match_families
from mai.compiler.weights.load import Usage
from mai.compiler.weights.matching.likeness import Shape, natural_order
from mai.compiler.weights.matching.matches import Match, Pair, best_matches, number_counts
from mai.compiler.weights.rules import Chain, Pattern, Transpose, layer_pattern
from mai.spec import ast, prelude_parts
from mai.spec.diagnostics import Reporter
from mai.spec.parsing.parse import load_source, parse
from mai.spec.source import Source, Span

MAX_OTHERS = 3  # Of the pairs that might be meant, how many are named.
LETTERS = "ijklmn"
MARK = "_00_"  # Between the name of a spec's own layer and its number, while rules are sought.


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
    own: Collection[str] = (),
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
        own: names of mai's layers that the spec has for layers of its own. What is known of the first says nothing of these.
    """
    proposal, usage, left = Proposal(path), Usage(shapes), dict(weights)
    for pattern, names in equal_names(weights, shapes).items():
        proposal.lines.append(Line(f'"{pattern.text}" = "{pattern.text}"'))
        proposal.equal += len(names)
        usage.whole.update(names)
        left = {name: w for name, w in left.items() if name not in names}
    written, of_own = weights.keys(), _of_own(own)
    weights, left = (
        {n: replace(w, name=n) for w in part.values() for n in [of_own(w.name)]} for part in (weights, left)
    )
    unused = {name: shapes[name] for name, _ in usage.unused()}
    family = find_family(left, unused, constants) if left else None
    if family is not None:
        proposal.family = family.family
        proposal.lines += _family_lines(family, usage)
        left = {name: w for name, w in left.items() if name not in family.parameters}
    remaining = {name for name, _ in usage.unused()}
    matches = best_matches({n: w.shape for n, w in left.items()}, _in_order(shapes, remaining))
    for match in sorted(matches, key=lambda m: list(weights).index(m.ours.names[0])):
        taken = not written.isdisjoint(set(match.theirs.names) - set(match.ours.names))
        for line in _match_lines(match):
            proposal.lines.append(line.with_doubt("it has the name of another parameter") if taken else line)
        for name in match.theirs.names:
            usage.whole.add(name)
        for name in match.ours.names:
            left.pop(name)
    proposal.lines += _ignore_lines(usage, shapes)
    proposal.lines = [Line(line.rule.replace(MARK, "_"), line.doubt.replace(MARK, "_")) for line in proposal.lines]
    proposal.lacking = [replace(weight, name=weight.name.replace(MARK, "_")) for weight in left.values()]
    return proposal


def own_layers(file: ast.File) -> frozenset[str]:
    """The names of mai's layers that a file, or one that it imports, gives to layers of its own; it has no mistakes."""
    names = {d.name.id for d in file.declarations if isinstance(d, ast.Function)} & prelude_parts().keys()
    for declaration in file.declarations:
        if isinstance(declaration, ast.Import):
            path, report = Path(file.source.path).parent / declaration.path.value, Reporter()
            names |= own_layers(parse(load_source(path, report), report)) if path.is_file() else frozenset()
    return frozenset(names)


def _of_own(layers: Collection[str]) -> Callable[[str], str]:
    """Writes the names of parameters so that no rule takes one of these layers for another one with its name: `attention_00_1`."""
    calls = re.compile(rf"(?<![\w])({'|'.join(map(re.escape, layers)) or '(?!)'})_(?=\d+(?:\.|$))")
    return lambda name: calls.sub(rf"\1{MARK}", name)


def _in_order(shapes: Mapping[str, Shape], names: set[str]) -> dict[str, Shape]:
    """Tensors in the order of the file, which is that of their definition unless the file sorts them by name."""
    listed = [name for name in shapes if name in names]
    return {name: shapes[name] for name in (natural_order(names) if listed == sorted(listed) else listed)}


def propose_of_family(
    path: str, weights: Mapping[str, Weight], shapes: Mapping[str, Shape], chosen: Family, spare: Sequence[str] = ()
) -> Proposal:
    """The rules of one family alone, those of a pipeline by the names of their sets; a tensor that they do not name gets no line, those of the patterns `spare` are ignored."""
    left_out = {pattern: {n for n in shapes if fnmatchcase(n, pattern)} for pattern in spare}
    shapes = {n: s for n, s in shapes.items() if not any(n in names for names in left_out.values())}
    ignored = [Line(f'ignore "{p}"') for p, names in left_out.items() if names]
    if lines := _lines_of_parts(chosen, weights, shapes):
        return Proposal(path, 0, chosen.name, [*lines, *ignored])
    family = match_families([chosen], weights, shapes)
    lines = [*_family_lines(family, Usage(shapes)), *ignored]
    return Proposal(path, 0, family.family, lines, [w for n, w in weights.items() if n not in family.parameters])


def _lines_of_parts(chosen: Family, weights: Mapping[str, Weight], shapes: Mapping[str, Shape]) -> list[Line]:
    """The sets of a pipeline's family by their names, each for its net; none where a net takes of several sets, or lacks a tensor."""
    lines: list[Line] = []
    names: list[str] = []
    for name, part, loading in chosen.parts:
        own = {n: shape for n, shape in shapes.items() if n.startswith(f"{part}.")}
        match = match_families([Family((loading,))], weights, own)
        nets = dict.fromkeys(weight.partition(".")[0] for weight in match.parameters)
        lines += [Line(f'"{net}.*" = family("{name}", "{part}")') for net in nets]
        names += match.parameters
    targets = {line.rule.partition(" ")[0] for line in lines}
    return lines if sorted(names) == sorted(weights) and len(targets) == len(lines) else []


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


# ------------------------------------------------------------------ lines of pairs


def _match_lines(match: Match) -> Iterator[Line]:
    """The rules of a pair, doubtful where others fit as well or nothing but its shape says that one is transposed."""
    for pair in match.pairs:
        doubts = [*_as_well(match, pair)]
        if Transpose() in pair.steps and pair.shape[0] == pair.shape[1]:
            doubts.append("ambiguous: it is square, and transposed because others are")
        here, there = _pattern_texts(match)
        source = Chain(_pattern(there + pair.theirs), pair.steps)
        yield Line(f'"{here}{pair.ours}" = {source}', "; ".join(doubts))


def _as_well(match: Match, pair: Pair) -> Iterator[str]:
    """A doubt where other tensors of the file, or else other parameters, fit as well."""
    if match.certain:
        return
    theirs = {_pattern_texts(m)[1] + p.theirs for m in match.others for p in m.pairs if p.ours == pair.ours}
    ours = {_pattern_texts(m)[0] + p.ours for m in match.others for p in m.pairs if p.theirs == pair.theirs}
    both = _pattern_texts(match)
    others = natural_order(theirs - {both[1] + pair.theirs}) or natural_order(ours - {both[0] + pair.ours})
    named = ", ".join(f"`{other}`" for other in others[:MAX_OTHERS])
    yield f"ambiguous: {named} {'fits' if len(others) == 1 else 'fit'} as well"


def _pattern_texts(match: Match) -> tuple[str, str]:
    """The patterns of both modules, the layers' numbers as `{i}`, and in the file as `{i}`, `{i + 1}` or `{2 * i}`."""
    offsets = number_counts(match.ours, match.theirs) or ()
    here = [f"{{{letter}}}" for letter, _ in zip(LETTERS, offsets, strict=False)]
    there = [_number_mark(letter, *count) for letter, count in zip(LETTERS, offsets, strict=False)]
    return _interleave(match.ours.parts, here), _interleave(match.theirs.parts, there)


def _number_mark(letter: str, times: int, plus: int) -> str:
    counted = letter if times == 1 else f"{times} * {letter}"
    return f"{{{counted}}}" if not plus else f"{{{counted} {'+' if plus > 0 else '-'} {abs(plus)}}}"


def _interleave(parts: Sequence[str], marks: Sequence[str]) -> str:
    return "".join(part + mark for part, mark in zip(parts, (*marks, ""), strict=True))


def _pattern(text: str) -> Pattern:
    return Pattern(text, Span(Source("", ""), 0, 0))
