"""Products with weights, and rows of them, in the form that the weights are kept in: the part of the backend for these."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

import onnx_ir as ir

from mai.compiler.file_size import BLOCK, suits
from mai.compiler.ir.graph import Graph
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import WeightOf
from mai.compiler.onnx.precision import whole
from mai.compiler.onnx.precision.line import initializer, sizes_of
from mai.compiler.onnx.precision.quantize import (
    ENDINGS,
    Blocks,
    Coarse,
    Forms,
    column_forms,
    columns,
    quantized,
    row_forms,
    rows_of_columns,
    rows_of_table,
    stored_rows,
)
from mai.compiler.ops.products.product import Affine
from mai.compiler.ops.shapes.indexing import Take
from mai.runtime.arrays import Array

if TYPE_CHECKING:
    from mai.compiler.onnx.lowering.backend import OnnxBackend

T = TypeVar("T")
Kept = tuple[ir.TensorProtocol, ir.TensorProtocol]  # Codes and scales.
CHANNELS = 16  # Numbers of a row must be a multiple of it for ONNX Runtime to lay windows out in blocks.
LARGE = 2**17  # Numbers of a matrix from which on reading it is most of the time of a product of few rows.


class Products:
    """What the backend says of a product; the backend makes the nodes.

    `of_codes` is set for each operation: whether it is a product of whole numbers (`whole.py`); so is `behind`, the names of the weights that
    its matrix is computed from.
    """

    root: ir.Graph
    physical: dict[ir.Value, tuple[Size, ...]]
    make: Callable[..., ir.Value]
    name: Callable[[str], str]
    cpu: bool  # Whether large products are convolutions.
    transposed: Callable[[ir.Value], ir.Value]
    later: Callable[..., ir.Value]
    ints: Callable[[Sequence[int]], ir.Value]
    reshape: Callable[[ir.Value, Sequence[int | ir.Value]], ir.Value]
    sizes: Callable[[ir.Value], list[int | ir.Value]]
    size_along: Callable[[ir.Value, int], int]

    def __init__(self, graph: Graph, coarse: Coarse | None) -> None:
        self.coarse, self.of_codes = coarse, False
        self.behind: frozenset[str] = frozenset()
        self._tables = weights_read(graph, Take, 0) if graph.has(Take) else set[str]()
        self._factors = weights_read(graph, Affine, 1) if coarse is not None else set[str]()
        self._stored: dict[object, list[ir.Value]] = {}
        self._last: tuple[object, Kept] | None = None
        self._once: dict[object, object] = {}
        self.place: object = None  # The body that nodes go to.

    def product(self, x: ir.Value, weight: ir.Value) -> ir.Value:
        """x times the transpose of a matrix, in as few bits as are asked for."""
        if self.convolves(weight):
            return self._convolution(x, weight)
        if not self.few_bits(weight):
            return self.make("MatMul", x, self.transposed(weight))
        if self.of_codes:
            codes, scales = self._kept(("whole", self.place), weight, whole.stored, whole.stored_forms)
            return whole.product(self._backend, x, codes, scales)
        codes, scales = self._columns(weight, None if self.is_table(weight) else self.place)
        real = self.make("DequantizeLinear", codes, scales, axis=0, block_size=BLOCK)
        return self.make("MatMul", x, real)

    def rows(self, table: ir.Value, index: ir.Value) -> ir.Value:
        """The rows of a table [K, d] at an index, read in few bits and scaled; one that is multiplied, too, is stored once."""
        d, bits = self.size_along(table, -1), self.coarse.bits_of(self.behind) if self.coarse else 8
        if table.name in self._factors:
            codes, scales = self._columns(table)
            return rows_of_columns(self._backend, codes, scales, index, d, bits)
        codes, scales = self._kept("rows", table, partial(self._as_rows, bits), row_forms(bits))
        return rows_of_table(self._backend, codes, scales, index, d, bits)

    def is_table(self, matrix: ir.Value) -> bool:
        """Whether rows of a matrix are taken, too: then its transpose would be a second copy of it."""
        return matrix.name in self._tables

    def few_bits(self, matrix: ir.Value) -> bool:
        """Whether a matrix is to be kept in few bits: one whose value is known, and that is large enough."""
        if self.coarse is None or matrix.const_value is None:
            return False
        return self.of_codes or suits(_shape(matrix))

    def convolves(self, matrix: ir.Value) -> bool:
        """Whether products with a matrix are convolutions of windows of one place: with `--cpu`, a large one whose value is known."""
        if not self.cpu or self.coarse is not None or matrix.const_value is None:
            return False
        return is_window(_shape(matrix))

    def _convolution(self, x: ir.Value, weight: ir.Value) -> ir.Value:
        """x times the transpose of a matrix [n, k], with rows as places of an image of one row, and numbers of a row as its channels.

        ONNX Runtime lays the weights of such a convolution out in blocks, and reads them faster than those of a product of few rows. Of
        the two transposes and its own change of layout it makes one step.
        """
        n, k = _shape(weight)
        image = self.make("Transpose", self.reshape(x, [1, -1, 1, k]), perm=[0, 3, 1, 2])
        places = self.make("Transpose", self.make("Conv", image, self._window(weight)), perm=[0, 2, 3, 1])
        return self.reshape(places, [*self.sizes(x)[:-1], n])

    def _window(self, weight: ir.Value) -> ir.Value:
        """A matrix [n, k] as windows [n, k, 1, 1]; a table is stored once."""
        if self.is_table(weight):
            return self.make("Unsqueeze", weight, self.ints([2, 3]))
        tensor, sizes = weight.const_value, (*_shape(weight), 1, 1)
        assert tensor is not None
        name = f"{weight.name}.window"
        return self.later(("window", weight), lambda: tensor.numpy().reshape(sizes), sizes, tensor.dtype.numpy(), name)

    def _blocks(self, numbers: Array, behind: frozenset[str]) -> Blocks:
        assert self.coarse is not None
        moments, bits = self.coarse.moments, self.coarse.bits_of(behind)
        return (moments.blocks(behind, numbers, bits) if moments else None) or quantized(numbers, bits)

    def _columns(self, matrix: ir.Value, place: object = None) -> list[ir.Value]:
        """For a product, of every body its own: ONNX Runtime takes one for its kernel, and a body inside then lacks it."""
        assert self.coarse is not None
        make = partial(self._as_columns, self.behind)
        return self._kept(("columns", place), matrix, make, column_forms(self.coarse.bits_of(self.behind)))

    def _as_columns(self, behind: frozenset[str], numbers: Array, name: str) -> Kept:
        return columns(self._blocks(numbers, behind), name)

    def _as_rows(self, bits: int, numbers: Array, name: str) -> Kept:
        return stored_rows(quantized(numbers, bits), name)

    def _kept(self, kind: object, matrix: ir.Value, make: Callable[[Array, str], Kept], forms: Forms) -> list[ir.Value]:
        """The initializers that keep a matrix, one pair for each way it is read; they are made when the file is written.

        One after the other, so the last pair is kept for the second of the two.
        """
        key = (kind, matrix)
        if key in self._stored:
            return self._stored[key]
        name = self.name(f"{matrix.name}.packed")

        def tensor_at(place: int) -> ir.TensorProtocol:
            if self._last is None or self._last[0] != key:
                self._last = None  # Let go before the next is made.
                self._last = key, make(_array(matrix), name)
            tensor = self._last[1][place]
            if place:
                self._last = None
            return tensor

        tensors = [
            ir.LazyTensor(partial(tensor_at, place), dtype, ir.Shape(sizes), name=f"{name}.{ENDINGS[place]}")
            for place, (dtype, sizes) in enumerate(forms(*_shape(matrix)))
        ]
        self._stored[key] = [self.initializer(tensor) for tensor in tensors]
        return self._stored[key]

    def once(self, key: object, make: Callable[[], T]) -> T:
        """What `make()` gives, which is called once in a body for each key."""
        here = (self.place, key)
        if here not in self._once:
            self._once[here] = make()
        return cast(T, self._once[here])

    @property
    def _backend(self) -> OnnxBackend:
        """The whole backend, of which this is a part."""
        return cast("OnnxBackend", self)

    def initializer(self, tensor: ir.TensorProtocol) -> ir.Value:
        """A tensor as a value of the main graph."""
        value = initializer(self.root, tensor)
        self.physical[value] = sizes_of(tensor)
        return value


def is_window(sizes: Sequence[Size]) -> bool:
    """Whether a matrix [n, k] is faster as the windows of a convolution."""
    n, k = sizes
    return isinstance(n, int) and isinstance(k, int) and k % CHANNELS == 0 and n * k >= LARGE


def has_windows(graph: Graph) -> bool:
    """Whether a product of a graph has such a matrix."""
    return any(is_window(node.inputs[1].type.shape) for node in graph.walk() if node.op is Affine)


def weights_read(graph: Graph, op: type[Operation], place: int) -> set[str]:
    """The weights that an operation of a graph reads at a place: tables of which rows are taken, matrices of products."""
    read = {node.inputs[place] for node in graph.walk() if node.op is op}
    return {WeightOf.of(node).weight for node in graph.walk() if node.op is WeightOf and node.output in read}


def _shape(matrix: ir.Value) -> tuple[int, ...]:
    """The sizes of a matrix whose value is known."""
    assert matrix.const_value is not None
    return sizes_of(matrix.const_value)


def _array(matrix: ir.Value) -> Array:
    """The numbers of a matrix whose value is known."""
    assert matrix.const_value is not None
    return cast(Array, matrix.const_value.numpy())
