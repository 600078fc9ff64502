"""Bounds of the numbers that a convolution reads, by the nodes before it.

That their range does not depend on how large an example's are, since they were normalised or squashed just before; that none is below 0.
"""

from __future__ import annotations

import onnx_ir as ir

BOUNDS = {
    "InstanceNormalization", "LayerNormalization", "RMSNormalization", "GroupNormalization", "Sigmoid", "Tanh", "Softmax", "Erf",
}  # fmt: skip
# Of these, the first operand alone is of numbers.
LAYOUT = {
    "Reshape",
    "Transpose",
    "Unsqueeze",
    "Squeeze",
    "Slice",
    "Split",
    "Resize",
    "Pad",
    "Expand",
    "MaxPool",
    "AveragePool",
}
ALL = {
    "Add",
    "Sub",
    "Mul",
    "Neg",
    "Abs",
    "Relu",
    "Gelu",
    "Identity",
    "Concat",
    "Max",
    "Min",
    "BatchNormalization",
    "Softplus",
}

POSITIVE = {"Relu", "Sigmoid", "Softmax", "Softplus", "Abs", "Exp", "Sqrt"}
STAYS_POSITIVE = LAYOUT - {"Pad"} | {"Add", "Mul", "Identity", "Concat", "Max", "Min"}


class Follow:
    """Learns nodes in their order; then it contains the results of those that `begin` something, and of those that `keep` it.

    `constants` says whether those among the operands of a node may be any.
    """

    def __init__(self, begin: set[str], keep: set[str], *, constants: bool) -> None:
        self.begin, self.keep, self.constants = begin, keep, constants
        self._values: set[ir.Value] = set()

    def __contains__(self, value: ir.Value) -> bool:
        return value in self._values

    def learn(self, node: ir.Node) -> None:
        """Whether the results of a node are so, by what it does or by what it reads."""
        read = [v for v in node.inputs if v is not None]
        if node.op_type in LAYOUT:
            read = read[:1]
        elif self.constants:
            read = [v for v in read if v.const_value is None or v.is_graph_input()]
        follows = node.op_type in self.keep and bool(read) and all(v in self._values for v in read)
        if node.op_type in self.begin or follows:
            self._values.update(node.outputs)


def bounded() -> Follow:
    """Of values whose range no example's size changes."""
    return Follow(BOUNDS, LAYOUT | ALL, constants=True)


def positive() -> Follow:
    """Of values that are never below 0."""
    return Follow(POSITIVE, STAYS_POSITIVE, constants=False)
