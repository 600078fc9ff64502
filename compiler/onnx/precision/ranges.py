"""What goes into convolutions and comes out of them: the ranges that convolutions of whole numbers need (`convolutions.py`).

They are seen on a run of the float32 model, which `watch` gives one more output. A convolution is recognised by its numbers, so that what
was seen in one graph, the loss on held-out data, holds in another, an export.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np
import onnx_ir as ir

from mai.compiler.onnx.precision.line import Line, bodies
from mai.runtime.arrays import Array

KINDS, CONVOLUTION = ("Conv", "ConvTranspose"), "QLinearConv"  # Before and after.
NARROW = 16  # Channels of the fewest that gain from it, those that go in and those that come out.
MANY = 147  # Products of a sum with which few channels on one side gain, too: a window of 7 x 7 over 3 channels.
OUTPUT = "ranges"
FIGURES = 6  # Of a `Range`.
LEAST = 1e-30


@dataclass(frozen=True, slots=True)
class Range:
    """The extremes of a convolution's input and output, and of the output without its bias over its example's largest input."""

    low: float
    high: float
    y_low: float
    y_high: float
    down: float
    up: float


Ranges = Mapping[str, Range]  # By `identity`.


def suits(node: ir.Node) -> bool:
    """Whether a convolution may be of whole numbers: its weight is known, it is in one group, and large enough."""
    if node.op_type not in KINDS or any(v is None or v.const_value is None for v in node.inputs[1:]):
        return False
    weight = numbers(node, 1)
    if node.attributes.get_int("group", 1) != 1:
        return False
    wide = bool(min(weight.shape[:2]) >= NARROW)
    if node.op_type == "ConvTranspose":
        return wide and _has_phases(node, weight.ndim - 2)
    windows = weight[0, 0].size > 1 and weight[0].size >= MANY
    return wide or bool(windows and max(weight.shape[:2]) >= NARROW)


def _has_phases(node: ir.Node, axes: int) -> bool:
    """Whether a transposed convolution is one that `phases.py` can write as convolutions."""
    strides, dilations = set(node.attributes.get_ints("strides", [1])), set(node.attributes.get_ints("dilations", [1]))
    return dilations == {1} and (strides == {1} or (axes < 3 and len(strides) == 1))


def numbers(node: ir.Node, place: int) -> Array:
    """A weight or a bias of a convolution that `suits`; a bias that it has not is zeros."""
    if place < len(node.inputs):
        value = node.inputs[place]
        assert value is not None
        assert value.const_value is not None
        return value.const_value.numpy()
    weight = numbers(node, 1)
    return np.zeros(weight.shape[0 if node.op_type == "Conv" else 1], np.float32)


def identity(node: ir.Node) -> str:
    """What a convolution is recognised by: a checksum of its weight and its bias."""
    check = 0
    for array in (numbers(node, 1), numbers(node, 2)):
        check = zlib.crc32(np.ascontiguousarray(array, np.float32).tobytes(), check)
    return f"{check:08x}"


def figures(ranges: Ranges) -> dict[str, list[float]]:
    """Ranges as a file's manifest keeps them."""
    return {key: list(astuple(seen)) for key, seen in ranges.items()}


def from_figures(kept: Mapping[str, Sequence[float]]) -> dict[str, Range]:
    """The way back."""
    return {key: Range(*seen) for key, seen in kept.items()}


def watch(model: ir.Model, names: Iterator[int]) -> list[str]:
    """Give a float32 model one more output, the largest figures of its convolutions, and say of which they are.

    `names` number new values in the whole model.
    """
    return _Watch(names).model(model)


def read_ranges(keys: Sequence[str], output: Array) -> dict[str, Range]:
    """The ranges that a watched model's last output tells; those that are no numbers are left out."""
    ranges: dict[str, Range] = {}
    for key, row in zip(keys, output.reshape(-1, FIGURES), strict=True):
        if np.isfinite(row).all():
            seen = Range(*map(float, (-row[0], row[1], -row[2], row[3], row[4], row[5])))
            ranges = joined(ranges, {key: seen})
    return ranges


def joined(a: Ranges, b: Ranges) -> dict[str, Range]:
    """The ranges of what was seen in two runs."""
    return {**a, **b, **{key: _both(a[key], b[key]) for key in a.keys() & b.keys()}}


def _both(a: Range, b: Range) -> Range:
    return Range(
        min(a.low, b.low), max(a.high, b.high), min(a.y_low, b.y_low), max(a.y_high, b.y_high),
        max(a.down, b.down), max(a.up, b.up),
    )  # fmt: skip


class _Watch:
    """Makes a vector of the figures of all convolutions, those in the bodies of loops and branches, too."""

    def __init__(self, names: Iterator[int]) -> None:
        self.names = names

    def model(self, model: ir.Model) -> list[str]:
        keys, seen = self._graph(model.graph)
        if seen is not None:
            model.graph.outputs.append(seen)
        return keys

    def _graph(self, graph: ir.Graph) -> tuple[list[str], ir.Value | None]:
        """The convolutions of a graph and of those inside, and the vector of their figures in it."""
        keys: list[str] = []
        parts: list[ir.Value] = []
        for node in list(graph):
            own, part = ([identity(node)], self._seen(graph, node)) if suits(node) else self._inside(graph, node)
            keys += own
            parts += [] if part is None else [part]
        if not parts:
            return [], None
        line = Line(graph, self.names)
        seen = line.leaving(parts, len(keys) * FIGURES)
        graph.extend(line.nodes)
        return keys, seen

    def _seen(self, graph: ir.Graph, node: ir.Node) -> ir.Value:
        """The largest of -x, x, -y, y, and of -u and u, where u is y without its bias over the largest |x| of its example."""
        line, x, y = Line(graph, self.names), node.inputs[0], node.outputs[0]
        assert x is not None
        axes = list(range(1, numbers(node, 1).ndim))
        largest = line("ReduceMax", line("Abs", x), line.ints(axes), keepdims=1)
        plain = line("Sub", y, line.const(numbers(node, 2).reshape(-1, *(1 for _ in axes[1:]))))
        u = line("Div", plain, line("Max", largest, line.real(LEAST)))
        ends = []
        for z in (x, y, u):
            ends += [line("Neg", line("ReduceMin", z, keepdims=0)), line("ReduceMax", z, keepdims=0)]
        seen = line("Concat", *(line("Reshape", end, line.ints([1])) for end in ends), axis=0)
        graph.insert_after(node, line.nodes)
        return seen

    def _inside(self, graph: ir.Graph, node: ir.Node) -> tuple[list[str], ir.Value | None]:
        """The figures of the graphs that a node runs: over all turns of a loop, of whichever branch is taken."""
        inner = bodies(node)
        watched = [self._graph(body) for body in inner]
        keys = [key for own, _ in watched for key in own]
        if not keys:
            return [], None
        for place, body in enumerate(inner):
            body.outputs.append(self._leaving(body, watched, place))
        node.resize_outputs(len(node.outputs) + 1)
        rows, line = node.outputs[-1], Line(graph, self.names)
        rows.name = f"{OUTPUT}.{next(self.names)}"
        if node.op_type == "If":
            return keys, rows
        none = line.const(_nothing(len(keys))[None])  # A loop may take no turn.
        seen = line("ReduceMax", line("Concat", none, rows, axis=0), line.ints([0]), keepdims=0)
        graph.insert_after(node, line.nodes)
        return keys, seen

    def _leaving(self, body: ir.Graph, watched: Sequence[tuple[list[str], ir.Value | None]], place: int) -> ir.Value:
        """What one of several branches tells of the convolutions of all: of the others', nothing."""
        line, parts = Line(body, self.names), []
        for branch, (keys, seen) in enumerate(watched):
            if keys:
                parts.append(seen if branch == place and seen is not None else line.const(_nothing(len(keys))))
        leaving = line.leaving(parts, sum(len(keys) for keys, _ in watched) * FIGURES)
        body.extend(line.nodes)
        return leaving


def _nothing(convolutions: int) -> Array:
    return np.full(convolutions * FIGURES, -np.inf, np.float32)
