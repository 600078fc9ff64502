"""The size that a `Reshape` leaves to the runtime, named by the sizes it is made of.

ONNX Runtime gives the memory of a result to a later one of the same size. A size without a name is the same as no other, so that
memory is never given on, and is searched for each later result: the time to open a file grew with the square of its layers (1.31,
`AllocationPlanner`). A linear layer of many axes has two such results, before and behind its product.
"""

from __future__ import annotations

from math import prod

import onnx_ir as ir


def name_sizes(graph: ir.Graph) -> None:
    """Tell the shape of each result of a `Reshape` to numbers, one of which follows from the others."""
    for node in graph.all_nodes():
        if node.op_type == "Reshape" and node.outputs[0].shape is None:
            _name(node)


def _name(node: ir.Node) -> None:
    x, target = node.inputs[:2]
    if x is None or x.shape is None or target is None or target.const_value is None or target.is_graph_input():
        return
    sizes = target.const_value.numpy().tolist()
    if sizes.count(-1) == 1 and 0 not in sizes:
        rest = _quotient(x.shape, prod(s for s in sizes if s != -1))
        if rest is not None:
            node.outputs[0].type = x.type
            node.outputs[0].shape = ir.Shape([rest if s == -1 else s for s in sizes])


def _quotient(shape: ir.Shape, others: int) -> int | str | None:
    """The product of all sizes by that of the `others`; None where a size has no name. Equal texts are of equal sizes."""
    names = sorted(str(s.value) for s in shape if not isinstance(s, int) and s.value is not None)
    numbers = [s for s in shape if isinstance(s, int)]
    if len(names) + len(numbers) < len(shape):
        return None
    factor, rest = divmod(prod(numbers), others)
    if rest:
        factor, names = 1, [*names, f"{prod(numbers)} / {others}"]
    if not names:
        return factor
    factors = [f"({n})" if " " in n and (len(names) > 1 or factor > 1) else n for n in names]
    return " * ".join([str(factor)] * (factor > 1) + factors)
