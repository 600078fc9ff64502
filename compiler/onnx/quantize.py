"""Weights in few bits: whole numbers of 4 or 8 bits with a scale for each block of 32 along the axis that is summed up.

A product is `MatMul` of `DequantizeLinear`, which ONNX Runtime makes one kernel of (its codes are read, never the reals); a
row of a table is read as codes and scaled afterwards. Both are standard operators.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx_ir as ir

Array = np.ndarray[Any, Any]
BLOCK = 32
LEAST = 4096  # Elements of the smallest matrix that gains from it.
NAMES = {"int4": 4, "int8": 8}
TYPES = {4: ir.DataType.INT4, 8: ir.DataType.INT8}


@dataclass(frozen=True, slots=True)
class Blocks:
    """A matrix [n, k] as codes [n, k] and scales [n, k / 32]: code times scale is about the number."""

    codes: Array
    scales: Array
    bits: int

    def dequantized(self) -> Array:
        spread: Array = np.repeat(self.scales, BLOCK, 1)
        return self.codes * spread


def suits(shape: tuple[int, ...]) -> bool:
    """Whether a matrix is large enough, and its rows are whole blocks."""
    return len(shape) == 2 and shape[1] % BLOCK == 0 and shape[0] * shape[1] >= LEAST


def quantized(matrix: Array, bits: int) -> Blocks:
    """Each block so that its largest number, whatever its sign, is exact: it becomes -2^(bits - 1)."""
    half = 1 << (bits - 1)
    blocks = matrix.reshape(len(matrix), -1, BLOCK)
    largest = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)
    scales = (largest / -half).astype(np.float32)
    scales[scales == 0] = 1
    codes = np.clip(np.rint(blocks / scales), -half, half - 1).astype(np.int8)
    return Blocks(codes.reshape(matrix.shape), scales[..., 0], bits)


def columns(blocks: Blocks, name: str) -> tuple[ir.TensorProtocol, ir.TensorProtocol]:
    """The transpose [k, n] and its scales [k / 32, n] as initializers for `DequantizeLinear` along the first axis."""
    codes, scales = blocks.codes.T, np.ascontiguousarray(blocks.scales.T)
    return _tensor(codes, blocks.bits, f"{name}.codes"), ir.Tensor(scales, name=f"{name}.scales")


def _tensor(codes: Array, bits: int, name: str) -> ir.TensorProtocol:
    if bits == 8:
        return ir.Tensor(np.ascontiguousarray(codes), name=name)
    return ir.PackedTensor(pairs(codes), TYPES[4], shape=codes.shape, name=name)


def pairs(codes: Array) -> Array:
    """Two numbers of 4 bits in a byte, the first in its lower half."""
    flat = (np.ascontiguousarray(codes).reshape(-1) & 15).astype(np.uint8)
    return flat[0::2] | (flat[1::2] << 4)
