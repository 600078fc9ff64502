"""The parameters of a program from the tensors of a file, by the rules of its `weights from`.

Names and shapes alone decide what each parameter takes, so that every mistake is reported before a tensor is read. Then the
tensors are read one after the other, so that a large file is never in memory twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

import torch

from mai.compiler.ir.graph import Weight
from mai.compiler.program import Program
from mai.compiler.torch.parameters import first_value
from mai.compiler.weights.families import with_rules_of_sets
from mai.compiler.weights.ranges import Ranges, count_of, joined, parts_of
from mai.compiler.weights.rules import Chain, Loading, Rule, RuleSet, Shapes, layer_pattern, named_by_rules, shape_of
from mai.compiler.weights.tensor_files import TensorFiles
from mai.runtime.arrays import Array
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.diagnostics.suggest import closest

TOLERANCE = 1e-6  # Within which the tensors of a tied weight must agree, relative and absolute.


@dataclass(frozen=True, slots=True)
class Assignment:
    """A rule applied to one parameter: `names` are those of its tensors in the file."""

    weight: Weight
    rule: Rule
    names: tuple[str, ...]

    @property
    def chains(self) -> Sequence[Chain]:
        """The steps from each of the tensors; none where the parameter keeps its initial value."""
        return self.rule.source.chains if self.rule.source else ()


class MappedWeights(Mapping[str, Array]):
    """The parameters of a program with a `weights from` by name, each read whenever it is asked for; the file stays open.

    Args:
        path: a file to read instead of the one that the spec names, with tensors of the same names.
        seed: of the initial values that a rule may leave to a parameter.

    Raises:
        MaiError: `weights-missing`, `weights-pickle` or `path-outside` for the file; `weights-mismatch` for tensors that it
            lacks and for other shapes, `weights-unused` for tensors that nothing takes, all of them at once, at their rules.
    """

    def __init__(self, program: Program, path: Path | None = None, seed: int = 0) -> None:
        self._weights, self._seed = program.weights, seed
        self._files = _open(program, path)
        self._files.check()
        self._plan = _plan(program, self._files)

    def __getitem__(self, name: str) -> Array:
        weight = self._weights[name]
        source = name if weight.follows is None else weight.follows.source
        return _value(weight, self._plan.get(source, ()), self._files, self._seed)

    def __contains__(self, name: object) -> bool:
        return name in self._weights  # Without reading it.

    def __iter__(self) -> Iterator[str]:
        return iter(self._weights)

    def __len__(self) -> int:
        return len(self._weights)


def names_from_file(program: Program, path: Path | None = None) -> set[str]:
    """The parameters that tensors of a file say; others keep their first values. Raises as `MappedWeights`."""
    with _open(program, path) as files:
        return {name for name, assignments in _plan(program, files).items() if assignments}


def _open(program: Program, path: Path | None) -> TensorFiles:
    """The file that a program's `weights from` names, which lies beside its spec; or the one at `path`, wherever that is."""
    assert program.loading is not None
    base, span = Path(program.source.path).parent, program.loading.span
    return TensorFiles(base / program.loading.path, span, base) if path is None else TensorFiles(path, span)


def _plan(program: Program, files: TensorFiles) -> dict[str, list[Assignment]]:
    assert program.loading is not None
    return plan_assignments(program.loading, named_by_rules(program.weights), files.shapes)


def plan_assignments(loading: Loading, weights: Mapping[str, Weight], shapes: Shapes) -> dict[str, list[Assignment]]:
    """Decide from names and shapes what each parameter takes of a file.

    Returns:
        The assignments by the parameters' names: several for a tied weight, none where the initial value stays.

    Raises:
        MaiError: `weights-mismatch` or `weights-unused`, all of them at once.
    """
    mistakes = Mistakes()
    loading = with_rules_of_sets(loading, weights, shapes)
    plan = {name: _assign(loading, weight, shapes, mistakes) for name, weight in weights.items()}
    for assignments in plan.values():
        for assignment in assignments:
            _check_shape(assignment, shapes, mistakes)
    if not mistakes.by_rule:
        _check_all_used(loading, plan, shapes, mistakes)
    mistakes.check()
    return plan


class Mistakes:
    """Collects mistakes by the rule that made them: thirty layers that lack the same tensor are one diagnostic."""

    def __init__(self) -> None:
        self.by_rule: dict[tuple[object, ...], list[Diagnostic]] = {}

    def add(self, rule: tuple[object, ...], diagnostic: Diagnostic) -> None:
        """Keep a mistake; `rule` is whatever stands for the rule, equal for all that are reported as one."""
        self.by_rule.setdefault(rule, []).append(diagnostic)

    def check(self) -> None:
        """Raise `MaiError` with the first mistake of each rule and the number of others, if there are any."""
        if not self.by_rule:
            return
        diagnostics = []
        for first, *more in self.by_rule.values():
            also = f" (and {len(more)} more like it)" if more else ""
            diagnostics.append(Diagnostic(first.slug, first.span, first.message + also, first.label, help=first.help))
        raise MaiError(diagnostics)


def _assign(loading: Loading, weight: Weight, shapes: Shapes, mistakes: Mistakes) -> list[Assignment]:
    """The rules for a parameter whose tensors are all in the file; where there is none, the initial value must be allowed.

    A `= first` whose pattern says more than all others, as that of a new head beside a catch-all, is what counts.
    """
    assignments, absent = [], []
    rules = [*loading.rules_of(weight.name)]
    own = max((rule.target.letters for rule, _ in rules if rule.source is None), default=-1)
    keeps_initial = own >= 0
    if own > max((rule.target.letters for rule, _ in rules if rule.source is not None), default=-1):
        return []
    for rule, marks in rules:
        if rule.source is None:
            continue
        names = tuple(chain.pattern.fill(marks) for chain in rule.source.chains)
        lacking = [(n, c) for n, c in zip(names, rule.source.chains, strict=True) if n not in shapes]
        absent += lacking
        if not lacking:
            assignments.append(Assignment(weight, rule.filled(marks), names))
    if not rules:
        chosen = next(each for each in loading.sets if each.target.match(weight.name))
        mistakes.add((chosen.span, "family"), _no_tensor(weight, chosen, shapes))
    elif not assignments and absent and not keeps_initial:
        name, chain = absent[0]
        guess = closest(name, shapes)
        help = f"did you mean `{guess}`?" if guess else None
        message = f"`{weight.name}` {list(weight.shape)} has no tensor: the file lacks `{name}`"
        mistakes.add(
            (chain.pattern.span, "absent"), Diagnostic("weights-mismatch", chain.pattern.span, message, help=help)
        )
    return assignments


def _no_tensor(weight: Weight, chosen: RuleSet, shapes: Shapes) -> Diagnostic:
    """What is said of a parameter for which no rule of its family has a tensor."""
    said = f"`{weight.name}` {list(weight.shape)} has no tensor"
    parts = {name.partition(".")[0] for name in shapes}
    if not chosen.part or any(name.startswith(f"{chosen.part}.") for name in shapes):
        message = f"{said}: its family has none of this shape for it in the file"
        return Diagnostic("weights-mismatch", chosen.span, message)
    guess = closest(chosen.part, parts)
    help = f"did you mean `{guess}`?" if guess else f"they begin with {', '.join(f'`{p}`' for p in sorted(parts)[:5])}"
    return Diagnostic("weights-mismatch", chosen.span, f"{said}: none begins with `{chosen.part}.`", help=help)


def _check_shape(assignment: Assignment, shapes: Shapes, mistakes: Mistakes) -> None:
    """Check that a rule makes the parameter's shape of the tensors' shapes."""
    weight, rule, names = assignment.weight, assignment.rule, assignment.names
    key, span = (rule.span, rule.target.text), assignment.chains[0].pattern.span
    there = ", ".join(f"`{n}` {list(shapes[n])}" for n in names)
    try:
        shape = shape_of(rule, names, shapes)
    except ValueError as error:
        mistakes.add(key, Diagnostic("weights-mismatch", span, f"{there} cannot become `{weight.name}`: {error}"))
        return
    if shape == weight.shape:
        return
    changed = "" if len(names) == 1 and not assignment.chains[0].steps else f", {list(shape)} after what the rule does"
    message = f"`{weight.name}` is {list(weight.shape)} in the spec; {there} in the file{changed}"
    transposed = len(shape) > 1 and (*shape[:-2], shape[-1], shape[-2]) == weight.shape
    help = "the file has it transposed: write `'` after its name" if transposed else None
    mistakes.add(key, Diagnostic("weights-mismatch", span, message, help=help))


# -------------------------------------------------------------- every tensor has a use


def _check_all_used(
    loading: Loading, plan: Mapping[str, Sequence[Assignment]], shapes: Shapes, mistakes: Mistakes
) -> None:
    usage = Usage(shapes)
    for assignments in plan.values():
        for assignment in assignments:
            for name, chain in zip(assignment.names, assignment.chains, strict=True):
                usage.mark(name, chain)
    for chain in loading.ignored:
        for name in shapes:
            if chain.pattern.match(name):
                usage.ignore(name, chain)
    for name, count in usage.unused():
        shape = list(shapes[name])
        pattern = layer_pattern(name)
        share = "" if count is None else f": of its numbers {count:,} are left"
        message = f"nothing takes `{name}` {shape}{share}"
        help = f'write `ignore "{pattern}"` if that is meant' if count is None else None
        mistakes.add((pattern,), Diagnostic("weights-unused", loading.span, message, help=help))


class Usage:
    """Keeps account of which tensors of a file are used; of tensors that are cut, which of their elements."""

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes
        self.whole: set[str] = set()
        self.partly: dict[str, Ranges] = {}

    def mark(self, name: str, chain: Chain) -> None:
        """Mark what the steps of a chain leave of a tensor as used.

        Raises:
            ValueError: its shape does not allow a step.
        """
        if not chain.steps:
            self.whole.add(name)
            return
        taken = parts_of(self.shapes[name], chain)
        self.partly[name] = joined(self.partly[name], taken) if name in self.partly else joined(taken)

    def ignore(self, name: str, chain: Chain) -> None:
        """Mark a part of a tensor that is left out on purpose; steps that do not fit the tensor mark nothing."""
        try:
            self.mark(name, chain)
        except ValueError:
            return

    def unused(self) -> Iterator[tuple[str, int | None]]:
        """The tensors with elements that nothing takes, and how many elements; None for all of them."""
        for name in self.shapes:
            if name in self.whole:
                continue
            if name not in self.partly:
                yield name, None
            elif left := prod(self.shapes[name]) - count_of(self.partly[name]):
                yield name, left


# ----------------------------------------------------------------------- reading


def _value(weight: Weight, assignments: Sequence[Assignment], files: TensorFiles, seed: int) -> Array:
    if not assignments:
        return first_value(weight, seed)
    first, *others = assignments
    value = _read(first, files)
    for other in others:
        if not torch.allclose(_read(other, files), value, rtol=TOLERANCE, atol=TOLERANCE):
            names = " and ".join(f"`{a.names[0]}`" for a in (first, other))
            message = f"{names} are one parameter in the spec, `{weight.name}`, and differ in the file"
            help = 'if both are meant, they are two parameters: a `mai import` has them with `"tie_word_embeddings": false` in config.json'
            raise MaiError([Diagnostic("weights-mismatch", other.rule.span, message, help=help)])
    array: Array = value.contiguous().numpy()
    return array


def _read(assignment: Assignment, files: TensorFiles) -> torch.Tensor:
    parts = [_part(name, chain, files) for name, chain in zip(assignment.names, assignment.chains, strict=True)]
    assert assignment.rule.source is not None
    return parts[0] if len(parts) == 1 else torch.cat(parts, assignment.rule.source.axis)


def _part(name: str, chain: Chain, files: TensorFiles) -> torch.Tensor:
    """What the steps of a chain leave of a tensor; where one row is asked for, only this is read."""
    row = chain.row
    return chain.apply(files.read(name)) if row is None else chain.of_row().apply(files.read(name, row))
