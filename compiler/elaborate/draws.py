"""Draws: random numbers of which each depends on the seed, its place in the spec, the turn of its loop and the example."""

from __future__ import annotations

import zlib
from dataclasses import replace

from mai.compiler.elaborate.bindings import Binding, Distribution
from mai.compiler.elaborate.context import BATCH, Context
from mai.compiler.ir.graph import Setting, Value
from mai.compiler.ir.operation import Operation, ShapeError
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.random import random_numbers as rnd
from mai.compiler.ops.random.below import Below
from mai.compiler.ops.random.choice import Choose
from mai.compiler.ops.shapes.indexing import Iota, Pick
from mai.spec.source import Span


class Draws:
    """What a graph's draws need, who the example is, which seed and which turn of the loops, and the making of them."""

    seed: Value
    example: Value
    turn: Value
    first_turn: Value  # The turn outside of every loop: 0 in an export, the step in a train block.

    def __init__(self, context: Context) -> None:
        self.e = context
        self.places: dict[str, int] = {}
        self.can_draw = self.are_used = False

    def start(self, turn: Value | None = None) -> None:
        """Make the values that draws depend on: the seed, the turn and the example."""
        self.seed = Value(Type(DType.INT), "seed")
        self.e.graph.settings["seed"] = Setting(self.seed, 0, 0)
        example = self.e.emit(Iota, count=BATCH.size, name="example")
        self.first_turn = self.turn = turn or self.e.builder.constant(0)
        self.can_draw = True
        self.example = self.e.builder.lead(example, (BATCH,))

    def finish(self) -> None:
        """Without a draw there is no seed."""
        if not self.are_used:
            del self.e.graph.settings["seed"]

    def inner_turn(self, outer: Value, total: Value, turn: Value) -> Value:
        """One number for the turns of nested loops: outer * total + inner."""
        if outer is self.first_turn:
            return turn
        return self.e.emit(el.Add, self.e.emit(el.Multiply, outer, total), turn)

    def drawn(self, name: str, distribution: Distribution) -> Value:
        """A draw for each example, and for each point of the axes that a call maps over."""
        e, numbers, span = self.e, distribution.numbers, distribution.span
        self.check(span)
        if distribution.kind == "categorical":
            logits, *settings = (e.value(n, span) for n in numbers)
            return e.emit(Choose, logits, self.random(rnd.RandomUniform, name, ()), *settings, name=name)
        if distribution.kind == "bernoulli":
            p, uniform = e.real(numbers[0], span), self.random(rnd.RandomUniform, name, distribution.shape)
            return e.emit(logic.Less, uniform, p, name=name)
        low, high = numbers
        if distribution.kind == "integers":
            return self._integers(name, distribution, low, high)
        op = rnd.RandomNormal if distribution.kind == "normal" else rnd.RandomUniform
        unit = self.random(op, name, distribution.shape)
        if (low, high) in ((0, 1), (0.0, 1.0)):
            return unit
        a, b = e.real(low, span), e.real(high, span)
        width = b if distribution.kind == "normal" else e.emit(el.Subtract, b, a)
        return e.emit(el.Add, a, e.emit(el.Multiply, width, unit), name=name)

    def _integers(self, name: str, distribution: Distribution, low: Binding, high: Binding) -> Value:
        """low + floor(word * (high - low) / 2^32), exactly, for a word of 32 random bits that comes as its halves."""
        e, span = self.e, distribution.span
        halves = self.random(rnd.RandomHalves, name, distribution.shape)
        a, b = e.promoted([low, high], [span, span])
        if a.type.dtype is not DType.INT:
            raise ShapeError("dtype-mismatch", "`integers` takes whole numbers", 0)
        low_bits, high_bits = (e.emit(Pick, halves, axis=-1, index=half) for half in (0, 1))
        number = e.emit(Below, low_bits, high_bits, e.emit(el.Subtract, b, a))
        integers = e.emit(el.Add, number, a, name=name)
        integers.type = replace(integers.type, classes=high if isinstance(high, int) else None)
        return integers

    def random(self, op: type[Operation], name: str, shape: tuple[Size, ...]) -> Value:
        """Random numbers [shape] of one kind."""
        self.are_used = True
        e, axes = self.e, self.e.axes
        full = tuple(a.size for a in axes) + shape
        place = self._place(f"{e.scope.form}.{name}" if e.call_stack else name)
        numbers = e.emit(op, self.seed, self.turn, self.example, name=name, place=place, shape=full)
        return e.builder.lead(numbers, axes) if axes else numbers

    def check(self, span: Span) -> None:
        """Refuse a draw in what is fixed. Raises `Stop`."""
        if not self.can_draw:
            raise self.e.fail("static-needed", span, "nothing is drawn here: settings and consts are fixed")

    def _place(self, name: str) -> int:
        """A number for a draw's place in the spec: the same in every export that draws the same name first."""
        self.places[name] = self.places.get(name, 0) + 1
        return zlib.crc32(f"{name}#{self.places[name]}".encode())
