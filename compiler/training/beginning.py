"""What a train block begins with: its examples, the number of its steps, and its weights with their first values."""

from __future__ import annotations

import math
from pathlib import Path

import torch

from mai.compiler.data.batches import Dataset, load
from mai.compiler.ir.graph import Graph
from mai.compiler.program import Program, Training
from mai.compiler.torch.parameters import Weights
from mai.compiler.training.first_values import compute_first_values, first_values_before
from mai.compiler.training.initial_weights import initial_weights, loaded_names
from mai.compiler.training.options import Options
from mai.compiler.training.run.stage import Stage
from mai.compiler.training.settings import TrainSettings
from mai.spec.diagnostics import Diagnostic, MaiError


def read_data(program: Program, training: Training, options: Options, stage: Stage, seed: int) -> Dataset:
    """The examples; labels have the numbers that the weights were trained with. Raises `MaiError` for data that do not fit."""
    if stage.data is not None and stage.data[0] == seed:
        return stage.data[1]
    base = Path(program.source.path).parent
    return load(training.data, training.fields, seed, base, options.data, training.where, stage.labels)


def count_steps(settings: TrainSettings, options: Options, examples: int | None, batch: int) -> int:
    """The steps of a block, of so many `examples`, a `batch` at a time. Raises `MaiError` for epochs of data without end."""
    if options.steps is not None:
        return options.steps
    if settings.steps is not None:
        return settings.steps
    if examples is None:
        message = "these data have no end, so there are no epochs: say `steps`"
        raise MaiError([Diagnostic("bad-setting", None, message)])
    return max(1, math.ceil((settings.epochs or 1) * examples / batch))


def first_weights(
    program: Program, training: Training, evaluation: Graph, options: Options, stage: Stage, data: Dataset, seed: int,
    device: torch.device,
) -> Weights:  # fmt: skip
    """What training begins with, on the device; a checkpoint's weights are put in their place later.

    `evaluation` is the block's evaluation graph, prepared.

    Raises:
        MaiError: a file of weights does not fit, or a value that the examples say is not finite.
    """
    weights = _weights(program, options, stage, seed).to(device)
    if stage.checkpoint is None:
        is_first = stage.weights is None
        has_value = loaded_names(program, options.weights) if is_first else first_values_before(program, training)
        compute_first_values(program, training, evaluation, data, weights, seed, device, has_value)
    return weights


def _weights(program: Program, options: Options, stage: Stage, seed: int) -> Weights:
    if stage.weights is not None:
        return stage.weights
    return Weights(program.weights) if stage.checkpoint is not None else initial_weights(program, options.weights, seed)
