"""Graphs as ONNX operators: every value of the IR becomes a value of an onnx_ir graph."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import cast

import onnx_ir as ir

from mai.compiler.compile_options import CompileOptions
from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.interpreter import Interpreter
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import Loop
from mai.compiler.ir.types import Type
from mai.compiler.onnx.lowering.backend import OnnxBackend, Scalar
from mai.compiler.onnx.lowering.compact_adaptive import compacted_loop, stops_alone
from mai.compiler.onnx.lowering.loops import check_extent, plain_loop, unrolled_loop
from mai.compiler.onnx.lowering.recurrence import BLOCK, parted_loop, recurrence
from mai.compiler.onnx.precision.quantize import Coarse
from mai.compiler.onnx.precision.whole import weights_behind, whole_nodes
from mai.compiler.ops.backends import Onnx
from mai.compiler.ops.elementwise.logic import Where
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.passes.analyses.choices import choices
from mai.compiler.passes.analyses.known_values import KnownValues
from mai.compiler.passes.loops.recurrences.parts import part_loop
from mai.compiler.passes.loops.recurrences.recurrence import find_recurrence
from mai.runtime.arrays import Array


class OnnxInterpreter(Interpreter[ir.Value, Scalar]):
    """Appends the operators of nodes to what `op` builds; values that are computed already wait in `known_values` until something reads them."""

    def __init__(
        self, graph: Graph, weights: Mapping[str, Array], options: CompileOptions, coarse: Coarse | None
    ) -> None:
        super().__init__(graph)
        self.options = options
        self.op = OnnxBackend(graph, options, self.size_source, coarse)
        self.known_values = KnownValues(graph, weights)
        self._leaving = frozenset(graph.outputs)
        self._of_codes = whole_nodes(graph, coarse.whole) if coarse else set()
        self._choices = choices(graph) if graph.has(Where) else frozenset()
        self._behind = weights_behind(graph) if coarse and (coarse.moments or coarse.wide) else {}

    def __getitem__(self, value: Value) -> ir.Value:
        """A value as one of the ONNX graph; one that is known becomes an initializer."""
        if value not in self.known_values:
            return super().__getitem__(value)
        name, late = self.known_values.names[value], self.known_values.late.get(value)
        if late is not None:
            sizes = cast("tuple[int, ...]", value.type.physical)
            return self.op.later(
                late.key,
                lambda: self.known_values.compute(late),
                sizes,
                self.known_values.dtypes[value.type.dtype],
                name,
            )
        self.known_values.check(value)
        array = self.known_values.values[value]
        return self.op.const(array, array.dtype, name)

    def is_read(self, value: Value) -> bool:
        """Whether anything in the graph reads a value."""
        return bool(value.uses) or value in self._leaving

    # --------------------------------------------------------------------- walk

    def node(self, node: Node) -> None:
        self.op.begin_node(node, of_codes=node in self._of_codes, behind=self._matrix_of(node))
        if not self.known_values.learn(node):
            super().node(node)
            if self.options.unroll:
                check_extent(self.op, node)

    def _matrix_of(self, node: Node) -> frozenset[str]:
        """The weights that the matrix or the table of a node is computed from, where it has one and their moments may be known."""
        place = 0 if node.op is Take else 1
        return self._behind.get(node.inputs[place], frozenset()) if len(node.inputs) > place else frozenset()

    def bind(self, value: Value, result: ir.Value) -> None:
        """A new result has the type and the name of what it is."""
        self.values[value] = result
        if result.type is None:
            self.op.set_type(result, value.type)
            result.name = self.op.name(value.name)

    def call(self, node: Node, inputs: Sequence[ir.Value], attributes: dict[str, object]) -> Sequence[ir.Value]:
        if node in self._choices:
            return [self._chosen(node, *inputs)]
        backend: Onnx[ir.Value] = self.op
        results = node.op.onnx(backend, *inputs, **attributes)
        return [self._renewed(r) for r in (results if isinstance(results, tuple) else (results,))]

    def _renewed(self, result: ir.Value) -> ir.Value:
        """An operation that gave an input back needs a value of its own type."""
        return result if result.type is None else self.op.Identity(result)

    def _chosen(self, node: Node, condition: ir.Value, x: ir.Value, y: ir.Value) -> ir.Value:
        """One of two arrays; what the other alone is computed from is computed in its branch of an `If`, or by nobody."""
        constant = self.known_values.values.get(node.inputs[0])
        if constant is not None:
            return self.op.Identity(x if constant else y)
        return self.op.branch(condition, lambda: x, lambda: y, real=True)

    # -------------------------------------------------------------------- sizes

    def size(self, size: Size) -> Scalar:
        return self.op.resolve(size)

    def scalar(self, size: Scalar) -> ir.Value:
        return self.op.scalar(size)

    def unsqueeze(self, x: ir.Value, type: Type, axes: tuple[int, ...]) -> ir.Value:
        return self.op.once(("wide", x, axes), lambda: self._unsqueezed(x, type, axes))

    def _unsqueezed(self, x: ir.Value, type: Type, axes: tuple[int, ...]) -> ir.Value:
        result = self.op.Unsqueeze(x, self.op.ints(axes))
        self.op.set_shape(result, type.dtype, _with_ones(type.physical, axes))
        return result

    def expand(self, x: ir.Value, type: Type) -> ir.Value:
        result = self.spread(x, type)
        self.op.set_type(result, type)
        return result

    def spread(self, x: ir.Value, type: Type) -> ir.Value:
        return self.op.Expand(x, self.op.shape_vector([self.op.resolve(s) for s in type.physical]))

    # -------------------------------------------------------------------- loops

    def loop(self, node: Node) -> list[ir.Value]:
        count = self.known_values.values.get(node.inputs[0])
        if self.options.unroll and count is not None and not Loop.of(node).stops:
            return unrolled_loop(self, node, int(count))
        if Loop.of(node).stops and stops_alone(node):
            return compacted_loop(self, node)
        is_short = count is not None and count < 2 * BLOCK
        if is_short or not self._of_codes.isdisjoint(node.regions[0].walk()):
            return plain_loop(self, node)
        blocks = find_recurrence(self.graph, node, BLOCK, products=True)
        if blocks is not None:
            return recurrence(self, node, blocks)
        parts = part_loop(self.graph, node, BLOCK)
        return plain_loop(self, node) if parts is None else parted_loop(self, node, parts)

    def typed(self, value: Value, name: str = "") -> ir.Value:
        """An input of a graph or a body, of the type of a value."""
        result = ir.Value(name=name or self.op.name(value.name))
        self.op.set_type(result, value.type)
        return result

    def leaving(self, results: Iterable[ir.Value], values: Iterable[Value]) -> list[ir.Value]:
        """What leaves a body, of the types of `values`."""
        renamed = [self.op.Identity(r) for r in results]
        for output, value in zip(renamed, values, strict=True):
            self.op.set_type(output, value.type)
        return renamed


def _with_ones(sizes: tuple[Size, ...], axes: tuple[int, ...]) -> tuple[Size, ...]:
    """Sizes with ones at `axes`, counted from the end of the result."""
    rest = iter(sizes)
    count = len(sizes) + len(axes)
    return tuple(1 if i - count in axes else next(rest) for i in range(count))
