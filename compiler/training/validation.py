"""What the weights of a run do on the examples that it does not train on."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from mai.compiler.data.rows import Rows
from mai.compiler.ir.graph import Graph
from mai.compiler.passes import forms
from mai.compiler.program import Training
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.training.step_function import Module
from mai.runtime.arrays import Array

ROWS = 512  # At a time.


class Validation:
    """The first objective and the reports on held-out examples, by field, each [n, ...]; nothing where there are none.

    `graph` is the evaluation graph, prepared. Nor is there anything for several objectives in turn, whose losses are no measure.
    """

    def __init__(
        self,
        training: Training,
        graph: Graph,
        examples: Mapping[str, Rows] | None,
        weights: Weights,
        seed: int,
        device: torch.device,
    ) -> None:
        self.training, self.graph, self.weights, self.seed, self.device = training, graph, weights, seed, device
        self.examples = {} if examples is None or training.objectives[0].over else examples

    def __bool__(self) -> bool:
        return bool(self.examples)

    @torch.no_grad()
    def figures(self) -> dict[str, float]:
        """The mean of `loss` and of every report over all examples, by name."""
        if not self.examples:
            return {}
        size = len(next(iter(self.examples.values())))
        total = np.zeros(len(self.training.reports) + 1)
        for begin in range(0, size, ROWS):
            fields = on_device({n: a[begin : begin + ROWS] for n, a in self.examples.items()}, self.device)
            means = [float(m.float().mean()) for m in self._module.plain(fields)]
            total += min(ROWS, size - begin) * np.array(means)
        names = ["loss", *(r.name for r in self.training.reports)]
        return dict(zip(names, (total / size).tolist(), strict=True))

    @cached_property
    def _module(self) -> Module:
        outputs = [self.training.objectives[0].output, *(r.output for r in self.training.reports)]
        graph = forms.select(self.graph, outputs)
        module = lower(graph, self.weights, "Evaluation").to(self.device)
        return Module(module, graph, None, self.seed, self.device)


def on_device(fields: Mapping[str, Array], device: torch.device) -> dict[str, Tensor]:
    """Arrays of a batch as tensors."""
    return {name: torch.from_numpy(array).to(device, non_blocking=True) for name, array in fields.items()}
