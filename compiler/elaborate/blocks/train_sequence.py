"""The train blocks of a file in their order: what an earlier one has trained, a later one holds still.

A net that is held still is what it is in an export: without dropout, with its running statistics. An objective of the later block
that names it `over` moves it again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import Function, Module
from mai.compiler.elaborate.blocks.train import EarlierBlocks, elaborate_training
from mai.compiler.ir.graph import Weight, turns_of
from mai.compiler.program import Training
from mai.compiler.training.moved import moved_by
from mai.compiler.weights.rules import Pattern
from mai.spec import ast
from mai.spec.diagnostics import Label, Reporter
from mai.spec.record import record
from mai.spec.source import Span

if TYPE_CHECKING:
    from mai.compiler.elaborate.blocks.data_fields import Data


@record
class Modules:
    """The declarations of a file, as training computes with them and as exports do; and all files that it is made of."""

    main: Mapping[bool, Module]
    files: Mapping[bool, Sequence[Module]]


def elaborate_trainings(
    file: ast.File, read: Callable[[], Modules], modules: Mapping[bool, Module], data: Data, report: Reporter,
    weights: dict[str, Weight],
) -> tuple[Training, ...]:  # fmt: skip
    """The train blocks of a file, in order; none where one has errors. `read` reads the file's declarations once more."""
    blocks = [d for d in file.declarations if isinstance(d, ast.Train)]
    written = next((d for d in file.declarations if isinstance(d, ast.Data)), None)
    if not _have_names(blocks, report):
        return ()
    trainings: list[Training] = []
    trained: frozenset[str] = frozenset()
    for block in blocks:
        owners = _owners(trained, weights) if trained else set[str]()
        still = frozenset(n for n in owners if not _is_over(block, n, weights))
        own = _with_still(read(), still) if still else modules
        training = elaborate_training(block, written, own, data, report, weights, EarlierBlocks(trained, still))
        modules[True].called.update(own[True].called)
        if training is None:
            return ()
        trainings.append(training)
        trained |= _moved(training) if len(blocks) > 1 else frozenset()
    return tuple(trainings)


def _have_names(blocks: Sequence[ast.Train], report: Reporter) -> bool:
    """Whether several blocks have a name each, and another one than the others; what is wrong is reported."""
    first: dict[str, Span] = {}
    before = len(report.diagnostics)
    unnamed = [block.head for block in blocks if block.name is None]
    if unnamed and len(blocks) > 1:
        where = [Label(head, "another one") for head in unnamed[1:]]
        message = "a file with several train blocks gives each a name"
        report.error("train-name", unnamed[0], message, where=where, help="write `train flow(steps = 1000) { ... }`")
    for name in (block.name for block in blocks if block.name is not None):
        if first.setdefault(name.id, name.span) is not name.span:
            where = [Label(first[name.id], "the first")]
            report.error("duplicate-name", name.span, f"two train blocks are called `{name.id}`", where=where)
    return len(report.diagnostics) == before


def _moved(training: Training) -> frozenset[str]:
    """The weights that a block trains."""
    return frozenset(chain.from_iterable(moved_by(training, objective) for objective in training.objectives))


def _owners(names: frozenset[str], weights: Mapping[str, Weight]) -> set[str]:
    """The nets of some weights."""
    return {copy.owner for weight in weights.values() for copy in turns_of(weight) if copy.name in names}


def _is_over(block: ast.Train, owner: str, weights: Mapping[str, Weight]) -> bool:
    """Whether an objective of a block says that it moves parameters of a net."""
    names = [copy.name for weight in weights.values() for copy in turns_of(weight) if copy.owner == owner]
    for mover in (m for s in block.body if isinstance(s, ast.Minimize) for m in s.over):
        if isinstance(mover, ast.Identifier) and mover.id == owner:
            return True
        if isinstance(mover, ast.String):
            pattern = Pattern(mover.value, mover.span)
            if pattern.complaint is None and any(map(pattern.match, names)):
                return True
    return False


def _with_still(modules: Modules, still: frozenset[str]) -> Mapping[bool, Module]:
    """The declarations for a block: wherever a net is called, one that is held still is as in an export, others as in training."""
    by_place = zip(modules.files[True], modules.files[False], strict=True)
    for in_training, in_exports in by_place:
        for name, value in list(in_training.names.items()):
            other = in_exports.names.get(name)
            if not (_is_net(value) and isinstance(value, Function) and isinstance(other, Function)):
                continue
            if value.declaration.name.id in still:
                in_training.names[name] = other
            else:
                in_exports.names[name] = value
    return modules.main


def _is_net(value: object) -> bool:
    return isinstance(value, Function) and value.declaration.kind == "net"
