"""A lowered export on numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import fx

from mai.compiler.ir.graph import Graph
from mai.compiler.torch.module import DTYPES
from mai.runtime.arrays import Array


def run(
    module: fx.GraphModule, graph: Graph, inputs: Mapping[str, Array], settings: Mapping[str, object]
) -> list[Array]:
    """The outputs of `module`, lowered from `graph`; settings that are left out have their defaults."""
    device = next((t.device for t in (*module.parameters(), *module.buffers())), None)
    arguments = [torch.as_tensor(inputs[v.name], device=device) for v in graph.inputs]
    for name, setting in graph.settings.items():
        number = settings.get(name, setting.default)
        arguments.append(torch.tensor(number, dtype=DTYPES[setting.value.type.dtype], device=device))
    with torch.inference_mode():
        return [output.cpu().numpy() for output in module(*arguments)]
