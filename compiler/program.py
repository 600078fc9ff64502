"""A checked program: what elaboration makes of a file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field

from mai.compiler.data.source_kinds import Source as DataSource
from mai.compiler.ir.graph import Graph, Weight
from mai.compiler.ir.types import Type
from mai.compiler.training.settings import TrainSettings
from mai.compiler.weights.rules import Loading, Pattern
from mai.spec import ast
from mai.spec.record import record
from mai.spec.source import Source, Span


@record
class Objective:
    """One `minimize`: the output of the train graph that it averages, what it moves, and in which steps: each `every`th.

    It moves the parameters of the nets `over`, and those whose names are like one of `only`; all if both are empty.
    """

    output: int
    over: tuple[str, ...]
    text: str
    span: Span
    only: tuple[Pattern, ...] = ()
    every: int = 1

    def is_due(self, step: int) -> bool:
        """Whether it is minimized at a step, counted from 0."""
        return (step + 1) % self.every == 0

    def moves(self, weight: Weight) -> bool:
        """Whether a weight is one of those that are trained on this objective."""
        return weight.trained and (self.names(weight) or not (self.over or self.only))

    def names(self, weight: Weight) -> bool:
        """Whether the objective says that it moves a weight: `over` its net, or over names like its own."""
        return weight.owner in self.over or any(p.match(weight.name) for p in self.only)


@record
class Report:
    """One `report`: an output of the train graph, shown under `name`."""

    output: int
    name: str


@record
class Record:
    """One `record`: the weights kept every `every` steps."""

    weights: tuple[str, ...]
    every: int


@record
class Update:
    """What a step leaves in a state, or a weight begins as: an output of the train block's graph, of the weight's shape."""

    output: int
    weight: str


@record
class Training:
    """A train block; one of several has a `name`.

    `graph` has the data fields as inputs and `seed` and `step` as settings. Its outputs are the objectives and the
    reports, per example (lead: the batch) or, for a loss made with `across`, one for the batch (no lead). `evaluation`
    is the same block elaborated as an export is: without dropout, with running statistics. `where` is the `data` line,
    or the head of a block without one. The first objective of every step also makes the `updates` of states, once its step is
    taken. `still` are the weights that earlier blocks have trained: they stay as they are, unless an objective names them.
    `first_values` are outputs of `evaluation`: what weights begin as that are computed from all examples, in their order.
    """

    settings: TrainSettings
    data: DataSource
    fields: dict[str, Type]
    graph: Graph
    evaluation: Graph
    objectives: tuple[Objective, ...]
    reports: tuple[Report, ...]
    records: tuple[Record, ...]
    where: Span
    updates: tuple[Update, ...] = ()
    name: str | None = None
    still: frozenset[str] = frozenset()
    first_values: tuple[Update, ...] = ()

    def moves(self, objective: Objective, weight: Weight) -> bool:
        """Whether an objective moves a weight: one of those that it names, neither frozen nor held still."""
        if weight.name in self.still and not objective.names(weight):
            return False
        return objective.moves(weight) and not self._matches(self.settings.frozen, weight.name)

    def group_of(self, name: str) -> int:
        """The number of the first group that has a weight of this name; one more than the last where none has."""
        groups = self.settings.groups
        return next((k for k, group in enumerate(groups) if self._matches(group.patterns, name)), len(groups))

    def _matches(self, patterns: Iterable[str], name: str) -> bool:
        return any(Pattern(text, self.where).match(name) for text in patterns)


@record
class Check:
    """One condition of a claim: its text, and the comparison at its top, if it is one.

    A comparison has two outputs of the claim's graph, what stands on its left and on its right; another condition has one, whether
    it holds. `outputs` are their names.
    """

    text: str
    comparison: str | None
    outputs: tuple[str, ...]


@record
class Claim:
    """What a file says of its trained model.

    `graph` is that of an export: its inputs are the fields of the data that it speaks of. Where it has neither fields nor draws, one
    example says all; otherwise it is computed for `count` examples, and for each of `seeds` seeds where it draws.
    """

    graph: Graph
    checks: tuple[Check, ...]
    count: int
    seeds: int


@record
class Program:
    """A file's meaning. `trainings` are its train blocks in their order. `weights` are those of all graphs, by name, one entry a turn of a `repeat`.

    `loading` says where their first values are, if the file has a `weights from`. `lets` are the graphs of those that are computed
    from fields of the data, by the names of their weights, in their order. `data` is what the `data` line reads, if there is one.
    """

    name: str
    title: str
    file: ast.File
    constants: dict[str, int | float]
    exports: dict[str, Graph]
    trainings: tuple[Training, ...]
    weights: dict[str, Weight] = field(default_factory=dict)
    loading: Loading | None = None
    claims: dict[str, Claim] = field(default_factory=dict)
    lets: dict[str, Graph] = field(default_factory=dict)
    data: DataSource | None = None

    @property
    def training(self) -> Training | None:
        """The train block, of several the last one. They all read the same data."""
        return self.trainings[-1] if self.trainings else None

    @property
    def source(self) -> Source:
        """The file's text."""
        return self.file.source
