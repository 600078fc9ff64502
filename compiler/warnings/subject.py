"""What a rule looks at: a file's syntax tree beside its meaning; and what it says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, TypeVar

from mai.compiler.ir.graph import Graph
from mai.compiler.program import Program, Training
from mai.spec import ast
from mai.spec.ast_walk import nodes_of
from mai.spec.diagnostics import Diagnostic, Edit, Help, Label
from mai.spec.record import open_record
from mai.spec.source import Span

N = TypeVar("N")


@open_record
class Subject:
    """A checked file, and one of its train blocks: the one at a `place`, where it has any."""

    file: ast.File
    program: Program
    place: int = 0

    @cached_property
    def _by_kind(self) -> dict[type[object], list[Any]]:
        """All nodes of the tree, by their classes: one walk for all rules."""
        by_kind: dict[type[object], list[Any]] = {}
        for node in nodes_of(self.file, object):
            by_kind.setdefault(type(node), []).append(node)
        return by_kind

    def nodes(self, kind: type[N]) -> list[N]:
        """Every node of a class, at any depth."""
        return self._by_kind.get(kind, [])

    @cached_property
    def functions(self) -> tuple[ast.Function, ...]:
        """Its own layers, nets and exports."""
        return tuple(d for d in self.file.declarations if isinstance(d, ast.Function))

    @cached_property
    def train(self) -> ast.Train | None:
        return next((d for d in self.trains[self.place :]), None)

    @cached_property
    def trains(self) -> tuple[ast.Train, ...]:
        """All its train blocks."""
        return tuple(d for d in self.file.declarations if isinstance(d, ast.Train))

    @property
    def training(self) -> Training | None:
        """What the train block means."""
        return next((t for t in self.program.trainings[self.place :]), None)

    @cached_property
    def data(self) -> ast.Data | None:
        return next((d for d in self.file.declarations if isinstance(d, ast.Data)), None)

    @property
    def graphs(self) -> Iterator[Graph]:
        """The graphs of the train blocks, then those of the exports."""
        yield from (training.graph for training in self.program.trainings)
        yield from self.program.exports.values()


def warning(
    slug: str, span: Span | None, message: str, *, label: str = "", where: Sequence[Label] = (), help: Help = None,
    edits: Sequence[Edit] = (),
) -> Diagnostic:  # fmt: skip
    """What is well typed and probably not meant. The words of a `help` that is an edit are printed; other edits are tried."""
    first, words = ((help,), help.words) if isinstance(help, Edit) else ((), help)
    return Diagnostic(slug, span, message, label, tuple(where), words, "warning", edits=(*first, *edits))
