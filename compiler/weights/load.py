"""The parameters of a program from a file with other names, by the rules of its `weights from`.

Everything is settled on names and shapes before a tensor is read; then they are read one after the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mai.compiler.ir.graph import Weight
from mai.compiler.program import Program
from mai.compiler.torch.parameters import first_value
from mai.compiler.weights.rules import Chain, Loading, Rule, numbered
from mai.compiler.weights.tensor_files import TensorFiles
from mai.runtime.arrays import Array
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.diagnostics.suggest import closest

TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Taken:
    """Tensors that a rule gives to a parameter: their names in the file, and what is done to each."""

    weight: Weight
    rule: Rule
    names: tuple[str, ...]

    @property
    def chains(self) -> Sequence[Chain]:
        return self.rule.source.chains if self.rule.source else ()


def mapped(program: Program, path: Path | None = None, seed: int = 0) -> Iterator[tuple[str, Array]]:
    """Every parameter of a program with a `weights from`, one after the other, in float32.

    Args:
        path: a file of the same names as the one that the spec names, instead of it.

    Raises:
        MaiError: `weights-missing`, `weights-pickle` or `path-outside` for the file; `weights-mismatch` for what it lacks
            and for other shapes, `weights-unused` for what nothing takes: all of them at once, at their rules.
    """
    loading = program.loading
    assert loading is not None
    base = Path(program.source.path).parent
    inside = base if path is None else None
    with TensorFiles(path or base / loading.path, loading.span, inside) as files:
        plan = planned(loading, program.weights, files.shapes)
        for weight in program.weights.values():
            yield weight.name, _value(weight, plan.get(weight.name, ()), files, seed)


def planned(
    loading: Loading, weights: Mapping[str, Weight], shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, list[Taken]]:
    """What each parameter takes of a file with tensors of these shapes; none for those that keep their first value."""
    wrong = Complaints()
    plan = {name: _taken(loading, weight, shapes, wrong) for name, weight in weights.items()}
    for takes in plan.values():
        for taken in takes:
            _check_shape(taken, shapes, wrong)
    if not wrong.found:
        _check_all_used(loading, plan, shapes, wrong)
    wrong.check()
    return plan


class Complaints:
    """What is wrong, once a rule: thirty layers that lack the same tensor are one thing to say."""

    def __init__(self) -> None:
        self.found: dict[tuple[Any, ...], list[Diagnostic]] = {}

    def add(self, key: tuple[Any, ...], diagnostic: Diagnostic) -> None:
        self.found.setdefault(key, []).append(diagnostic)

    def check(self) -> None:
        if not self.found:
            return
        said = []
        for first, *more in self.found.values():
            also = f" (and {len(more)} more like it)" if more else ""
            said.append(Diagnostic(first.slug, first.span, first.message + also, first.label, help=first.help))
        raise MaiError(said)


def _taken(loading: Loading, weight: Weight, shapes: Mapping[str, tuple[int, ...]], wrong: Complaints) -> list[Taken]:
    """The rules for a parameter whose tensors are all there; one of them must be, or leave it its first value."""
    made, absent, first = [], [], False
    for rule, found in loading.rules_of(weight.name):
        if rule.source is None:
            first = True
            continue
        names = tuple(chain.pattern.filled(found) for chain in rule.source.chains)
        lacking = [(n, c) for n, c in zip(names, rule.source.chains, strict=True) if n not in shapes]
        absent += lacking
        if not lacking:
            made.append(Taken(weight, rule, names))
    if not made and absent and not first:
        name, chain = absent[0]
        guess = closest(name, shapes)
        help = f"did you mean `{guess}`?" if guess else None
        message = f"`{weight.name}` {list(weight.shape)} has no tensor: the file lacks `{name}`"
        wrong.add(
            (chain.pattern.span, "absent"), Diagnostic("weights-mismatch", chain.pattern.span, message, help=help)
        )
    return made


def _check_shape(taken: Taken, shapes: Mapping[str, tuple[int, ...]], wrong: Complaints) -> None:
    """The shape that comes out of a rule, found on arrays that hold nothing."""
    weight, rule = taken.weight, taken.rule
    key, span = (rule.span, rule.target.text), taken.chains[0].pattern.span
    there = ", ".join(f"`{n}` {list(shapes[n])}" for n in taken.names)
    try:
        made = shape_of(rule, taken.names, shapes)
    except ValueError as error:
        wrong.add(key, Diagnostic("weights-mismatch", span, f"{there} cannot become `{weight.name}`: {error}"))
        return
    if made == weight.shape:
        return
    changed = "" if len(taken.names) == 1 and not taken.chains[0].steps else f", {list(made)} after what the rule does"
    message = f"`{weight.name}` is {list(weight.shape)} in the spec; {there} in the file{changed}"
    turned = len(made) > 1 and (*made[:-2], made[-1], made[-2]) == weight.shape
    help = "the file has it transposed: write `'` after its name" if turned else None
    wrong.add(key, Diagnostic("weights-mismatch", span, message, help=help))


def shape_of(rule: Rule, names: Sequence[str], shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    """The shape that a rule makes of tensors. Raises `ValueError` where it cannot be applied to them."""
    assert rule.source is not None
    parts = [c.applied(_hollow(shapes[n])) for n, c in zip(names, rule.source.chains, strict=True)]
    return _joined([p.shape for p in parts], rule)


def fits(rule: Rule, names: Sequence[str], weight: Weight, shapes: Mapping[str, tuple[int, ...]]) -> bool:
    """Whether a rule makes a parameter of its shape from these tensors."""
    try:
        return shape_of(rule, names, shapes) == weight.shape
    except ValueError:
        return False


def _hollow(shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(np.zeros((), bool), shape)


def _joined(shapes: Sequence[tuple[int, ...]], rule: Rule) -> tuple[int, ...]:
    """The shape of parts one after the other."""
    if len(shapes) == 1:
        return shapes[0]
    assert rule.source is not None
    axis, rank = rule.source.axis, len(shapes[0])
    if not -rank <= axis < rank:
        raise ValueError(f"{list(shapes[0])} has no axis {axis}")
    axis %= rank
    rests = {(*s[:axis], *s[axis + 1 :]) for s in shapes}
    if len(rests) > 1:
        raise ValueError(f"{' and '.join(str(list(s)) for s in shapes)} cannot be joined along axis {axis}")
    return (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])


# -------------------------------------------------------------- every tensor has a use


def _check_all_used(
    loading: Loading, plan: Mapping[str, Sequence[Taken]], shapes: Mapping[str, tuple[int, ...]], wrong: Complaints
) -> None:
    used = Used(shapes)
    for takes in plan.values():
        for taken in takes:
            for name, chain in zip(taken.names, taken.chains, strict=True):
                used.mark(name, chain)
    for chain in loading.ignored:
        for name in shapes:
            if chain.pattern.found(name):
                used.ignore(name, chain)
    for name, left in used.left():
        shape = list(shapes[name])
        pattern = numbered(name)
        share = "" if left is None else f": of its numbers {left:,} are left"
        message = f"nothing takes `{name}` {shape}{share}"
        help = f'write `ignore "{pattern}"` if that is meant' if left is None else None
        wrong.add((pattern,), Diagnostic("weights-unused", loading.span, message, help=help))


class Used:
    """Which tensors are used; of those that are cut, which of their numbers."""

    def __init__(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        self.shapes = shapes
        self.whole: set[str] = set()
        self.partly: dict[str, Array] = {}

    def mark(self, name: str, chain: Chain) -> None:
        if not chain.steps:
            self.whole.add(name)
            return
        if name not in self.partly:
            self.partly[name] = np.zeros(self.shapes[name], bool)
        chain.applied(self.partly[name])[...] = True

    def ignore(self, name: str, chain: Chain) -> None:
        """What does not fit the tensor ignores nothing of it."""
        try:
            self.mark(name, chain)
        except ValueError:
            return

    def left(self) -> Iterator[tuple[str, int | None]]:
        """Tensors with numbers that nothing takes, and how many; None for all of them."""
        for name in self.shapes:
            if name in self.whole:
                continue
            if name not in self.partly:
                yield name, None
            elif not self.partly[name].all():
                yield name, int((~self.partly[name]).sum())


# ----------------------------------------------------------------------- reading


def _value(weight: Weight, takes: Sequence[Taken], files: TensorFiles, seed: int) -> Array:
    if not takes:
        return first_value(weight, seed)
    first, *others = takes
    value = _read(first, files)
    for other in others:
        if not torch.allclose(_read(other, files), value, rtol=TOLERANCE, atol=TOLERANCE):
            names = " and ".join(f"`{t.names[0]}`" for t in (first, other))
            message = f"{names} are one parameter in the spec, `{weight.name}`, and differ in the file"
            raise MaiError([Diagnostic("weights-mismatch", other.rule.span, message)])
    made: Array = value.contiguous().numpy()
    return made


def _read(taken: Taken, files: TensorFiles) -> torch.Tensor:
    parts = [c.applied(files.read(n)) for n, c in zip(taken.names, taken.chains, strict=True)]
    assert taken.rule.source is not None
    return parts[0] if len(parts) == 1 else torch.cat(parts, taken.rule.source.axis)
