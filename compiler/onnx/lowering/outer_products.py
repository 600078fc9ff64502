"""A block of turns of H_t = a_t H_{t-1} + k_t v_t^T, of which q_t^T H_t alone is read, as products of matrices in ONNX.

With D_ts the product of the decays after s up to t, what is read is (q k^T . D) v + (q since) H. The decays are multiplied out, row by
row, and never divided, so none is too small, too large or 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from mai.compiler.ir.align import missing_axes
from mai.compiler.ir.graph import Value
from mai.compiler.ir.types import Axis, Type
from mai.compiler.passes.loops.recurrences.outer_products import Reading

if TYPE_CHECKING:
    from mai.compiler.onnx.lowering.interpreter import OnnxInterpreter


class Chunk:
    """The turns of one block, of a state of a type; `steps` is the axis of turns, of a size that is known."""

    def __init__(self, walk: OnnxInterpreter, state: Type, steps: Axis) -> None:
        assert isinstance(steps.size, int), "a block has a number of turns"
        self.walk, self.op, self.state, self.steps, self.turns = walk, walk.op, state, steps, steps.size
        self.outer = len(state.lead) + state.rank - 2  # Axes before the last two of the state.

    def results(self, parts: Sequence[Value], first: ir.Value, reading: Reading) -> tuple[ir.Value, ir.Value]:
        """What is read after each turn, with the turns as the first axis, and the state after the last one."""
        op, swap = self.op, [*range(self.outer), self.outer + 1, self.outer]
        decay, key, value, query = (self._turns_behind(v, int(i > 0)) for i, v in enumerate(parts))
        if reading.over == -1:  # The state's columns are what is summed over: the same with the state transposed.
            key, value, first = value, key, op.Transpose(first, perm=swap)
        decays, rows = self._decays(decay)
        since = op.Mul(op.Squeeze(self._column(decays, 0), op.ints([-1])), self._column(decay, 0))
        scores = op.Mul(op.MatMul(query, op.Transpose(key, perm=swap)), decays)
        before = op.MatMul(op.Mul(query, op.Unsqueeze(since, op.ints([-1]))), first)
        read = op.Add(op.MatMul(scores, value), before)
        added = op.MatMul(op.Transpose(op.Mul(key, op.Unsqueeze(rows[-1], op.ints([-1]))), perm=swap), value)
        whole = op.Unsqueeze(self._column(since, self.turns - 1), op.ints([-1]))
        last = op.Add(op.Mul(whole, first), added)
        read = op.Transpose(read, perm=[self.outer, *range(self.outer), self.outer + 1])
        read = read if reading.kept is None else op.Unsqueeze(read, op.ints([reading.kept]))
        return read, op.Transpose(last, perm=swap) if reading.over == -1 else last

    def _turns_behind(self, value: Value, inner: int) -> ir.Value:
        """A part [outer axes, turns], or [outer axes, turns, n] with one `inner` axis; axes that it lacks are of size one."""
        op, rank = self.op, self.state.rank - 2 + inner
        axes = missing_axes(value.type, (self.steps, *self.state.lead), rank)
        x = self.walk[value]
        x = self.walk.unsqueeze(x, value.type, axes) if axes else x
        behind = 1 + self.outer + inner - len(axes) - len(value.type.physical)
        x = op.Unsqueeze(x, op.ints(list(range(behind)))) if behind else x
        if self.steps not in value.type.lead:
            x = op.Expand(x, op.ints([self.turns, *[1] * (self.outer + inner)]))
        return op.Transpose(x, perm=[*range(1, self.outer + 1), 0, *([self.outer + 1] if inner else [])])

    def _column(self, x: ir.Value, place: int) -> ir.Value:
        """One place along the last axis, which stays."""
        op = self.op
        return op.Slice(x, op.ints([place]), op.ints([place + 1]), op.ints([-1]))

    def _decays(self, decay: ir.Value) -> tuple[ir.Value, list[ir.Value]]:
        """D [..., turns, turns], and its rows [..., turns]."""
        op, ones = self.op, np.eye(self.turns)
        each = op.several("Split", self.turns, decay, axis=-1, num_outputs=self.turns)
        outer = op.Concat(op.Shape(each[0], start=0, end=self.outer), op.ints([self.turns]), axis=0)
        rows = [op.Expand(op.const(ones[0], np.float32), outer)]
        for turn, a in enumerate(each[1:], 1):
            rows.append(op.Add(op.Mul(rows[-1], a), op.const(ones[turn], np.float32)))
        return op.reshape(op.Concat(*rows, axis=-1), [*[0] * self.outer, self.turns, self.turns]), rows
