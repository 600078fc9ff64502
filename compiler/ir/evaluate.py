"""The numpy reference of a whole graph: each operation's `reference`, loops as plain loops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mai.compiler.ir import sizes
from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.interpreter import Interpreter
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import Constant, Loop, WeightOf
from mai.compiler.ir.types import DType, Type
from mai.runtime.arrays import Array

DTYPES: dict[DType, type[np.generic]] = {DType.REAL: np.float64, DType.INT: np.int64, DType.BOOL: np.bool_}


class Evaluation(Interpreter[Array, int]):
    """One run of a graph in double precision."""

    dtypes: Mapping[DType, type[np.generic]] = DTYPES

    def __init__(self, graph: Graph, weights: Mapping[str, Array]) -> None:
        super().__init__(graph)
        self.weights = weights

    def run(self, inputs: Mapping[str, object], settings: Mapping[str, object] | None = None) -> list[Array]:
        """The outputs; `inputs` and `settings` by name, a setting that is left out has its default."""
        for value in self.graph.inputs:
            self.values[value] = self.array(inputs[value.name], value.type)
        for name, setting in self.graph.settings.items():
            number = (settings or {}).get(name, setting.default)
            self.values[setting.value] = self.array(number, setting.value.type)
        self.nodes(self.graph.nodes)
        return [self[v] for v in self.graph.outputs]

    def array(self, numbers: object, type: Type) -> Array:
        """Numbers as an array of a type's dtype."""
        return np.asarray(numbers, self.dtypes[type.dtype], order="C")

    def constant(self, node: Node) -> Array:
        return self.array(Constant.of(node).value, node.output.type)

    def weight(self, node: Node) -> Array:
        return self.array(self.weights[WeightOf.of(node).weight], node.output.type)

    def size(self, size: Size) -> int:
        """A size as a number, its symbols read from the inputs."""
        return int(sizes.evaluate(size, self._symbol))

    def _symbol(self, name: str) -> int:
        array, axis = self.size_source(name)
        return int(array) if axis is None else array.shape[axis]

    def scalar(self, size: int) -> Array:
        return np.asarray(size)

    def unsqueeze(self, x: Array, type: Type, axes: tuple[int, ...]) -> Array:
        return np.expand_dims(x, axes)

    def expand(self, x: Array, type: Type) -> Array:
        return np.broadcast_to(x, self._shape(type))

    def _shape(self, type: Type) -> tuple[int, ...]:
        return tuple(self.size(s) for s in type.physical)

    def call(self, node: Node, inputs: Sequence[Array], attributes: dict[str, object]) -> list[Array]:
        results = node.op.reference(np, *inputs, **attributes)
        return [np.asarray(r) for r in (results if isinstance(results, tuple) else (results,))]

    def loop(self, node: Node) -> list[Array]:
        region, rule = node.regions[0], Loop.of(node)
        count, *states = (self[v] for v in node.inputs)
        rows: list[list[Array]] = [[] for _ in region.outputs[len(states) :]]
        for turn in range(int(count)):
            results = self.body(region, [np.asarray(turn), *states])
            states = results[: len(states)]
            for kept, row in zip(rows, results[len(states) :], strict=True):
                kept.append(row)
            if rule.stops and not states[0].any():
                break
        if rule.stops and rule.fill is not None and int(count):
            rows = [kept + [np.full_like(kept[0], rule.fill)] * (int(count) - len(kept)) for kept in rows]
        return states + [self._stacked(v, kept) for v, kept in zip(node.outputs[len(states) :], rows, strict=True)]

    def _stacked(self, path: Value, rows: list[Array]) -> Array:
        """What a loop kept, along the first axis of the shape; a loop of no turns keeps no rows."""
        return np.stack(rows, axis=len(path.type.lead)) if rows else np.empty(self._shape(path.type))


def evaluate(
    graph: Graph, inputs: Mapping[str, object], settings: Mapping[str, object] | None, weights: Mapping[str, Array]
) -> list[Array]:
    """The outputs of a graph in double precision, by numpy alone."""
    return Evaluation(graph, weights).run(inputs, settings)
