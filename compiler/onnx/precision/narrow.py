"""A model in 16 bits: weights, products and what lies between them as fp16 or bf16, the rest in float32 as it was.

In few bits are products with a weight, attention, and rows of a table; then every operation of FOLLOWING whose operands are
all narrow or constants that 16 bits hold. The statistics of a layer norm have float32 inside it (`stash_type`), those of a
softmax inside attention. All else is float32: inputs and outputs, what a loop hands on (the state of a solver, but for the
keys and values of attention), times, draws, sums, softmax, log, exp, powers, and the other norms. An operand of the other
width is cast where it is made, so that a loop reads it cast.

A GPU computes with it. ONNX Runtime on a CPU has no kernels for bf16, and for fp16 it leaves out roundings between operations
that it computes in float32. So `rounded` makes a second form, for the gate: everything is float32, and each value that
would be narrow is rounded to the narrow type and back.
"""

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
import numpy as np
import onnx_ir as ir

from mai.compiler.onnx.precision.line import initializer
from mai.runtime.arrays import Array

TYPES: dict[str, tuple[ir.DataType, type[np.generic]]] = {
    "fp16": (ir.DataType.FLOAT16, np.float16), "bf16": (ir.DataType.BFLOAT16, ml_dtypes.bfloat16),
}  # fmt: skip
WIDE = ir.DataType.FLOAT
Places = tuple[int, ...] | None  # Which operands are real numbers; None for all.
# What CUDA has kernels for in either type, from the tables of ONNX Runtime. A product needs a weight as one operand.
PRODUCTS: dict[str, Places] = {"MatMul": None, "Gemm": None, "Conv": None}
ATTENTION: dict[str, Places] = {"Attention": (0, 1, 2, 4, 5)}
LAYOUT: dict[str, Places] = {
    "Identity": None, "Reshape": (0,), "Transpose": (0,), "Unsqueeze": (0,), "Squeeze": (0,), "Slice": (0,), "Split": (0,),
    "Expand": (0,), "Gather": (0,), "Concat": None, "Where": (1, 2),
}  # fmt: skip
FOLLOWING: dict[str, Places] = LAYOUT | dict.fromkeys(
    ("Add", "Sub", "Mul", "Div", "Neg", "Relu", "Sigmoid", "Tanh", "Gelu", "MatMul",
     "LayerNormalization", "RMSNormalization", "RotaryEmbedding")
)  # fmt: skip
ALL = FOLLOWING | PRODUCTS | ATTENTION
CONV_BF16 = 22  # The first operator set whose convolution is of bf16, too.
TABLE = 4096  # Elements of the smallest matrix whose rows are kept narrow.


def narrow(model: ir.Model, precision: str, *, rounded: bool = False) -> None:
    """Change a model whose initializers are all in its main graph; with `rounded`, compute the same in float32."""
    _Narrowing(model.graph, precision, rounded).graph(model.graph)


class _Narrowing:
    """`narrow` are the values in 16 bits; `instead` has, for a value that was rounded, what is read in its place."""

    def __init__(self, root: ir.Graph, precision: str, rounded: bool) -> None:
        self.root, self.precision, self.rounded = root, precision, rounded
        self.type, self.dtype = TYPES[precision]
        self.narrow: set[ir.Value] = set()
        self.instead: dict[ir.Value, ir.Value] = {}
        self.largest: dict[ir.Value, float] = {}
        self.casts: dict[tuple[ir.Value, ir.DataType], ir.Value] = {}
        self.settings = set(root.inputs)

    def graph(self, graph: ir.Graph, caches: Sequence[int] = ()) -> None:
        """`caches` are the places of the outputs that stay narrow."""
        for node in list(graph):
            self.node(node)
        for place, value in enumerate(graph.outputs):
            if place not in caches:
                graph.outputs[place] = self._output(value, graph)

    def _output(self, value: ir.Value, graph: ir.Graph) -> ir.Value:
        """An output in float32, of the same name in the main graph."""
        wide = self._wide(value)
        if wide is not value and graph is self.root:
            wide.name, value.name = value.name, f"{value.name}/{self.precision}"
            wide.shape = value.shape
        return wide

    def node(self, node: ir.Node) -> None:
        inner = [a.as_graph() for a in node.attributes.values() if a.type == ir.AttributeType.GRAPH]
        if not inner:
            self._plain(node)
            return
        caches = _caches(node, inner[0]) if node.op_type == "Loop" and not self.rounded else []
        for place, value in enumerate(node.inputs):
            if value is not None:
                self._read(node, place, self._narrow(value) if place in caches else self._wide(value))
        for place in caches:
            self._hold(inner[0].inputs[place])
            self._hold(node.outputs[place - 2])
        for body in inner:
            self.graph(body, [place - 1 for place in caches])

    def _plain(self, node: ir.Node) -> None:
        operands = _operands(node)
        if not self._becomes_narrow(node, list(operands.values())):
            for place, value in enumerate(node.inputs):
                if value is not None:
                    self._read(node, place, self._wide(value))
            return
        for place, value in operands.items():
            self._read(node, place, self._narrow(value))
        for output in node.outputs:
            if self.rounded and node.op_type not in LAYOUT:
                self.instead[output] = self._cast(self._cast(output, self.type), WIDE)
            self._hold(output)

    def _becomes_narrow(self, node: ir.Node, operands: list[ir.Value]) -> bool:
        kind, constant = node.op_type, [self._fits(v) for v in operands]
        if kind not in ALL or (kind == "Conv" and self.precision == "bf16" and self.root.opset_imports[""] < CONV_BF16):
            return False
        if kind in ATTENTION:
            return True
        if any(v.const_value is not None and not fits for v, fits in zip(operands, constant, strict=True)):
            return False
        if kind in PRODUCTS and any(constant):
            return True
        if kind == "Gather" and constant[0]:
            table = operands[0].const_value
            return table is not None and bool(table.size >= TABLE)
        every = all(fits or v in self.narrow for v, fits in zip(operands, constant, strict=True))
        return every and any(v in self.narrow for v in operands)

    def _fits(self, value: ir.Value) -> bool:
        """Whether a value is a constant whose largest number 16 bits hold; what a host may set is none."""
        if value.const_value is None or value in self.settings or value.const_value.dtype != WIDE:
            return False
        if value not in self.largest:
            self.largest[value] = float(np.abs(value.const_value.numpy()).max(initial=0.0))
        largest = self.largest[value]
        limits = ml_dtypes.finfo(self.dtype)  # type: ignore[no-untyped-call]
        return largest == 0 or float(limits.smallest_normal) <= largest <= float(limits.max)

    # ------------------------------------------------------------------ values

    def _hold(self, value: ir.Value) -> None:
        self.narrow.add(value)
        if not self.rounded:
            value.type = ir.TensorType(self.type)

    def _read(self, node: ir.Node, place: int, value: ir.Value) -> None:
        if value is not node.inputs[place]:
            node.replace_input_with(place, value)

    def _wide(self, value: ir.Value) -> ir.Value:
        """A value as float32; what is none of reals stays."""
        if value in self.narrow and not self.rounded:
            return self._cast(value, WIDE)
        return self.instead.get(value, value)

    def _narrow(self, value: ir.Value) -> ir.Value:
        if value in self.narrow:
            return self.instead.get(value, value)
        if value.const_value is not None and value not in self.settings:
            return self._constant(value)
        cast = self._cast(value, self.type)
        return self._cast(cast, WIDE) if self.rounded else cast

    def _constant(self, value: ir.Value) -> ir.Value:
        """The constant in 16 bits, once."""
        key = (value, self.type)
        if key not in self.casts:
            name, kind = f"{value.name}/{self.precision}", WIDE if self.rounded else self.type
            assert value.shape is not None
            tensor = ir.LazyTensor(lambda: ir.Tensor(self._rounded(value), name=name), kind, value.shape, name=name)
            self.casts[key] = initializer(self.root, tensor)
        return self.casts[key]

    def _rounded(self, value: ir.Value) -> Array:
        """The numbers of a constant in 16 bits, or as float32 rounded to them."""
        assert value.const_value is not None
        array: Array = value.const_value.numpy().astype(self.dtype)
        return array.astype(np.float32) if self.rounded else array

    def _cast(self, value: ir.Value, to: ir.DataType) -> ir.Value:
        """Right after what makes the value, so that a loop does not cast what is outside it at each turn."""
        if (value, to) not in self.casts:
            cast = ir.Value(name=f"{value.name}/{to.name.lower()}", type=ir.TensorType(to), shape=value.shape)
            node = ir.Node("", "Cast", [value], [ir.AttrInt64("to", int(to))], outputs=[cast], name=f"{cast.name}/Cast")
            maker = value.producer()
            if maker is not None and maker.graph is not None:
                maker.graph.insert_after(maker, node)
            else:
                home = value.graph or self.root
                home.insert_before(home[0], node)
            self.casts[(value, to)] = cast
        return self.casts[(value, to)]


def _operands(node: ir.Node) -> dict[int, ir.Value]:
    """A node's operands of real numbers by their places, without those that are left out."""
    places = ALL.get(node.op_type, ())
    return {i: v for i, v in enumerate(node.inputs) if v is not None and (places is None or i in places)}


def _caches(loop: ir.Node, body: ir.Graph) -> list[int]:
    """The inputs of a loop that hold keys and values: attention reads them as its past, and makes what comes next."""
    places = []
    for place in range(2, len(loop.inputs)):
        following = _behind(body.outputs[place - 1])
        maker = following.producer()
        reads = {(use.node.op_type, use.idx) for use in body.inputs[place].uses()}
        kept = maker is not None and maker.op_type == "Attention" and following is not maker.outputs[0]
        if kept and reads and reads <= {("Attention", 4), ("Attention", 5)}:
            places.append(place)
    return places


def _behind(value: ir.Value) -> ir.Value:
    """What a value is another name for."""
    maker = value.producer()
    while maker is not None and maker.op_type == "Identity" and maker.inputs[0] is not None:
        value = maker.inputs[0]
        maker = value.producer()
    return value
