"""The numpy reference of a whole graph: each operation's `reference`, loops as plain loops."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mai.compiler.ir import sizes
from mai.compiler.ir.align import missing_axes
from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.operation import Alignment
from mai.compiler.ir.sizes import Dim, Size
from mai.compiler.ir.structure import Across, Constant, Lead, Loop, SizeOf, Spread, Unlead, WeightOf
from mai.compiler.ir.types import DType
from mai.runtime.arrays import Array

DTYPES: dict[DType, Any] = {DType.REAL: np.float64, DType.INT: np.int64, DType.BOOL: np.bool_}


class Evaluation:
    """One run of a graph; `values` holds what has been computed."""

    def __init__(self, graph: Graph, weights: Mapping[str, Array]) -> None:
        self.graph, self.weights = graph, weights
        self.values: dict[Value, Array] = {}

    def run(self, inputs: Mapping[str, Any], settings: Mapping[str, Any] | None = None) -> list[Array]:
        for value in self.graph.inputs:
            self.values[value] = np.asarray(inputs[value.name], DTYPES[value.type.dtype])
        for name, setting in self.graph.settings.items():
            given = (settings or {}).get(name, setting.default)
            self.values[setting.value] = np.asarray(given, DTYPES[setting.value.type.dtype])
        for node in self.graph.nodes:
            self.node(node)
        return [self.values[v] for v in self.graph.outputs]

    def size(self, size: Size) -> int:
        return int(sizes.evaluate(size, self._symbol))

    def _symbol(self, name: str) -> int:
        source = self.graph.sizes[name]
        return self.values[source[0]].shape[source[1]] if isinstance(source, tuple) else int(self.values[source])

    def resolved(self, attribute: Any) -> Any:
        """An attribute with its sizes as numbers."""
        if isinstance(attribute, Dim):
            return self.size(attribute)
        return tuple(self.resolved(a) for a in attribute) if isinstance(attribute, tuple) else attribute

    def node(self, node: Node) -> None:
        for output, array in zip(node.outputs, self._computed(node), strict=True):
            self.values[output] = array

    def _computed(self, node: Node) -> list[Array]:
        op = node.op
        if op is Constant:
            return [np.asarray(Constant.of(node).value, DTYPES[node.output.type.dtype])]
        if op is WeightOf:
            return [np.asarray(self.weights[WeightOf.of(node).weight], np.float64)]
        if op is SizeOf:
            return [np.asarray(self.size(SizeOf.of(node).size))]
        if op in (Lead, Unlead, Across):
            return [self.values[node.inputs[0]]]
        if op is Spread:
            return [np.broadcast_to(self._aligned(node)[0], self.shape(node.output))]
        if op is Loop:
            return self._loop(node)
        attributes = {k: self.resolved(v) for k, v in node.attributes.items()}
        if op.wants_lead:
            attributes["lead"] = tuple(self.size(a.size) for a in node.output.type.lead)
        made = op.reference(np, *self._aligned(node), **attributes)
        return [np.asarray(made)] if not isinstance(made, tuple) else [np.asarray(m) for m in made]

    def shape(self, value: Value) -> tuple[int, ...]:
        return tuple(self.size(s) for s in value.type.physical)

    def _aligned(self, node: Node) -> list[Array]:
        arrays = [self.values[v] for v in node.inputs]
        if node.op.alignment is Alignment.NONE:
            return arrays
        lead = node.output.type.lead
        top = max((v.type.rank for v in node.inputs), default=0)
        made = []
        for value, array in zip(node.inputs, arrays, strict=True):
            rank = top if node.op.alignment is Alignment.FULL else value.type.rank
            array = np.expand_dims(array, missing_axes(value.type, lead, rank))
            if node.op.alignment.expands(value.type.lead, lead):
                full = tuple(self.size(a.size) for a in lead) + array.shape[array.ndim - rank :]
                array = np.broadcast_to(array, full)
            made.append(array)
        return made

    def _loop(self, node: Node) -> list[Array]:
        region, loop = node.regions[0], Loop.of(node)
        states = [self.values[v] for v in node.inputs[1:]]
        kept: list[list[Array]] = [[] for _ in region.outputs[len(states) :]]
        for turn in range(int(self.values[node.inputs[0]])):
            self.values.update(zip(region.inputs, [np.asarray(turn), *states], strict=True))
            for inner in region.nodes:
                self.node(inner)
            made = [self.values[v] for v in region.outputs]
            states = made[: len(states)]
            for rows, row in zip(kept, made[len(states) :], strict=True):
                rows.append(row)
            if loop.stops and not states[0].any():
                break
        if loop.stops:
            count, fill = int(self.values[node.inputs[0]]), loop.fill
            kept = [rows + [np.full_like(rows[0], fill)] * (count - len(rows)) for rows in kept]
        return states + [self._stacked(v, rows) for v, rows in zip(node.outputs[len(states) :], kept, strict=True)]

    def _stacked(self, path: Value, rows: list[Array]) -> Array:
        """What a loop kept, along the first axis of the shape; a loop of no turns keeps no rows."""
        return np.stack(rows, axis=len(path.type.lead)) if rows else np.empty(self.shape(path))


def evaluate(
    graph: Graph, inputs: Mapping[str, Any], settings: Mapping[str, Any] | None, weights: Mapping[str, Array]
) -> list[Array]:
    """The outputs of a graph in double precision, by numpy alone."""
    return Evaluation(graph, weights).run(inputs, settings)
