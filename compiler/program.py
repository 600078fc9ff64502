"""A checked program: what elaboration makes of a file."""

from __future__ import annotations

from dataclasses import dataclass, field

from mai.compiler.ir.graph import Graph, Weight
from mai.compiler.ir.types import Type
from mai.compiler.weights.rules import Loading
from mai.spec.settings import Source as DataSource
from mai.spec.settings import TrainSettings
from mai.spec.source import Source, Span


@dataclass(frozen=True, slots=True)
class Objective:
    """One `minimize`: the output of the train graph that it averages, and the nets it moves (all if empty)."""

    output: int
    over: tuple[str, ...]
    text: str
    span: Span


@dataclass(frozen=True, slots=True)
class Report:
    """One `report`: an output of the train graph, shown under `name`."""

    output: int
    name: str


@dataclass(frozen=True, slots=True)
class Record:
    """One `record`: the weights kept every `every` steps."""

    weights: tuple[str, ...]
    every: int


@dataclass(frozen=True, slots=True)
class Training:
    """A train block.

    `graph` has the data fields as inputs and `seed` and `step` as settings. Its outputs are the objectives and the
    reports, per example (lead: the batch) or, for a loss made with `across`, one for the batch (no lead). `evaluation`
    is the same block elaborated as an export is: without dropout, with running statistics.
    """

    settings: TrainSettings
    data: DataSource
    fields: dict[str, Type]
    graph: Graph
    evaluation: Graph
    objectives: tuple[Objective, ...]
    reports: tuple[Report, ...]
    records: tuple[Record, ...]


@dataclass(frozen=True, slots=True)
class Program:
    """A file's meaning. `weights` are those of all graphs, by name, one entry a turn of a `repeat`.

    `loading` says where their first values are, if the file has a `weights from`.
    """

    name: str
    title: str
    source: Source
    constants: dict[str, int | float]
    exports: dict[str, Graph]
    training: Training | None
    weights: dict[str, Weight] = field(default_factory=dict)
    loading: Loading | None = None
