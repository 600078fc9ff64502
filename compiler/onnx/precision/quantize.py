"""Weights in few bits: whole numbers of 4 or 8 bits with a scale for each block of 32 along the axis that is summed up.

A product is `MatMul` of `DequantizeLinear`, which ONNX Runtime makes one kernel of (its codes are read, never the reals); a
row of a table is read as codes and scaled afterwards. Both are standard operators. A matrix that is read both ways, the
tied embedding of a language model say, is stored for the product. What an integral repeats has a form of its own (`whole.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from mai.compiler.file_size import BLOCK
from mai.compiler.onnx.precision.ranges import Ranges
from mai.runtime.arrays import Array

if TYPE_CHECKING:
    from mai.compiler.onnx.lowering.backend import OnnxBackend
    from mai.compiler.onnx.precision.moments import Moments

TYPES = {4: ir.DataType.INT4, 8: ir.DataType.INT8}
Form = tuple[ir.DataType, tuple[int, ...]]  # The dtype and the sizes of a tensor.
Forms = Callable[[int, int], tuple[Form, Form]]  # Those of codes and scales, for a matrix [n, k].
AT_A_TIME = 1 << 20  # Numbers of a matrix.
ENDINGS = "codes", "scales"  # Of the names of what keeps a matrix.
REAL, WHOLE = int(ir.DataType.FLOAT), int(ir.DataType.INT8)


@dataclass(frozen=True, slots=True)
class Coarse:
    """How weights are kept: in blocks of numbers of so many bits.

    Those in `whole`, by name, are multiplied as whole numbers (`whole.py`). So are convolutions whose `ranges` are known
    (`convolutions.py`), where the graph `convolves`: it is no growing text, and takes no derivative. Codes of matrices whose `moments` are known
    are chosen by them (`gptq.py`). Matrices that are made of a weight in `wide` have 8 bits.
    """

    bits: int
    whole: frozenset[str] = frozenset()
    convolves: bool = False
    ranges: Ranges = field(default_factory=dict)
    moments: Moments | None = None
    wide: frozenset[str] = frozenset()

    def bits_of(self, weights: frozenset[str]) -> int:
        """The bits of a matrix that is made of these weights."""
        return 8 if weights & self.wide else self.bits


@dataclass(frozen=True, slots=True)
class Blocks:
    """A matrix [n, k] as codes [n, k] and scales [n, k / 32]: code times scale is about the number."""

    codes: Array
    scales: Array
    bits: int

    def dequantized(self) -> Array:
        """The matrix [n, k] that the codes and scales stand for."""
        spread: Array = np.repeat(self.scales, BLOCK, 1)
        return self.codes * spread


def quantized(matrix: Array, bits: int) -> Blocks:
    """Each block so that its largest number, whatever its sign, is exact: it becomes -2^(bits - 1).

    Some rows are done at a time, so that what is computed on the way takes little memory beside a large matrix.
    """
    codes, scales = np.empty(matrix.shape, np.int8), np.empty((len(matrix), matrix.shape[1] // BLOCK), np.float32)
    step = max(1, AT_A_TIME // matrix.shape[1])
    for start in range(0, len(matrix), step):
        part = slice(start, start + step)
        scales[part] = block_scales(matrix[part], bits)
        codes[part] = codes_of(matrix[part], np.repeat(scales[part], BLOCK, 1), bits)
    return Blocks(codes, scales, bits)


def block_scales(rows: Array, bits: int) -> Array:
    """The scales [n, k / 32] with which the largest number of each block of rows [n, k] becomes -2^(bits - 1); 1 for zeros."""
    blocks = rows.reshape(len(rows), -1, BLOCK)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)[..., 0]
    scales: Array = (largest / -(1 << (bits - 1))).astype(np.float32)
    scales[scales == 0] = 1
    return scales


def codes_of(numbers: Array, scales: Array, bits: int) -> Array:
    """The codes nearest to numbers that have these scales, of the same shape."""
    half = 1 << (bits - 1)
    codes: Array = np.clip(np.rint(numbers / scales), -half, half - 1).astype(np.int8)
    return codes


def column_forms(bits: int) -> Forms:
    """What `columns` makes of a matrix."""
    return lambda n, k: ((TYPES[bits], (k, n)), (ir.DataType.FLOAT, (k // BLOCK, n)))


def columns(blocks: Blocks, name: str) -> tuple[ir.TensorProtocol, ir.TensorProtocol]:
    """The transpose [k, n] and its scales [k / 32, n] as initializers for `DequantizeLinear` along the first axis."""
    codes, scales = blocks.codes.T, np.ascontiguousarray(blocks.scales.T)
    return code_tensor(codes, blocks.bits, f"{name}.codes"), ir.Tensor(scales, name=f"{name}.scales")


def row_forms(bits: int) -> Forms:
    """What `stored_rows` makes of a matrix."""
    codes = (ir.DataType.INT8, 1) if bits == 8 else (ir.DataType.UINT8, 2)
    return lambda n, k: ((codes[0], (n, k // codes[1])), (ir.DataType.FLOAT, (n, k // BLOCK)))


def stored_rows(blocks: Blocks, name: str) -> tuple[ir.TensorProtocol, ir.TensorProtocol]:
    """Rows and their scales for `rows_of_table`: codes of 8 bits as they are; of 4 bits, raised by 8, two in a byte."""
    codes = blocks.codes if blocks.bits == 8 else pairs(blocks.codes + 8).reshape(len(blocks.codes), -1)
    return ir.Tensor(codes, name=f"{name}.codes"), ir.Tensor(blocks.scales, name=f"{name}.scales")


def rows_of_table(op: OnnxBackend, codes: ir.Value, scales: ir.Value, index: ir.Value, d: int, bits: int) -> ir.Value:
    """The rows at an index, [..., d], of a table that `stored_rows` keeps, in the operators of the backend `op`."""
    read, last = op.Gather(codes, index, axis=0), op.ints([-1])
    outer = [0] * op.rank(index)  # 0 is the size that it has.
    if bits == 4:
        halves = (
            op.BitwiseAnd(read, op.const(15, np.uint8)),
            op.BitShift(read, op.const(4, np.uint8), direction="RIGHT"),
        )
        read = op.Concat(*(op.Unsqueeze(half, last) for half in halves), axis=-1)
    numbers = op.Reshape(op.Cast(read, to=REAL), op.ints([*outer, d // BLOCK, BLOCK]))
    numbers = op.Sub(numbers, 8.0) if bits == 4 else numbers
    scaled = op.Mul(numbers, op.Unsqueeze(op.Gather(scales, index, axis=0), last))
    return op.Reshape(scaled, op.ints([*outer, d]))


def rows_of_columns(op: OnnxBackend, codes: ir.Value, scales: ir.Value, index: ir.Value, d: int, bits: int) -> ir.Value:
    """The same of a matrix that `columns` keeps. No standard operator reads single codes of 4 bits: they become codes of 8 first.

    ONNX Runtime computes both transposes once, when it opens the file; then codes and scales have no other use than the
    product, without which it does not take its kernel.
    """
    whole = op.Cast(codes, to=WHOLE) if bits == 4 else codes
    table, factors = (op.Transpose(x, perm=[1, 0]) for x in (whole, scales))
    return rows_of_table(op, table, factors, index, d, 8)


def code_tensor(codes: Array, bits: int, name: str) -> ir.TensorProtocol:
    """Codes of 8 bits, or of 4 bits, two in a byte."""
    if bits == 8:
        return ir.Tensor(np.ascontiguousarray(codes), name=name)
    return ir.PackedTensor(pairs(codes), TYPES[4], shape=codes.shape, name=name)


def pairs(codes: Array) -> Array:
    """Two numbers of 4 bits in a byte, the first in its lower half."""
    flat = np.ascontiguousarray(codes).reshape(-1).view(np.uint8)
    halves: Array = flat[1::2] << 4
    halves |= flat[0::2] & 15
    return halves
