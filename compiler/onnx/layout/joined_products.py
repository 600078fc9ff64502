"""Products of one input with weights in few bits become one product, their matrices side by side.

The queries, keys and values of an attention are made of one input, and so are the two halves of a gated MLP. ONNX Runtime rounds the input
to 8 bits for every product and starts each anew, which for one token takes about as long as reading a small matrix. A column of a product
reads the codes and scales of its own column alone: every number stays as it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import onnx_ir as ir

from mai.compiler.onnx.precision.line import initializer, sizes_of
from mai.compiler.onnx.precision.quantize import ENDINGS, code_tensor
from mai.runtime.arrays import Array

Kept = tuple[ir.TensorProtocol, ir.TensorProtocol]  # Codes [k, n] and scales [k / 32, n].
CODES, SCALES = 0, 1


def join_products(root: ir.Graph) -> None:
    """Join the products of a graph, and of all graphs inside, that read one input and matrices of as many bits."""
    for graph in [root, *root.subgraphs()]:
        for products in _groups(graph):
            _join(root, graph, products)


def _groups(graph: ir.Graph) -> list[list[ir.Node]]:
    """Two products or more of one input, each with a matrix of its own."""
    groups: defaultdict[object, list[ir.Node]] = defaultdict(list)
    for node in graph:
        matrix = _matrix(node)
        if matrix is not None:
            groups[node.inputs[0], _tensor(matrix, CODES).dtype].append(node)
    return [products for products in groups.values() if len(products) > 1]


def _matrix(node: ir.Node) -> ir.Node | None:
    """What makes the matrix of a product of codes and scales; None for other nodes, and where something else reads any of them."""
    value = node.inputs[1] if node.op_type == "MatMul" else None
    maker = value.producer() if value is not None else None
    if value is None or maker is None or maker.op_type != "DequantizeLinear":
        return None
    read = [v for v in (value, *maker.inputs) if v is not None]
    return maker if all(len(v.uses()) == 1 for v in read) else None


def _join(root: ir.Graph, graph: ir.Graph, products: Sequence[ir.Node]) -> None:
    """One product in the place of several, before the first; its parts are their results."""
    first, matrices = products[0], [m for m in map(_matrix, products) if m is not None]
    name = str(_tensor(matrices[0], CODES).name).replace(f".{ENDINGS[CODES]}", ".joined")
    beside = _SideBySide(name, [(_tensor(m, CODES), _tensor(m, SCALES)) for m in matrices])
    widths, *kept = [initializer(root, tensor) for tensor in beside.tensors()]
    read = ir.Node("", "DequantizeLinear", kept, list(matrices[0].attributes.values()), name=f"{name}/DequantizeLinear")
    whole = ir.Node("", "MatMul", [first.inputs[0], *read.outputs], name=f"{name}/MatMul")
    axis = [ir.AttrInt64("axis", -1)]
    parts = ir.Node("", "Split", [*whole.outputs, widths], axis, num_outputs=len(products), name=f"{name}/Split")
    read.outputs[0].name, whole.outputs[0].name = f"{name}.matrix", name
    graph.insert_before(first, [read, whole, parts])
    for product, part in zip(products, parts.outputs, strict=True):
        (result,) = product.outputs
        part.name, part.type, part.shape = result.name, result.type, result.shape
        result.replace_all_uses_with(part, replace_graph_outputs=True)
    graph.remove([*products, *matrices], safe=True)


class _SideBySide:
    """Several matrices as one, each of which is made when the file is written: its codes, and its scales, which wait for their turn."""

    def __init__(self, name: str, matrices: Sequence[Kept]) -> None:
        self._name, self._matrices = name, matrices
        self._scales: list[Array] = []

    def tensors(self) -> list[ir.TensorProtocol]:
        """How wide each matrix is, and codes and scales of all."""
        widths = np.array([sizes_of(codes)[-1] for codes, _ in self._matrices], np.int64)
        lazy = partial(self._lazy, int(widths.sum()))
        return [
            ir.Tensor(widths, name=f"{self._name}.widths"),
            lazy(CODES, self._codes),
            lazy(SCALES, self._scales_beside),
        ]

    def _lazy(self, width: int, place: int, make: Callable[[], ir.TensorProtocol]) -> ir.TensorProtocol:
        alike = self._matrices[0][place]
        sizes = ir.Shape([sizes_of(alike)[0], width])
        return ir.LazyTensor(make, alike.dtype, sizes, name=self._named(place))

    def _codes(self) -> ir.TensorProtocol:
        codes = []
        self._scales = []
        for matrix in self._matrices:
            codes.append(matrix[CODES].numpy().astype(np.int8))
            self._scales.append(matrix[SCALES].numpy())
        return code_tensor(np.concatenate(codes, axis=-1), self._matrices[0][CODES].dtype.bitwidth, self._named(CODES))

    def _scales_beside(self) -> ir.TensorProtocol:
        scales, self._scales = self._scales or [matrix[SCALES].numpy() for matrix in self._matrices], []
        return ir.Tensor(np.concatenate(scales, axis=-1), name=self._named(SCALES))

    def _named(self, place: int) -> str:
        return f"{self._name}.{ENDINGS[place]}"


def _tensor(matrix: ir.Node, place: int) -> ir.TensorProtocol:
    """The codes or the scales of a matrix."""
    value = matrix.inputs[place]
    assert value is not None and value.const_value is not None
    return value.const_value
