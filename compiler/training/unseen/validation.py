"""What the weights of a run do on the examples that it does not train on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from math import prod

import numpy as np
import torch
from torch import Tensor

from mai.compiler.data.rows import Rows
from mai.compiler.ir.graph import Graph
from mai.compiler.program import Training
from mai.compiler.torch.parameters import Weights
from mai.compiler.training.step.code import Code
from mai.compiler.training.step.step_function import Module
from mai.compiler.training.unseen.whole_part import Parts, is_affordable, is_of_all, split_at_across
from mai.runtime.arrays import Array

ROWS, NUMBERS = 512, 1 << 24  # At a time: examples, and numbers of a field, of which large images have many.


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
        code: Code,
    ) -> None:
        self.training, self.graph, self.weights, self.code, self.device = training, graph, weights, code, code.device
        self.examples = {} if examples is None or training.objectives[0].over else examples

    def __bool__(self) -> bool:
        return bool(self.examples)

    @property
    def _rows(self) -> int:
        """How many examples are looked at at a time."""
        most = max(prod(rows.shape[1:]) for rows in self.examples.values())
        return max(1, min(ROWS, NUMBERS // max(1, most)))

    @torch.no_grad()
    def figures(self) -> dict[str, float]:
        """`loss` and every report by name: means over all examples, or one number of them all."""
        if not self.examples:
            return {}
        total, shared = np.zeros(len(self._of_each)), [list[Tensor]() for _ in self._parts.shared]
        for begin in range(0, self._count, self._rows):
            fields = on_device({n: a[begin : begin + self._rows] for n, a in self.examples.items()}, self.device)
            values = self._each.plain(fields)
            means = [float(m.float().mean()) for m in values[: len(total)]]
            total += min(self._rows, self._count - begin) * np.array(means)
            for rows, part in zip(shared, values[len(total) :], strict=True):
                rows.append(part)
        figures = dict(
            zip((self._names[place] for place in self._of_each), (total / self._count).tolist(), strict=True)
        )
        if self._of_all:
            figures |= self._together([torch.cat(rows) for rows in shared])
        return {name: figures[name] for name in self._names.values()}

    def _together(self, shared: Sequence[Tensor]) -> dict[str, float]:
        """The reports of all examples at once, from what is shared of each."""
        needed = {v.name for v in self._parts.whole.inputs}
        fields = on_device({n: a[:] for n, a in self.examples.items() if n in needed}, self.device)
        values = self._after.plain({**fields, **dict(zip(self._parts.shared, shared, strict=True))})
        return dict(zip((self._names[place] for place in self._of_all), map(float, values), strict=True))

    # ------------------------------------------------------------------ parts

    @property
    def _count(self) -> int:
        return len(next(iter(self.examples.values())))

    @cached_property
    def _names(self) -> dict[int, str]:
        """What is shown, by the graph's output."""
        return {self.training.objectives[0].output: "loss"} | {r.output: r.name for r in self.training.reports}

    @cached_property
    def _of_all(self) -> list[int]:
        """The reports of all examples, where they are affordable: others are means over some at a time."""
        chosen = [r.output for r in self.training.reports if is_of_all(self.graph, r.output)]
        parts = split_at_across(self.graph, [], chosen)
        return chosen if is_affordable(parts.whole, self._count) else []

    @cached_property
    def _of_each(self) -> list[int]:
        return [output for output in self._names if output not in self._of_all]

    @cached_property
    def _parts(self) -> Parts:
        return split_at_across(self.graph, self._of_each, self._of_all)

    @cached_property
    def _each(self) -> Module:
        return self._lowered(self._parts.each)

    @cached_property
    def _after(self) -> Module:
        return self._lowered(self._parts.whole)

    def _lowered(self, graph: Graph) -> Module:
        return self.code.evaluating(self.weights, graph)


def on_device(fields: Mapping[str, Array], device: torch.device) -> dict[str, Tensor]:
    """Arrays of a batch as tensors."""
    return {name: torch.from_numpy(array).to(device, non_blocking=True) for name, array in fields.items()}
