"""Codes of few bits that are chosen by what a matrix is multiplied with, by GPTQ.

It is algorithm 1 of Frantar et al. 2023, "GPTQ: accurate post-training quantization for generative pre-trained transformers".
A row w of a matrix that becomes v changes its products with the inputs X [N, k] by X (w - v), whose squares add up to (w - v) H (w - v)' with the moments
H = X' X. The columns of all rows are rounded one after the other, and the error of one is made up for by those that are still real: with
U' U = inverse of (H + damping), U upper triangular,

    e = (w_j - v_j) / U_jj,    w_m := w_m - e U_jm  for m > j.

As in its authors' program, the columns with the largest moments come first, with the usual scales of their blocks. The inputs are those of
whole weights in all layers before, so that layers can be done in any order.
"""

from __future__ import annotations

import numpy as np

from mai.compiler.file_size import BLOCK
from mai.compiler.onnx.precision.quantize import Blocks, block_scales, codes_of
from mai.runtime.arrays import Array

DAMPING = 0.01  # Of the mean moment, added to each.
COLUMNS = 128  # At a time: what they leave to the others is one product.


def calibrated_blocks(matrix: Array, moments: Array, bits: int) -> Blocks:
    """A matrix [n, k] in blocks of few bits, for inputs with these moments, [k, k]."""
    scales = block_scales(matrix, bits)
    order = np.argsort(-np.diag(moments), kind="stable")
    upper = _upper(moments[np.ix_(order, order)])
    left = np.ascontiguousarray(matrix.T[order])  # [k, n], what is still real.
    of_column = np.repeat(scales, BLOCK, 1).T[order]
    codes = np.empty(left.shape, np.int8)
    for start in range(0, len(left), COLUMNS):
        part = slice(start, min(start + COLUMNS, len(left)))
        codes[part], errors = _rounded(left[part], of_column[part], upper[part, part], bits)
        left[part.stop :] -= upper[part, part.stop :].T @ errors
    placed = np.empty_like(codes)
    placed[order] = codes
    return Blocks(np.ascontiguousarray(placed.T), scales, bits)


def _rounded(left: Array, scales: Array, upper: Array, bits: int) -> tuple[Array, Array]:
    """The codes of some columns, each [n], one after the other, and their errors e."""
    codes, errors = np.empty(left.shape, np.int8), np.empty_like(left)
    for j in range(len(left)):
        codes[j] = codes_of(left[j], scales[j], bits)
        errors[j] = (left[j] - codes[j] * scales[j]) / upper[j, j]
        left[j + 1 :] -= upper[j, j + 1 :, None] * errors[j]
    return codes, errors


def _upper(moments: Array) -> Array:
    """U with U' U = inverse of the damped moments."""
    damped = moments.astype(np.float64)
    damped[np.diag_indices_from(damped)] += DAMPING * max(float(np.trace(damped)) / len(damped), 1e-12)
    upper: Array = np.linalg.cholesky(np.linalg.inv(damped)).T.astype(np.float32)
    return upper
