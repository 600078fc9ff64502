"""A product reads a matrix as it is and turns it over itself.

ONNX Runtime fuses a `Transpose` into the `Gemm` behind it, and forgets meanwhile that the `Gemm` reads its other operand (up to 1.31,
`GemmTransposeFusion`). Where that operand also leaves the body, it takes the value's own name away, and a call ends with a missing
input.
"""

from __future__ import annotations

import onnx_ir as ir

TURNS = ("transA", "transB")  # The attributes of a `Gemm` that turn its first and its second operand over.


def turn_operands(graph: ir.Graph) -> None:
    """Give every `Gemm` what the `Transpose` before it reads, and the attribute that says so; leave out those that nothing else reads."""
    for node in [n for n in graph.all_nodes() if n.op_type == "Gemm"]:
        for place, attribute in enumerate(TURNS):
            operand = node.inputs[place]
            maker = operand.producer() if operand is not None else None
            if maker is None or node.graph is None or maker.graph is not node.graph or not _exchanges(maker):
                continue
            node.replace_input_with(place, maker.inputs[0])
            node.attributes[attribute] = ir.AttrInt64(attribute, 1 - node.attributes.get_int(attribute, 0))
            if not maker.outputs[0].uses() and not maker.outputs[0].is_graph_output():
                node.graph.remove(maker, safe=True)


def _exchanges(node: ir.Node) -> bool:
    """Whether a node exchanges the two axes of a matrix."""
    return node.op_type == "Transpose" and list(node.attributes.get_ints("perm", [])) == [1, 0]
