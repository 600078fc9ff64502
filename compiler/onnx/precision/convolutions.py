"""Convolutions of whole numbers: a pass over a finished onnx_ir model, before its weights are put where they are read.

A weight has 7 bits and a scale for each channel that comes out (as in `whole.py`), the image 8 bits, and so has the result:

    c = max |W| / 63,  C = round(W / c);    x = r (q - z),  y = s (p - t),  p = t + round(sum of c r / s C (q - z)).

r is either fixed, from the range that the input had on data (`ranges.py`), or that of the example: `QLinearConv` takes one scale
for all examples, but `QuantizeLinear` and `DequantizeLinear` take one for each. So it is given 1 in place of r and s / r, of which only the
ratio was seen on data, in place of s; what leaves it is multiplied by r, and the bias, which has no unit of the example's, added in
float32. An example's scale follows images of any brightness; a fixed one is faster by a tenth. It is taken for what was normalised
just before, whose range does not depend on the example. In both ways examples do not see each other. What `Relu` makes is never below
zero, so its codes begin at 0; what is below zero without it gets the code 0 as well, and `Relu` is left out.

ONNX Runtime runs `QLinearConv` 2 to 3.5 times as fast as a float32 convolution, with the channels last; `ConvInteger`, whose result is not
rounded, is no faster than float32. In groups, each channel alone say, neither is; with few channels the passes over the
image cost what is gained. These stay in float32, the first convolution of an image say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count

import numpy as np
import onnx_ir as ir
from onnx_ir.convenience import replace_nodes_and_values

from mai.compiler.onnx.layout.lazy import drop_unread
from mai.compiler.onnx.precision.bounded import bounded, positive
from mai.compiler.onnx.precision.line import Line, bodies
from mai.compiler.onnx.precision.merged import merge
from mai.compiler.onnx.precision.phases import Piece, pieces
from mai.compiler.onnx.precision.ranges import CONVOLUTION, LEAST, Range, Ranges, identity, numbers, suits
from mai.compiler.onnx.precision.whole import LARGEST_WEIGHT
from mai.runtime.arrays import Array

LEVELS, MIDDLE = 255, 128
BIAS = 2**24  # The largest whole number that a bias becomes.
FEW = 64  # Pixels of an image that is small.


def whole_convolutions(model: ir.Model, ranges: Ranges) -> None:
    """Write the convolutions whose ranges are known in whole numbers, in all graphs."""
    rewriting = _Rewriting(ranges)
    merge(model.graph, rewriting.names)
    rewriting.graph(model.graph)


@dataclass(frozen=True, slots=True)
class _Scale:
    """What numbers become: `step` times (code - `zero`)."""

    step: np.float32
    zero: np.uint8


def _scale(low: float, high: float) -> _Scale:
    """The one of numbers in a range, in which 0 is exact."""
    low, high = min(low, 0.0), max(high, 0.0)
    step = max((high - low) / LEVELS, LEAST)
    return _Scale(np.float32(step), np.uint8(np.clip(np.rint(-low / step), 0, LEVELS)))


@dataclass(frozen=True, slots=True)
class _Rows:
    """The shape that a convolution's result has while its codes become real numbers.

    `QLinearConv` has the channels last. ONNX Runtime transposes its result to channels first as late as it can: after the codes have
    become reals, of four times the bytes. That is slow where an image has few pixels or was transposed already. So such an image, of the `sizes`
    [o, height, width], is reshaped to one row of pixels for each channel first, which ONNX Runtime can do only of codes with the channels
    first. Where `sizes` is None, nothing is reshaped.
    """

    sizes: tuple[int, int, int] | None
    axes: int

    @classmethod
    def of(cls, node: ir.Node) -> _Rows:
        shape = list(node.outputs[0].shape or ())[1:]
        axes = numbers(node, 1).ndim - 2
        numbers_of_shape = [n for n in shape if isinstance(n, int)]
        if axes == 2 and len(shape) == len(numbers_of_shape) == 3:
            channels, height, width = numbers_of_shape
            if node.op_type == "ConvTranspose" or height * width <= FEW:
                return cls((channels, height, width), axes)
        return cls(None, axes)

    def flat(self, line: Line, codes: ir.Value) -> ir.Value:
        """[N, o, pixels]"""
        return codes if self.sizes is None else line("Reshape", codes, line.ints([0, self.sizes[0], -1]))

    def whole(self, line: Line, y: ir.Value) -> ir.Value:
        """[N, o, height, width]"""
        return y if self.sizes is None else line("Reshape", y, line.ints([0, *self.sizes]))

    def beside(self, bias: Array) -> Array:
        """A bias [o], to be added: beside few pixels a number for each, since ONNX Runtime adds many short rows slowly."""
        if self.sizes is None:
            return bias.reshape(-1, *[1] * self.axes)
        pixels = self.sizes[1] * self.sizes[2]
        return np.repeat(bias[:, None], pixels if pixels <= FEW else 1, 1)


class _Rewriting:
    """`shared` are values that several convolutions of a graph read."""

    def __init__(self, ranges: Ranges) -> None:
        self.ranges, self.names = ranges, count()
        self.bounded, self.positive = bounded(), positive()
        self.shared: dict[object, ir.Value] = {}

    def graph(self, graph: ir.Graph) -> None:
        for node in list(graph):
            for body in bodies(node):
                self.graph(body)
            self.bounded.learn(node)
            self.positive.learn(node)
            seen = self.ranges.get(identity(node)) if suits(node) else None
            if seen is not None:
                self._replace(graph, node, seen)
        drop_unread(graph)

    def _replace(self, graph: ir.Graph, node: ir.Node, seen: Range) -> None:
        line = Line(graph, self.names)
        x, y = node.inputs[0], node.outputs[0]
        assert x is not None
        make = self._fixed if x in self.bounded else self._each
        result = make(line, node, seen)
        replace_nodes_and_values(graph, node, [node], line.nodes, [y], [result])

    def _fixed(self, line: Line, node: ir.Node, seen: Range) -> ir.Value:
        """By ranges that all examples share."""
        x, scale, out = node.inputs[0], _scale(seen.low, seen.high), _scale(seen.y_low, seen.y_high)
        step, zero = (self._const(line, np.asarray(n)) for n in (scale.step, scale.zero))
        codes = self._once(
            line, ("codes", x, scale.step, scale.zero), lambda: line("QuantizeLinear", _real(x), step, zero)
        )
        product = self._product(line, node, codes, scale, out, numbers(node, 2))
        rows = _Rows.of(node)
        ends = (self._const(line, np.asarray(n)) for n in (out.step, out.zero))
        return rows.whole(line, line("DequantizeLinear", rows.flat(line, product), *ends))

    def _each(self, line: Line, node: ir.Node, seen: Range) -> ir.Value:
        """By the range of each example; of what is never below zero, all codes are above it."""
        x, axes = node.inputs[0], list(range(1, numbers(node, 1).ndim))
        zero = 0 if _real(x) in self.positive else MIDDLE
        above = LEVELS - zero
        x = _before_relu(_real(x))
        scale, out = _Scale(np.float32(1), np.uint8(zero)), _scale(-seen.down * above, seen.up * above)
        steps = self._once(line, ("steps", x, zero), lambda: self._steps(line, x, axes, zero, 1 / above))
        zeros = self._zeros(line, x, steps, zero)
        codes = self._once(line, ("codes", x, zero), lambda: line("QuantizeLinear", x, steps, *zeros, axis=0))
        product = self._product(line, node, codes, scale, out, None)
        size = line("Mul", steps, self._const(line, np.asarray(out.step)))
        rows, bias = _Rows.of(node), numbers(node, 2)
        ends = self._zeros(line, x, steps, int(out.zero))
        y = line("DequantizeLinear", rows.flat(line, product), size, *ends, axis=0)
        if bias.any():
            y = line("Add", y, self._const(line, rows.beside(bias)))
        return rows.whole(line, y)

    def _steps(self, line: Line, x: ir.Value, axes: list[int], zero: int, unit: float) -> ir.Value:
        """The scale of each example, [N]: its largest number, whatever its sign, becomes an outer code."""
        least, share = (self._const(line, np.asarray(np.float32(number))) for number in (LEAST, unit))
        lows = [line("Neg", self._extreme(line, "Min", x, axes))] if zero else []
        return line("Mul", line("Max", self._extreme(line, "Max", x, axes), *lows, least), share)

    def _extreme(self, line: Line, which: str, x: ir.Value, axes: list[int]) -> ir.Value:
        """The largest or the smallest number of each example, [N]: that of the parts that an image is put together of, which others may read, too."""
        parts = _parts(x, line.graph)
        if parts == [x]:
            ends = self._const(line, np.array(axes))
            return self._once(line, (which, x), lambda: line(f"Reduce{which}", x, ends, keepdims=0))
        extremes = [self._extreme(line, which, part, axes) for part in parts]
        return extremes[0] if len(extremes) == 1 else self._once(line, (which, x), lambda: line(which, *extremes))

    def _zeros(self, line: Line, x: ir.Value, steps: ir.Value, zero: int) -> list[ir.Value]:
        """The code of zero for each example of an image, as an input of (de)quantising; no input where the code is 0, as it is by default.

        One serves all images of as many examples, whose number has a name in their shapes.
        """
        if not zero:
            return []
        alike = _examples(x) or steps
        one = self._const(line, np.asarray(np.uint8(zero)))
        sizes = self._once(line, ("sizes", alike), lambda: line("Shape", steps))
        return [self._once(line, ("zeros", alike, zero), lambda: line("Expand", one, sizes))]

    def _product(
        self, line: Line, node: ir.Node, codes: ir.Value, scale: _Scale, out: _Scale, bias: Array | None
    ) -> ir.Value:
        """The codes of the result, of one `QLinearConv` or, transposed, of several."""
        ends = [self._const(line, np.asarray(n)) for n in (scale.step, scale.zero, out.step, out.zero)]
        if node.op_type == "Conv":
            attributes = {n: list(node.attributes.get_ints(n)) for n in ("strides", "pads", "dilations")}
            return self._one(line, codes, ends, numbers(node, 1), bias, scale, attributes)
        axes = numbers(node, 1).ndim - 2
        stride = node.attributes.get_ints("strides", [1])[0]
        pads, lost = (
            node.attributes.get_ints("pads", [0] * 2 * axes),
            node.attributes.get_ints("output_padding", [0] * axes),
        )
        parts, over = pieces(numbers(node, 1), stride, pads, lost)
        share = None if bias is None else np.tile(bias, len(parts[0].weight) // len(bias))
        results = [self._one(line, codes, ends, p.weight, share, scale, _laid(p)) for p in parts]
        whole = results[0] if len(results) == 1 else line("Concat", *results, axis=1)
        shape = node.outputs[0].shape
        width = shape[-1] if shape is not None else None
        wide = width + over[-1] if isinstance(width, int) else None
        return _cut(line, _spread(line, whole, stride, axes, numbers(node, 1).shape[1], wide), over)

    def _one(
        self, line: Line, codes: ir.Value, ends: list[ir.Value], weight: Array, bias: Array | None, scale: _Scale,
        attributes: Mapping[str, Sequence[int]],
    ) -> ir.Value:  # fmt: skip
        step, zero, out_step, out_zero = ends
        largest = np.abs(weight).reshape(len(weight), -1).max(1) / LARGEST_WEIGHT
        if bias is not None:  # A whole number of 32 bits holds it.
            largest = np.maximum(largest, np.abs(bias) / (scale.step * BIAS))
        c = np.maximum(largest, LEAST).astype(np.float32)
        whole = np.rint(weight / c.reshape(-1, *(1 for _ in weight.shape[1:]))).astype(np.int8)
        rest = [] if bias is None else [self._const(line, np.rint(bias / (scale.step * c)).astype(np.int32))]
        factors = [self._const(line, array) for array in (whole, c, np.zeros(len(c), np.int8))]
        return line(CONVOLUTION, codes, step, zero, *factors, out_step, out_zero, *rest, **attributes)

    def _const(self, line: Line, array: Array) -> ir.Value:
        """A constant, of each graph its own; equal ones are one, where a net is called several times."""
        key = ("const", array.dtype.str, array.shape, sha256(array.tobytes()).digest())
        return self._once(line, key, lambda: line.const(array))

    def _once(self, line: Line, key: object, make: Callable[[], ir.Value]) -> ir.Value:
        here = (line.graph, key)
        if here not in self.shared:
            self.shared[here] = make()
        return self.shared[here]


def _real(x: ir.Value | None) -> ir.Value:
    assert x is not None, "a convolution has an image"
    return x


def _before_relu(x: ir.Value) -> ir.Value:
    """What `Relu` makes x of, or x itself: numbers below zero get the code 0 where codes begin at 0, with `Relu` or without."""
    node = x.producer()
    return _real(node.inputs[0]) if node is not None and node.op_type == "Relu" else x


def _examples(x: ir.Value) -> str | int | None:
    """How many examples an image has, a number or what that is called; None where its shape does not say."""
    first = x.shape[0] if x.shape else None
    return first.value if isinstance(first, ir.SymbolicDim) else first


def _parts(x: ir.Value, graph: ir.Graph) -> list[ir.Value]:
    """Images whose numbers, those of one example together, are those of an image of the graph: what its channels or its pixels are made of."""
    node = x.producer()
    if node is None or node.graph is not graph:
        return [x]
    read = [_real(v) for v in node.inputs if v is not None]
    if node.op_type == "Concat" and x.shape and node.attributes.get_int("axis", 0) % len(x.shape):
        return read
    return read[:1] if node.op_type == "Resize" and node.attributes.get_string("mode", "") == "nearest" else [x]


def _laid(piece: Piece) -> dict[str, list[int]]:
    return {"pads": [*piece.before, *piece.after]}


def _spread(line: Line, phases: ir.Value, stride: int, axes: int, channels: int, width: int | None) -> ir.Value:
    """The pixels of phases [N, stride^axes o, *counts] in the order of the image [N, o, *(stride counts)], whose last axis has `width`.

    With the channels last, as ONNX Runtime has them here, the pixels of a row of the window lie side by side, and are moved together.
    """
    if stride == 1:
        return phases
    if axes == 2 and width is None:
        return line("DepthToSpace", phases, blocksize=stride, mode="DCR")
    if axes == 2:
        assert width is not None
        last = line("Transpose", phases, perm=[0, 2, 3, 1])
        split = line("Reshape", last, line.ints([0, 0, width // stride, stride, stride * channels]))
        moved = line("Transpose", split, perm=[0, 1, 3, 2, 4])
        return line("Transpose", line("Reshape", moved, line.ints([0, -1, width, channels])), perm=[0, 3, 1, 2])
    split = line("Reshape", phases, line.ints([0, stride, channels, -1]))
    return line("Reshape", line("Transpose", split, perm=[0, 2, 3, 1]), line.ints([0, channels, -1]))


def _cut(line: Line, image: ir.Value, over: list[int]) -> ir.Value:
    """Without the last pixels of each axis that are too many."""
    axes = [axis for axis, more in enumerate(over) if more]
    if not axes:
        return image
    ends = line.ints([-over[axis] for axis in axes])
    return line("Slice", image, line.ints([0] * len(axes)), ends, line.ints([axis + 2 for axis in axes]))
