"""The nodes, types and constants of an ONNX graph that is being made, without inference: the IR knows every type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import onnx_ir as ir

from mai.compiler.ir import sizes as sz
from mai.compiler.ir.graph import Graph, Node
from mai.compiler.ir.sizes import Dim, Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.onnx.precision.products import Products
from mai.compiler.onnx.precision.quantize import Coarse
from mai.compiler.ops.backends import Attribute, Operator
from mai.runtime.arrays import Array

DTYPES = {DType.REAL: ir.DataType.FLOAT, DType.INT: ir.DataType.INT64, DType.BOOL: ir.DataType.BOOL}
Integer = int
Input = ir.Value | float | None


class Nodes(Products):
    """Appends nodes to `nodes`, the list of the region being built; constants go to the root graph."""

    def __init__(self, graph: Graph, opset: int, coarse: Coarse | None = None) -> None:
        Products.__init__(self, graph, coarse)
        self.root = ir.Graph([], [], nodes=[], opset_imports={"": opset}, name=graph.name)
        self.nodes: list[ir.Node] = []
        self.root_nodes = self.nodes
        self.physical: dict[ir.Value, tuple[Size, ...]] = {}
        self.scope, self.note = "", ""
        self.output: tuple[Size, ...] = ()
        self.of_turn: set[str] = set()
        self._dimensions: dict[Dim, ir.SymbolicDim] = {}
        self._constants: dict[object, ir.Value] = {}
        # Told apart by their places in memory, which nothing else gets while they are here.
        self._large: list[object] = []
        self._homes: dict[ir.Value, tuple[list[ir.Node], object]] = {}
        self._names: dict[str, int] = {}
        self._taken: set[str] = set()

    def __getattr__(self, operator: str) -> Operator[ir.Value]:
        """A standard operator by its name, which begins with a capital letter."""
        if not operator[0].isupper():
            raise AttributeError(operator)
        return partial(self.make, operator)

    # ------------------------------------------------------------------ nodes

    def make(self, operator: str, *inputs: Input, **attributes: Attribute | ir.Graph) -> ir.Value:
        """Append a node with one result."""
        return self.several(operator, 1, *inputs, **attributes)[0]

    def several(
        self, operator: str, outputs: Integer, *inputs: Input, **attributes: Attribute | ir.Graph
    ) -> list[ir.Value]:
        """Append a node with a number of results. Numbers among its inputs become constants, None is one left out."""
        operands = [self._operand(x) for x in inputs]
        named = [ir.Attr(k, *_attribute(v)) for k, v in attributes.items()]
        results = [ir.Value(name=self.name(operator.lower())) for _ in range(outputs)]
        self._homes.update(dict.fromkeys(results, (self.nodes, self.place)))
        label = self.name(f"{self.scope}/{operator}" if self.scope else operator)
        node = ir.Node("", operator, operands, named, outputs=results, name=label, doc_string=self.note or None)
        self.nodes.append(node)
        return results

    def _operand(self, x: Input) -> ir.Value | None:
        if isinstance(x, float):
            return self.real(x)
        return self.int(x) if isinstance(x, int) else x

    def name(self, stem: str) -> str:
        """A name that nothing else has."""
        unique, count = stem, self._names.get(stem, 0)
        while unique in self._taken:
            count += 1
            unique = f"{stem}_{count}"
        self._names[stem] = count
        self._taken.add(unique)
        return unique

    def begin_node(self, node: Node, *, of_codes: bool, behind: frozenset[str]) -> None:
        """What is appended from now on is of a node of the IR; `of_codes`: it is a product of whole numbers; `behind`: of these weights."""
        self.scope = node.scope.replace(".", "/")
        self.note = node.span.note if node.span else ""
        self.output = node.output.type.physical if node.outputs else ()
        self.of_codes, self.behind = of_codes, behind

    # ------------------------------------------------------------------ types

    def set_type(self, result: ir.Value, type: Type) -> None:
        """Tell the type of a value of the graph."""
        self.set_shape(result, type.dtype, type.physical)

    def set_shape(self, result: ir.Value, dtype: DType, sizes: tuple[Size, ...]) -> None:
        """Tell the dtype of a value of the graph, and its sizes in memory."""
        result.type = ir.TensorType(DTYPES[dtype])
        result.shape = ir.Shape([s if isinstance(s, int) else self._dimension(s) for s in sizes])
        self.physical[result] = sizes

    def _dimension(self, size: Dim) -> ir.SymbolicDim | None:
        """The name of a size in the file; None in the turns of a loop written out, where one name would be of several sizes."""
        if self.of_turn and sz.symbols(size) & self.of_turn:
            return None
        if size not in self._dimensions:
            self._dimensions[size] = ir.SymbolicDim(str(size))
        return self._dimensions[size]

    # -------------------------------------------------------------- constants

    def const(self, value: object, dtype: np.typing.DTypeLike = np.int64, name: str = "constant") -> ir.Value:
        """An array as an initializer; equal small ones, and equal lists, are one."""
        array = np.asarray(value, dtype)
        is_told_by_place = isinstance(value, np.ndarray) and array.size > 4096
        key = (array.dtype.str, array.shape, id(value) if is_told_by_place else array.tobytes())
        if key not in self._constants:
            unique = self.name(name)
            self._constants[key] = self.initializer(ir.Tensor(array, name=unique))
            if is_told_by_place:
                self._large.append(value)
        return self._constants[key]

    def later(
        self, key: object, make: Callable[[], Array], sizes: tuple[Integer, ...], dtype: np.typing.DTypeLike, name: str
    ) -> ir.Value:
        """An array as an initializer that is made when it is written; those of one key are one."""
        key = ("later", key)
        if key not in self._constants:
            unique, kind = self.name(name), ir.DataType.from_numpy(np.dtype(dtype))
            tensor = ir.LazyTensor(lambda: ir.Tensor(make(), name=unique), kind, ir.Shape(sizes), name=unique)
            self._constants[key] = self.initializer(tensor)
        return self._constants[key]

    def transposed(self, matrix: ir.Value) -> ir.Value:
        """The transpose of a matrix; one that is known is known the other way round, too."""
        tensor = matrix.const_value
        if tensor is None:
            return self.Transpose(matrix, perm=[1, 0])
        sizes = self.size_along(matrix, 1), self.size_along(matrix, 0)
        name = f"{matrix.name}.transposed"
        return self.later(("transposed", matrix), lambda: tensor.numpy().T, sizes, tensor.dtype.numpy(), name)

    def int(self, value: Integer) -> ir.Value:
        """A constant int64 scalar."""
        return self.const(value)

    def ints(self, values: Sequence[Integer]) -> ir.Value:
        """A constant int64 vector, [n]."""
        return self.const(list(values))

    def real(self, value: float) -> ir.Value:
        """A constant float32 scalar."""
        return self.const(value, np.float32)

    def reals(self, values: Sequence[float]) -> ir.Value:
        """A constant float32 vector, [n]."""
        return self.const(list(values), np.float32)

    def home(self, x: ir.Value) -> tuple[list[ir.Node], object]:
        """The nodes beside which a value is made, and their body; those of now, for an input of a body."""
        if x.graph is self.root:
            return self.root_nodes, None
        return self._homes.get(x, (self.nodes, self.place))

    # ----------------------------------------------------------------- values

    def whole(self, x: ir.Value) -> bool:
        """Whether the elements of an input are integers."""
        return x.dtype == ir.DataType.INT64

    def truth(self, x: ir.Value) -> bool:
        """Whether the elements of an input are true or false."""
        return x.dtype == ir.DataType.BOOL

    def number_of(self, x: ir.Value) -> float | None:
        """The number that a value is everywhere, where it is known when the graph is built."""
        maker = x.producer()
        source = maker.inputs[0] if maker is not None and maker.op_type == "Expand" else x
        if source is None or source.const_value is None or source.is_graph_input() or source.const_value.size != 1:
            return None
        return float(source.const_value.numpy().item())


def _attribute(value: Attribute | ir.Graph) -> tuple[ir.AttributeType, Attribute | ir.Graph]:
    if isinstance(value, ir.Graph):
        return ir.AttributeType.GRAPH, value
    if isinstance(value, str):
        return ir.AttributeType.STRING, value
    if isinstance(value, float):
        return ir.AttributeType.FLOAT, value
    if isinstance(value, (int, np.integer)):
        return ir.AttributeType.INT, int(value)
    return ir.AttributeType.INTS, list(value)
