"""A layer norm of a sum stays two nodes: the one kernel that ONNX Runtime makes of them is several times slower on the CPU."""

from __future__ import annotations

import onnx_ir as ir


def keep_apart(graph: ir.Graph) -> None:
    """Write every sum of two that only a layer norm reads as the sum of a list, which the runtime's fusion does not know."""
    for node in graph.all_nodes():
        total = node.inputs[0] if node.op_type == "LayerNormalization" else None
        maker = total.producer() if total is not None else None
        if total is not None and maker is not None and maker.op_type == "Add" and len(total.uses()) == 1:
            maker.op_type = "Sum"
