"""First values of weights that the training examples say, computed from all of them before the first step.

Those of the file's `let`s come first, then those of the nets' states and params, in the order of the spec: a later one may read an
earlier one. They are computed as an export computes, without dropout.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from math import prod
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mai.compiler.data.batches import Dataset, load
from mai.compiler.ir.graph import Graph
from mai.compiler.passes import forms
from mai.compiler.program import Program, Training
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.training.initial_weights import loaded_names
from mai.compiler.training.step.step_function import Module
from mai.runtime.arrays import Array
from mai.spec.diagnostics import Diagnostic, MaiError

DRAWN = 1 << 16  # Examples of data that have no end.
MOST_NUMBERS = 1 << 24  # Of more examples than have so many numbers, an even choice.


def compute_first_values(
    program: Program, training: Training, evaluation: Graph, data: Dataset, weights: Weights, seed: int, device: torch.device,
    has_value: Collection[str],
) -> None:  # fmt: skip
    """Give the weights of a train block the values that its examples say, but for those that `has_value` names.

    `evaluation` is the block's evaluation graph, prepared.

    Raises:
        MaiError: `not-finite` for a value that is infinite or NaN.
    """
    graphs = [(name, graph) for name, graph in _graphs(program, training, evaluation) if name not in has_value]
    if not graphs:
        return
    named = {value.name for _, graph in graphs for value in graph.inputs}
    fields = {n: torch.from_numpy(array).to(device) for n, array in _examples(data, named).items()}
    for name, graph in graphs:
        value = _computed(graph, weights, fields, seed, device)
        if not torch.isfinite(value).all():
            message = f"the first value of `{name}`, computed from the training examples, is infinite or not a number"
            raise MaiError([Diagnostic("not-finite", program.weights[name].span, message)])
        weights.state_dict()[name].copy_(value)
    weights.begin_as_sources({name for name, _ in graphs})


def compute_all_first_values(program: Program, weights: Weights, seed: int, files: Sequence[Path] = ()) -> None:
    """Give the weights the values that the examples of all train blocks say; the data are read where there are such weights.

    Args:
        files: instead of the data that the spec names.

    Raises:
        MaiError: the data cannot be read; `not-finite`.
    """
    loaded, base = loaded_names(program, None), Path(program.source.path).parent
    for training in program.trainings:
        if training.first_values or program.lets:
            data = load(training.data, training.fields, seed, base, files, training.where, {})
            has_value = first_values_before(program, training) | loaded
            evaluation = forms.prepare(training.evaluation)
            compute_first_values(program, training, evaluation, data, weights, seed, torch.device("cpu"), has_value)


def names_of_first_values(program: Program) -> list[str]:
    """The weights whose first values the examples say, but for those that a file has which the spec names."""
    names = [*program.lets, *(first.weight for training in program.trainings for first in training.first_values)]
    return [name for name in dict.fromkeys(names) if name not in loaded_names(program, None)]


def first_values_before(program: Program, training: Training) -> set[str]:
    """The weights whose first values the train blocks before this one have computed."""
    earlier = program.trainings[: program.trainings.index(training)]
    lets = set(program.lets) if earlier else set()
    return lets.union(first.weight for each in earlier for first in each.first_values)


def _graphs(program: Program, training: Training, evaluation: Graph) -> Iterator[tuple[str, Graph]]:
    """The weights, each with the graph of its first value."""
    for name, graph in program.lets.items():
        yield name, forms.prepare(graph)
    for first in training.first_values:
        yield first.weight, forms.select(evaluation, [first.output])


@torch.no_grad()
def _computed(graph: Graph, weights: Weights, fields: Mapping[str, Tensor], seed: int, device: torch.device) -> Tensor:
    module = lower(graph, weights, "FirstValue").to(device)
    return Module(module, graph, None, seed, device).plain(fields)[0]


def _examples(data: Dataset, named: Collection[str]) -> dict[str, Array]:
    """The named fields of all training examples; of very many, an even choice, and of data without end so many."""
    one = data.batch(0, 1)
    most = MOST_NUMBERS // max(1, sum(prod(array.shape[1:]) for name, array in one.items() if name in named))
    if data.examples is None:
        return {n: np.ascontiguousarray(a) for n, a in data.batch(0, min(DRAWN, most)).items() if n in named}
    count = data.examples.count
    some = slice(0, count) if count <= most else np.arange(most) * count // most
    return {n: np.ascontiguousarray(a) for n, a in data.examples.take_fields(named, some).items()}
