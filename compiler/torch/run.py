"""A lowered export on numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, fx

from mai.compiler.ir.graph import Graph
from mai.compiler.torch.module import DTYPES
from mai.runtime.arrays import Array


def run(
    module: fx.GraphModule, graph: Graph, inputs: Mapping[str, Array], settings: Mapping[str, object]
) -> list[Array]:
    """The outputs of `module`, lowered from `graph`; settings that are left out have their defaults."""
    arguments = arguments_of(module, graph, inputs, settings)
    with torch.inference_mode():
        return [output.cpu().numpy() for output in module(*arguments)]


def arguments_of(
    module: fx.GraphModule, graph: Graph, inputs: Mapping[str, Array], settings: Mapping[str, object]
) -> list[Tensor]:
    """What `module` takes: the inputs in their order, then the settings."""
    device = next((t.device for t in (*module.parameters(), *module.buffers())), None)
    arguments = [torch.as_tensor(inputs[v.name], device=device) for v in graph.inputs]
    for name, setting in graph.settings.items():
        number = settings.get(name, setting.default)
        arguments.append(torch.tensor(number, dtype=DTYPES[setting.value.type.dtype], device=device))
    return arguments
