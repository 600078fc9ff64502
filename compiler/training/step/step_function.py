"""A train graph as a function of a batch and a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from mai.compiler.ir.graph import Graph
from mai.compiler.ir.structure import Loop
from mai.compiler.training.step.drawn_blocks import EXAMPLES, DrawSource

Context = Callable[[], AbstractContextManager[object]]


class Module:
    """A lowered train graph with its draws, which runs in the `context` of its precision.

    `turns_vary` says that a loop may have other turns at another step, or none. `of_examples` makes the same code with the loss of each
    example, where the module has their mean.
    """

    def __init__(
        self, module: torch.fx.GraphModule, graph: Graph, draws: DrawSource | None, seed: int, device: torch.device,
        forward: Callable[..., tuple[Tensor, ...]] | None = None, context: Context = nullcontext,
        of_examples: Callable[[], torch.fx.GraphModule] | None = None,
    ) -> None:  # fmt: skip
        self.module, self.context = module, context
        self.of_examples = of_examples or (lambda: module)
        self.names = [v.name for v in graph.inputs]
        self.settings = list(graph.settings)
        self.draws = draws if draws is not None and (draws.lifted or EXAMPLES in self.names) else None
        self.scalars: dict[str, Tensor | int] = {
            "seed": torch.tensor(seed, device=device),
            "step": torch.tensor(0, device=device),
        }
        if draws is not None:
            is_size = "batch" in self.settings and all(reader.target is int for reader in self._readers("batch"))
            self.scalars["batch"] = draws.batch if is_size else torch.tensor(draws.batch, device=device)
        self.device = device
        self.reads_step = "step" in self.settings and bool(self._readers("step"))
        self.forward = forward or module.forward
        loops = (Loop.of(node) for node in graph.walk() if node.op is Loop)
        self.turns_vary = any(loop.stops or not isinstance(loop.count, int) for loop in loops)

    def _readers(self, setting: str) -> list[torch.fx.Node]:
        """What in the code reads a setting."""
        place = len(self.names) + self.settings.index(setting)
        return [*self.module.graph.find_nodes(op="placeholder")[place].users]

    def __call__(self, fields: Mapping[str, Tensor], step: int) -> tuple[Tensor, ...]:
        with self.context():
            return self.forward(*self.arguments(fields, step))

    def arguments(self, fields: Mapping[str, Tensor], step: int) -> list[Tensor | int]:
        """What the module takes, in its order: the fields, the draws, the settings; one that is only a size is a number, which no step waits for."""
        tensors = fields if self.draws is None else {**fields, EXAMPLES: self.draws.examples, **self.draws.at(step)}
        scalars = {**self.scalars, "step": torch.tensor(step, device=self.device)} if self.reads_step else self.scalars
        return [*[tensors[n] for n in self.names], *[scalars[n] for n in self.settings]]

    def plain(self, fields: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        """On given data, draws made as an export makes them, at step 0."""
        return self(fields, 0)
