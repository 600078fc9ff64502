"""Keeps a sum and its layer norm apart: ONNX Runtime would fuse them into one kernel, which is several times slower on CPUs."""

from __future__ import annotations

import onnx_ir as ir


def keep_apart(graph: ir.Graph) -> None:
    """Replace every `Add` that only a layer norm reads by a `Sum`, which ONNX Runtime's fusion does not recognise."""
    for node in graph.all_nodes():
        total = node.inputs[0] if node.op_type == "LayerNormalization" else None
        maker = total.producer() if total is not None else None
        if total is not None and maker is not None and maker.op_type == "Add" and len(total.uses()) == 1:
            maker.op_type = "Sum"
