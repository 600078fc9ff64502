"""The loss of a spec, for tests of its gradients."""

from __future__ import annotations

import torch
from torch import Tensor

from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights


def objective(program: Program, *, adjoint: bool) -> tuple[Tensor, list[Tensor]]:
    """The loss of sixteen points, and the weights that it moves."""
    graph = forms.select(forms.prepare(program.training.graph, adjoint=adjoint), [0])  # type: ignore[union-attr]
    weights = Weights(program.weights).initialise(0)
    x = torch.randn(16, 2, generator=torch.Generator().manual_seed(0))
    module = lower(graph, weights)
    inputs = [x] * len(graph.inputs) + [torch.tensor(0)] * len(graph.settings)
    return module.forward(*inputs)[0].mean(), list(weights.parameters())
