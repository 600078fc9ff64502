"""A train block's graph as code for the parts of a batch that this process computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import torch
from torch import fx

from mai.compiler.ir.graph import Graph
from mai.compiler.passes import forms
from mai.compiler.program import Training
from mai.compiler.torch.module import Form, lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.processes.together import Share
from mai.compiler.torch.turns import groups_of, loose
from mai.compiler.training.step.drawn_blocks import DrawSource, lift_draws
from mai.compiler.training.step.step_function import Context, Module

if TYPE_CHECKING:
    from mai.compiler.training.step.sharded import Sharded


class Code:
    """What a train block computes of this process's `share` of a batch, in `parts` and in the `context` of its precision.

    Its weights are whole, or `sharded`.
    """

    def __init__(
        self,
        training: Training,
        evaluation: Graph,
        share: Share,
        parts: Sequence[range],
        seed: int,
        device: torch.device,
        context: Context = nullcontext,
    ) -> None:
        self.context = context
        self.training, self.evaluation = training, evaluation
        self.share, self.parts, self.seed, self.device = share, parts, seed, device
        self.sharded: Sharded | None = None

    def cut(self, weights: Weights) -> None:
        """Cut the weights between the processes, before any code is made that reads them."""
        from mai.compiler.training.step.sharded import Sharded

        self.sharded = Sharded(weights, self.groups, len(self.share.sizes), self.device)

    @cached_property
    def graph(self) -> Graph:
        """The train graph, prepared once for all objectives."""
        return forms.prepare(self.training.graph, adjoint=True)

    @cached_property
    def groups(self) -> dict[str, str]:
        """The turn of a `repeat` that each weight is of, where nothing else reads it."""
        both = (self.graph, self.evaluation)
        groups = {name: group for graph in both for name, group in groups_of(graph).items()}
        others = {group for graph in both for group in loose(graph, groups)}
        return {name: group for name, group in groups.items() if group not in others}

    def modules(self, weights: Weights, outputs: Sequence[int]) -> list[Module]:
        """Outputs of the train graph as a module for each part of a batch, the first as a mean over it; draws are made apart."""
        lifted, nodes = lift_draws(forms.select(self.graph, list(outputs)))
        again, is_whole = self.training.settings.recompute, len(self.parts) == 1
        share = self.share if len(self.share.sizes) > 1 and is_whole else None
        form = Form(share, self.groups if again or self.sharded else None, again, averaged=True)

        def lowered(form: Form) -> fx.GraphModule:
            return lower(lifted, weights, "Objective", form).to(self.device)

        module, of_examples = lowered(form), partial(lowered, replace(form, averaged=False))
        draws = (DrawSource(nodes, self.seed, part, self.share.batch, self.device) for part in self.parts)
        run = self._run(module)
        return [Module(module, lifted, each, self.seed, self.device, run, self.context, of_examples) for each in draws]

    def evaluating(self, weights: Weights, graph: Graph) -> Module:
        """A part of the evaluation graph as a module."""
        form = Form(groups=self.groups if self.sharded else None)
        module = lower(graph, weights, "Evaluation", form).to(self.device)
        return Module(module, graph, None, self.seed, self.device, self._run(module))

    def _run(self, module: fx.GraphModule) -> Callable[..., tuple[torch.Tensor, ...]]:
        return module.forward if self.sharded is None else self.sharded.run(module)


def minimized(training: Training) -> Graph:
    """What the objectives and the states of a train block are made of, in this order, without what is only reported."""
    outputs = [o.output for o in training.objectives] + [u.output for u in training.updates]
    return forms.select(training.graph, outputs)
