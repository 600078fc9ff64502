"""A lowered export on numpy arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx

from mai.compiler.ir.graph import Graph
from mai.compiler.torch.module import DTYPES
from mai.runtime.arrays import Array


def run(module: fx.GraphModule, graph: Graph, inputs: Mapping[str, Array], settings: Mapping[str, Any]) -> list[Array]:
    """The outputs of `module`, lowered from `graph`; settings that are left out have their defaults."""
    device = next((t.device for t in (*module.parameters(), *module.buffers())), None)
    arguments = [torch.as_tensor(inputs[v.name], device=device) for v in graph.inputs]
    for name, setting in graph.settings.items():
        given = settings.get(name, setting.default)
        arguments.append(torch.tensor(given, dtype=DTYPES[setting.value.type.dtype], device=device))
    with torch.inference_mode():
        return [made.cpu().numpy() for made in module(*arguments)]
