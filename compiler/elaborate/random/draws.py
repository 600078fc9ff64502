"""Draws: random numbers of which each depends on the seed, its place in the spec, the turn of its loop and the example."""

from __future__ import annotations

import zlib
from dataclasses import replace

from mai.compiler.elaborate.bindings import Distribution
from mai.compiler.elaborate.context import BATCH, Context
from mai.compiler.elaborate.random.draw_shapes import apply, draw_shape, each_of, formula_of, parameters_of
from mai.compiler.ir.graph import Setting, Value
from mai.compiler.ir.operation import Operation, ShapeError
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import Axis, DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.random import random_numbers as rnd
from mai.compiler.ops.random.below import Below
from mai.compiler.ops.random.choice import Choose
from mai.compiler.ops.reductions import Sum
from mai.compiler.ops.shapes.indexing import Iota, Pick
from mai.compiler.ops.shapes.shape import Unsqueeze
from mai.spec.source import Span

STANDARD = ((0, 1), (0.0, 1.0))


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

    def seed_each(self, seed: Value) -> None:
        """Every example has a seed of its own, an input, and draws as the first one of a call with that seed."""
        del self.e.graph.settings["seed"]
        self.seed, self.example = seed, self.e.builder.constant(0)

    def number_each(self, example: Value) -> None:
        """Every example has a number of its own, an input: the place that it would have in a call with its seed."""
        self.example = example

    def finish(self) -> None:
        """Without a draw there is no seed."""
        if not self.are_used:
            self.e.graph.settings.pop("seed", None)

    def inner_turn(self, outer: Value, total: Value, turn: Value) -> Value:
        """One number for the turns of nested loops: outer * total + inner."""
        if outer is self.first_turn:
            return turn
        return self.e.emit(el.Add, self.e.emit(el.Multiply, outer, total), turn)

    def drawn(self, name: str, distribution: Distribution) -> Value:
        """A draw for each example, and for each point of the axes that a call maps over."""
        self.check(distribution.span)
        own = {
            "normal": self._normal,
            "uniform": self._uniform,
            "bernoulli": self._bernoulli,
            "integers": self._integers,
            "categorical": self._categorical,
            "mixture": self._mixture,
        }
        return own.get(distribution.kind, self._by_formula)(name, distribution)

    def _normal(self, name: str, distribution: Distribution) -> Value:
        mean, std = distribution.numbers
        unit = self.random(rnd.RandomNormal, name, each_of(self.e, distribution))
        if (mean, std) in STANDARD:
            return unit
        return self._moved(name, unit, *(self.e.real(n, distribution.span) for n in (mean, std)))

    def _uniform(self, name: str, distribution: Distribution) -> Value:
        e, (low, high) = self.e, distribution.numbers
        unit = self.random(rnd.RandomUniform, name, each_of(e, distribution))
        if (low, high) in STANDARD:
            return unit
        a, b = (e.real(n, distribution.span) for n in (low, high))
        return self._moved(name, unit, a, e.emit(el.Subtract, b, a))

    def _moved(self, name: str, unit: Value, start: Value, width: Value) -> Value:
        return self.e.emit(el.Add, start, self.e.emit(el.Multiply, width, unit), name=name)

    def _bernoulli(self, name: str, distribution: Distribution) -> Value:
        p = self.e.real(distribution.numbers[0], distribution.span)
        uniform = self.random(rnd.RandomUniform, name, each_of(self.e, distribution))
        return self.e.emit(logic.Less, uniform, p, name=name)

    def _categorical(self, name: str, distribution: Distribution) -> Value:
        """A label, or one for each row of the logits."""
        e, (logits, *settings) = self.e, [self.e.value(n, distribution.span) for n in distribution.numbers]
        sizes = logits.type.shape[:-1]
        rows = tuple(Axis(f"m{i}", size, i) for i, size in enumerate(sizes, len(e.axes) + 1))
        outer, e.axes = e.axes, (*e.axes, *rows)
        try:
            each = e.builder.lead(logits, rows) if rows else logits
            label = e.emit(Choose, each, self.random(rnd.RandomUniform, name, ()), *settings, name=name)
        finally:
            e.axes = outer
        return e.builder.unlead(label, len(rows)) if rows else label

    def _mixture(self, name: str, distribution: Distribution) -> Value:
        """A draw of every component, of which a label takes one."""
        e, (logits, inner) = self.e, distribution.numbers
        assert isinstance(inner, Distribution), "a mixture is of a distribution"
        z = e.value(logits, distribution.span)
        label = self._categorical(f"{name}.which", Distribution("categorical", (), (z, 1.0), distribution.span))
        every = e.real(self.drawn(f"{name}.each", inner), distribution.span)
        after = every.type.rank - z.type.rank
        places = e.emit(Iota, count=z.type.shape[-1])
        is_taken = e.emit(logic.Equal, e.emit(Unsqueeze, label), places)
        is_taken = e.emit(Unsqueeze, is_taken, axes=tuple(range(-after, 0))) if after else is_taken
        taken = e.emit(logic.Where, is_taken, every, e.builder.constant(0.0))
        return e.emit(Sum, taken, axes=(-1 - after,), keep=False, name=name)

    def _by_formula(self, name: str, distribution: Distribution) -> Value:
        """By the prelude's layer, whose own draws are named by this one's name."""
        e = self.e
        each = each_of(e, distribution)
        layer = formula_of(distribution.kind, "draw")
        assert layer is not None, f"{distribution.kind} is not drawn"
        parameters = parameters_of(e, distribution, each, is_whole=True)
        with e.weight_scope(e.scope.enter(f"~{name}")):
            drawn = apply(e, layer, parameters, draw_shape(e, distribution), distribution.span)
        drawn.name = name
        return drawn

    def _integers(self, name: str, distribution: Distribution) -> Value:
        """low + floor(word * (high - low) / 2^32), exactly, for a word of 32 random bits that comes as its halves."""
        e, span, (low, high) = self.e, distribution.span, distribution.numbers
        halves = self.random(rnd.RandomHalves, name, each_of(e, distribution))
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
