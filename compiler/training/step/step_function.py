"""A train graph as a function of a batch and a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from mai.compiler.ir.graph import Graph
from mai.compiler.ir.structure import Loop
from mai.compiler.training.step.drawn_blocks import EXAMPLES, DrawSource


class Module:
    """A lowered train graph with its draws; `turns_vary` says that a loop may have other turns at another step, or none."""

    def __init__(
        self, module: torch.fx.GraphModule, graph: Graph, draws: DrawSource | None, seed: int, device: torch.device,
        forward: Callable[..., tuple[Tensor, ...]] | None = None,
    ) -> None:  # fmt: skip
        self.module, self.draws = module, draws
        self.names = [v.name for v in graph.inputs]
        self.settings = list(graph.settings)
        self.scalars = {"seed": torch.tensor(seed, device=device)}
        if draws is not None:
            self.scalars["batch"] = torch.tensor(draws.batch, device=device)
        self.device = device
        self.takes_step = "step" in self.settings
        self.forward = forward or module.forward
        loops = (Loop.of(node) for node in graph.walk() if node.op is Loop)
        self.turns_vary = any(loop.stops or not isinstance(loop.count, int) for loop in loops)

    def __call__(self, fields: Mapping[str, Tensor], step: int) -> tuple[Tensor, ...]:
        outputs: tuple[Tensor, ...] = self.forward(*self.arguments(fields, step))
        return outputs

    def arguments(self, fields: Mapping[str, Tensor], step: int) -> list[Tensor]:
        """What the module takes, in its order: the fields, the draws, the settings."""
        tensors = fields if self.draws is None else {**fields, EXAMPLES: self.draws.examples, **self.draws.at(step)}
        scalars = {**self.scalars, "step": torch.tensor(step, device=self.device)}
        return [*[tensors[n] for n in self.names], *[scalars[n] for n in self.settings]]

    def plain(self, fields: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """On given data, draws made as an export makes them, at step 0."""
        return self(fields, 0)
