"""A prepared graph and its weights to an onnx_ir model."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import onnx_ir as ir

from mai.compiler.compile_options import DEFAULTS, CompileOptions
from mai.compiler.ir.align import missing_axes
from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.operation import Alignment
from mai.compiler.ir.sizes import Dim, Size, symbol
from mai.compiler.ir.structure import Across, Constant, Lead, Loop, SizeOf, Spread, Structural, Unlead, WeightOf
from mai.compiler.ir.types import DType, Type
from mai.compiler.onnx.backend import BATCH, OnnxBackend
from mai.compiler.onnx.compact_adaptive import going_loop, stops_alone
from mai.compiler.onnx.layout.chunks import parts
from mai.compiler.onnx.layout.lazy import lazy
from mai.compiler.onnx.layout.sink import sink
from mai.compiler.onnx.layout.unfuse_norms import keep_apart
from mai.compiler.onnx.precision.narrow import narrow
from mai.compiler.onnx.precision.quantize import Coarse
from mai.compiler.onnx.precision.whole import whole_nodes
from mai.compiler.ops.random.random_numbers import Draw
from mai.runtime.arrays import Array

DTYPES = {DType.REAL: ir.DataType.FLOAT, DType.INT: ir.DataType.INT64, DType.BOOL: ir.DataType.BOOL}
NUMPY: dict[DType, Any] = {DType.REAL: np.float32, DType.INT: np.int64, DType.BOOL: np.bool_}
VIEWS = (Lead, Unlead, Across)
GOING = Value(Type(DType.BOOL), "going")
CHUNK = "batch.chunk"  # no name of a spec has a dot
IR_VERSIONS = {21: 10, 22: 10, 23: 11, 24: 12}


class Known:
    """A value known when the graph is built: what is made of weights and constants alone."""

    def __init__(self, array: Array, name: str) -> None:
        self.array, self.name = array, name


def build(
    graph: Graph, weights: Mapping[str, Array], options: CompileOptions = DEFAULTS, *, chunk: int | None = None,
    coarse: Coarse | None = None, rounded: bool = False,
) -> ir.Model:  # fmt: skip
    """The model of a graph, in standard operators; settings are initializers that a host may override.

    Where they are required they are ordinary inputs: hosts in JavaScript and Java cannot override an initializer.

    With `chunk`, the batch is computed that many examples at a time; `coarse` says which weights are kept in few bits;
    `rounded` computes 16 bits in float32 (`narrow.py`).
    """
    made = Building(graph, weights, options, chunk, coarse).model()
    lazy(made.graph)
    if options.precision != "float32":
        narrow(made, options.precision, rounded=rounded)
    sink(made.graph)
    keep_apart(made.graph)
    return made


def serialised(model: ir.Model) -> bytes:
    """The bytes of a model's file."""
    made: bytes = ir.serde.serialize_model(model).SerializeToString()
    return made


class Building:
    """One model being built; `op.values` holds what each IR value became."""

    def __init__(
        self, graph: Graph, weights: Mapping[str, Array], options: CompileOptions, chunk: int | None,
        coarse: Coarse | None,
    ) -> None:  # fmt: skip
        self.graph, self.weights, self.options, self.chunk = graph, weights, options, chunk
        self._leaving = set(graph.outputs)
        self.op = OnnxBackend(graph, options.opset, coarse)
        self.values = self.op.values
        self.of_codes = whole_nodes(graph, coarse.whole) if coarse else set()

    def model(self) -> ir.Model:
        """The whole model: inputs, settings, nodes, outputs."""
        op = self.op
        for value in self.graph.inputs:
            op.root.inputs.append(self._input(value))
        for name, setting in self.graph.settings.items():
            default = None if self.options.required else setting.default
            op.root.inputs.append(self._setting(setting.value, name, default))
        for name in self.graph.output_names:
            op.name(name)  # No value inside may have it.
        if self.chunk is not None:
            made = self._scan(self.chunk)
        else:
            self.nodes(self.graph.nodes)
            made = [self.operand(v) for v in self.graph.outputs]
        for name, value, result in zip(self.graph.output_names, self.graph.outputs, made, strict=True):
            op.root.outputs.append(self._output(value, result, name))
        op.root.extend(op.root_nodes)
        return ir.Model(op.root, ir_version=IR_VERSIONS[op.opset], producer_name="mai")

    # -------------------------------------------------------------- interface

    def typed(self, value: Value, name: str = "") -> ir.Value:
        """A new value for one of the IR, of its type; for graphs' inputs."""
        made = ir.Value(name=name or self.op.name(value.name))
        self._set_type(made, value)
        return made

    def outputs(self, made: list[ir.Value], values: list[Value]) -> list[ir.Value]:
        """What leaves a body, of the types of `values`."""
        renamed = [self.op.Identity(m) for m in made]
        for output, value in zip(renamed, values, strict=True):
            self._set_type(output, value)
        return renamed

    def _set_type(self, made: ir.Value, value: Value) -> None:
        made.type = ir.TensorType(DTYPES[value.type.dtype])
        made.shape = ir.Shape([s if isinstance(s, int) else str(s) for s in value.type.physical])
        self.op.physical[made] = value.type.physical

    def _input(self, value: Value) -> ir.Value:
        self.values[value] = self.typed(value)
        made: ir.Value = self.values[value]
        return made

    def _setting(self, value: Value, name: str, default: Any) -> ir.Value:
        """An input that has a default, unless that is None."""
        made = self.typed(value, self.op.name(name))
        if default is not None:
            made.const_value = ir.Tensor(np.array(default, NUMPY[value.type.dtype]), name=name)
            self.op.root.register_initializer(made)
        self.values[value] = made
        return made

    def _output(self, value: Value, result: ir.Value, name: str) -> ir.Value:
        made = self.op.Identity(result)
        made.name = name
        self._set_type(made, value)
        return made

    # ----------------------------------------------------------------- chunks

    def _scan(self, examples: int) -> list[ir.Value]:
        """The whole program inside a `Scan` over chunks of the batch; the last chunk is filled up with its last row."""
        op = self.op
        shared, own, numbers = parts(self.graph)
        self.nodes(shared)
        batch = op.resolve(symbol(BATCH))
        chunk = self._chunk(examples)
        count = op.Div(op.Sub(op.Add(batch, chunk), 1), chunk)
        size = op.Div(op.Sub(op.Add(batch, count), 1), count)
        index = op.Range(op.int(0), op.Mul(count, size), op.int(1))
        rows = op.Min(index, op.Sub(batch, 1))
        chunks = op.shape_vector([count, size])
        given = [(v, op.Gather(self.values[v], rows, axis=0)) for v in self.graph.inputs] + [
            (v, index) for v in numbers
        ]
        slices = [op.Reshape(x, op.Concat(chunks, op.ints(_rest(v)), axis=0) if _rest(v) else chunks) for v, x in given]
        inputs = [self.typed(v) for v, _ in given]
        self.values.update({v: made for (v, _), made in zip(given, inputs, strict=True)})
        with op.inside(batch=lambda: size) as nodes:
            self.nodes(own)
            outputs = self.outputs([self.operand(v) for v in self.graph.outputs], self.graph.outputs)
        body = ir.Graph(inputs, outputs, nodes=nodes, name=op.name("chunk"))
        made = op.several("Scan", len(outputs), *slices, body=body, num_scan_inputs=len(slices))
        return [self._joined(x, v, batch) for x, v in zip(made, self.graph.outputs, strict=True)]

    def _chunk(self, examples: int) -> ir.Value:
        """How many examples a chunk has: a host that can override an initializer may say so."""
        if self.options.required:
            return self.op.int(examples)
        chunk = self._setting(Value(Type(DType.INT)), CHUNK, examples)
        self.op.root.inputs.append(chunk)
        return chunk

    def _joined(self, chunks: ir.Value, value: Value, batch: Any) -> ir.Value:
        """[chunks, size, ...] as [batch, ...]."""
        op = self.op
        rest = [op.resolve(s) for s in value.type.physical[1:]]
        flat = op.Reshape(chunks, op.shape_vector([-1, *rest]))
        made: ir.Value = op.Slice(flat, op.ints([0]), op.shape_vector([batch]), op.ints([0]))
        return made

    # ------------------------------------------------------------------ nodes

    def nodes(self, nodes: list[Node]) -> None:
        """Lower nodes in their order."""
        for node in nodes:
            self.node(node)

    def node(self, node: Node) -> None:
        """Lower a node; what is known at build time becomes a constant."""
        op = self.op
        op.scope = node.scope.replace(".", "/")
        op.note = node.span.note if node.span else ""
        op.output = node.output.type.physical if node.outputs else ()
        op.of_codes = node in self.of_codes
        known = self._known(node)
        made = [known] if known is not None else self._lowered(node)
        for output, value in zip(node.outputs, made, strict=True):
            self.values[output] = value
            if isinstance(value, ir.Value) and value.type is None:
                self._set_type(value, output)
                value.name = op.name(output.name)

    def is_read(self, value: Value) -> bool:
        """Whether anything reads a value of the IR."""
        return bool(value.uses) or value in self._leaving

    def operand(self, value: Value) -> ir.Value:
        """A value as a graph value; one that is known becomes an initializer."""
        held = self.values[value]
        if not isinstance(held, Known):
            made: ir.Value = held
            return made
        return self.op.const(held.array, held.array.dtype, held.name)

    def _known(self, node: Node) -> Known | None:
        """What a node is, where weights and constants decide it. Weights in float32, sums of them in float64."""
        op, name = node.op, node.output.name
        if op is Constant:
            return Known(np.array(Constant.of(node).value, NUMPY[node.output.type.dtype]), name)
        if op is WeightOf:
            weight = WeightOf.of(node).weight
            return Known(np.asarray(self.weights[weight], np.float32, order="C"), weight)
        inputs = [self.values[v] for v in node.inputs]
        if (
            not inputs
            or len(node.outputs) != 1
            or node.regions
            or issubclass(op, Draw)
            or not all(isinstance(v, Known) for v in inputs)
        ):
            return None
        if op in VIEWS:
            return Known(inputs[0].array, inputs[0].name)
        if issubclass(op, Structural) or not all(isinstance(s, int) for s in node.output.type.physical):
            return None
        attributes = dict(node.attributes)
        if op.wants_lead:
            attributes["lead"] = tuple(a.size for a in node.output.type.lead)
        arrays = self._aligned_arrays(node, [v.array for v in inputs])
        made = op.reference(np, *arrays, **attributes)
        return Known(np.asarray(made, NUMPY[node.output.type.dtype], order="C"), inputs[0].name)

    def _aligned_arrays(self, node: Node, arrays: list[Array]) -> list[Array]:
        if node.op.alignment is Alignment.NONE:
            return arrays
        top = max((v.type.rank for v in node.inputs), default=0)
        ranks = [top if node.op.alignment is Alignment.FULL else v.type.rank for v in node.inputs]
        lead = node.output.type.lead
        return [
            np.expand_dims(a, missing_axes(v.type, lead, r)) for a, v, r in zip(arrays, node.inputs, ranks, strict=True)
        ]

    def _lowered(self, node: Node) -> list[Any]:
        op = node.op
        if op in VIEWS:
            return [self._view(node)]
        if op is SizeOf:
            return [self.op.scalar(self.op.resolve(SizeOf.of(node).size))]
        if op is Spread:
            return [self._expanded(self._aligned(node)[0], node.output.type.physical)]
        if op is Loop:
            return self._loop(node)
        attributes = {k: self.resolved(v) for k, v in node.attributes.items()}
        if op.wants_lead:
            attributes["lead"] = tuple(self.op.resolve(a.size) for a in node.output.type.lead)
        made = op.onnx(self.op, *self._aligned(node), **attributes)
        return [self._renewed(m, node) for m in (made if isinstance(made, tuple) else (made,))]

    def _renewed(self, made: Any, node: Node) -> Any:
        """An operation that gave an input back needs a value of its own type."""
        return made if made.type is None else self.op.Identity(made)

    def _view(self, node: Node) -> Any:
        return self.values[node.inputs[0]]

    def resolved(self, attribute: Any) -> Any:
        """An attribute with its symbolic sizes as values of the model."""
        if isinstance(attribute, Dim):
            return self.op.resolve(attribute)
        return tuple(self.resolved(a) for a in attribute) if isinstance(attribute, tuple) else attribute

    def _aligned(self, node: Node) -> list[ir.Value]:
        """The inputs with the axes of size one that let them meet."""
        operands = [self.operand(v) for v in node.inputs]
        if node.op.alignment is Alignment.NONE:
            return operands
        lead = node.output.type.lead
        top = max((v.type.rank for v in node.inputs), default=0)
        made = []
        for value, operand in zip(node.inputs, operands, strict=True):
            rank = top if node.op.alignment is Alignment.FULL else value.type.rank
            axes = missing_axes(value.type, lead, rank)
            if axes:
                operand = self.op.once(("wide", operand, axes), partial(self._unsqueezed, value, operand, axes))
            if node.op.alignment.expands(value.type.lead, lead):
                full = (*(a.size for a in lead), *value.type.shape)
                operand = self._expanded(operand, full)
                operand.type, operand.shape = (
                    ir.TensorType(DTYPES[value.type.dtype]),
                    ir.Shape([s if isinstance(s, int) else str(s) for s in full]),
                )
                self.op.physical[operand] = full
            made.append(operand)
        return made

    def _unsqueezed(self, value: Value, operand: ir.Value, axes: tuple[int, ...]) -> ir.Value:
        sizes = _with_ones(value.type.physical, axes)
        made = self.op.Unsqueeze(operand, self.op.ints(axes))
        made.type = ir.TensorType(DTYPES[value.type.dtype])
        made.shape = ir.Shape([s if isinstance(s, int) else str(s) for s in sizes])
        self.op.physical[made] = sizes
        return made

    def _expanded(self, operand: ir.Value, sizes: tuple[Size, ...]) -> ir.Value:
        return self.op.Expand(operand, self.op.shape_vector([self.op.resolve(s) for s in sizes]))

    # ------------------------------------------------------------------ loops

    def _loop(self, node: Node) -> list[Any]:
        region, op = node.regions[0], self.op
        count, states = self.operand(node.inputs[0]), [self.operand(v) for v in node.inputs[1:]]
        held = self.values[node.inputs[0]]
        if self.options.unroll and isinstance(held, Known) and not Loop.of(node).stops:
            return self._flat(node, int(held.array), states)
        if stops_alone(node):
            return going_loop(self, node)
        inputs = [self.typed(v) for v in region.inputs]
        self.values.update(zip(region.inputs, inputs, strict=True))
        going, stops = self.typed(GOING), Loop.of(node).stops
        with op.inside(region.inputs) as nodes:
            self.nodes(region.nodes)
            made = [self.operand(v) for v in region.outputs]
            outputs = self.outputs([self._any(made[0]) if stops else going, *made], [GOING, *region.outputs])
        body = ir.Graph([inputs[0], going, *inputs[1:]], outputs, nodes=nodes, name=op.name("body"))
        always = op.const(True, np.bool_)
        made = op.several("Loop", len(node.outputs), count, always, *states, body=body)
        last, rows = made[: len(states)], made[len(states) :]
        if stops:
            rows = [self._filled(row, count, Loop.of(node).fill) for row in rows]
        return last + [self._rows(m, v) for m, v in zip(rows, region.outputs[len(states) :], strict=True)]

    def _any(self, going: ir.Value) -> ir.Value:
        """One truth: whether it is true anywhere."""
        if not self.op.physical[going]:
            return going
        numbers = self.op.Cast(going, to=int(ir.DataType.INT64))
        return self.op.Greater(self.op.ReduceMax(numbers, keepdims=0), 0)

    def _filled(self, stacked: ir.Value, count: ir.Value, fill: int | None) -> ir.Value:
        """The rows of the turns that a loop did not take."""
        assert fill is not None, "a loop that stops says what the turns it did not take keep"
        op = self.op
        turns = op.Shape(stacked, start=0, end=1)
        rest = op.Shape(stacked, start=1)
        missing = op.Concat(op.Sub(op.Reshape(count, op.ints([1])), turns), rest, axis=0)
        return op.Concat(stacked, op.Expand(op.int(fill), missing), axis=0)

    def _rows(self, stacked: ir.Value, kept: Value) -> ir.Value:
        """A loop stacks along the first axis in memory; rows are the first axis of the shape, after the lead axes."""
        lead, rank = len(kept.type.lead), kept.type.rank
        if not lead:
            return stacked
        perm = [*range(1, lead + 1), 0, *range(lead + 1, lead + 1 + rank)]
        return self.op.Transpose(stacked, perm=perm)

    def _flat(self, node: Node, count: int, states: list[Any]) -> list[Any]:
        """The turns of a loop one after the other, for hosts that want a graph without control flow."""
        region, kept = node.regions[0], []
        for turn in range(count):
            self.values[region.inputs[0]] = Known(np.array(turn, np.int64), "turn")
            self.values.update(zip(region.inputs[1:], states, strict=True))
            self.nodes(region.nodes)
            made = [self.operand(v) for v in region.outputs]
            states = made[: len(states)]
            kept.append(made[len(states) :])
        rows = []
        for place, value in enumerate(region.outputs[len(states) :]):
            axis = self.op.ints([len(value.type.lead)])
            parts = [self.op.Unsqueeze(row[place], axis) for row in kept]
            rows.append(self.op.Concat(*parts, axis=len(value.type.lead)))
        return [*states, *rows]


def _rest(value: Value) -> list[int]:
    """The sizes of a value's axes after the batch."""
    return [s for s in value.type.physical[1:] if isinstance(s, int)]


def _with_ones(sizes: tuple[Size, ...], axes: tuple[int, ...]) -> tuple[Size, ...]:
    rest = iter(sizes)
    count = len(sizes) + len(axes)
    return tuple(1 if i - count in axes else next(rest) for i in range(count))
