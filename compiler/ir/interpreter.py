"""One walk through a graph for all of its meanings: numbers (`evaluate.py`), torch modules, ONNX models.

The walk knows the structural nodes, lets inputs with different lead axes meet, and resolves sizes in attributes. A subclass
says what a constant, a weight, a size, a loop and a call of an operation become: its hooks are the methods below `results`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from mai.compiler.ir.align import Fit, fits
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.sizes import Dim, Size
from mai.compiler.ir.structure import (
    Across,
    Adjoint,
    Constant,
    Implicit,
    Lead,
    Loop,
    SizeOf,
    Spread,
    Unlead,
    WeightOf,
)
from mai.compiler.ir.types import Type

V = TypeVar("V")  # What a value becomes.
N = TypeVar("N")  # What a size becomes.

LEAVES = (Constant, WeightOf)
VIEWS = (Lead, Unlead, Across)


def is_leaf(node: Node) -> bool:
    """Whether a node reads nothing, and is the same in every call."""
    return node.op in LEAVES


def is_view(node: Node) -> bool:
    """Whether a node changes a type, and nothing in memory."""
    return node.op in VIEWS


class BrokenGraph(Exception):
    """A graph that cannot be walked: something is read before it is computed, or a pass has not run."""


class Interpreter(ABC, Generic[V, N]):
    """A walk through `graph`; `values` holds what each of its values became."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.values: dict[Value, V] = {}
        self._fits: dict[Node, list[Fit]] = {}  # A node of a loop is walked at every turn.

    def __getitem__(self, value: Value) -> V:
        """What a value became.

        Raises:
            BrokenGraph: nothing has computed it yet.
        """
        try:
            return self.values[value]
        except KeyError:
            message = f"in `{self.graph.name}`, `{value.name}` ({value.type}) is read before it is computed"
            raise BrokenGraph(message) from None

    # ----------------------------------------------------------------- the walk

    def nodes(self, nodes: Iterable[Node]) -> None:
        """Walk nodes in their order."""
        for node in nodes:
            self.node(node)

    def node(self, node: Node) -> None:
        """Walk one node: its outputs become something."""
        for value, result in zip(node.outputs, self.results(node), strict=True):
            self.bind(value, result)

    def bind(self, value: Value, result: V) -> None:
        """A value of the graph becomes `result`."""
        self.values[value] = result

    def body(self, region: Region, inputs: Sequence[V]) -> list[V]:
        """What leaves a region when `inputs` enter it."""
        self.values.update(zip(region.inputs, inputs, strict=True))
        self.nodes(region.nodes)
        return [self[v] for v in region.outputs]

    def results(self, node: Node) -> Sequence[V]:
        """What the outputs of a node become."""
        if node.structure is None:
            attributes = self.attributes(node)
            return self.call(node, self.aligned(node), attributes)
        if node.op is Across:
            return [self.across(node)]
        if node.op is Lead:
            return [self.lead(node)]
        if is_view(node):
            return [self[node.inputs[0]]]
        if node.op is Constant:
            return [self.constant(node)]
        if node.op is WeightOf:
            return [self.weight(node)]
        if node.op is SizeOf:
            return [self.scalar(self.size(SizeOf.of(node).size))]
        if node.op is Spread:
            return [self.spread(self.aligned(node)[0], node.output.type)]
        if node.op is Loop:
            return self.loop(node)
        if node.op is Adjoint:
            return self.adjoint(node)
        if node.op is Implicit:
            return self.implicit(node)
        raise _unexpected(node)

    def aligned(self, node: Node) -> list[V]:
        """The inputs of a node as its operation wants them: with axes of size one, or expanded, so that they meet."""
        inputs = [self[v] for v in node.inputs]
        if node not in self._fits:
            self._fits[node] = fits(node)
        for fit in self._fits[node]:
            inputs[fit.place] = self._fitted(inputs[fit.place], node.inputs[fit.place].type, fit)
        return inputs

    def _fitted(self, x: V, type: Type, fit: Fit) -> V:
        if fit.axes:
            x = self.unsqueeze(x, type, fit.axes)
        return x if fit.lead is None else self.expand(x, type.with_lead(fit.lead))

    def attributes(self, node: Node) -> dict[str, object]:
        """The attributes of a node with their sizes as numbers, and the sizes of its lead axes if it wants them."""
        attributes = {name: self._resolved(value) for name, value in node.attributes.items()}
        if node.op.wants_lead:
            attributes["lead"] = self.lead_sizes(node.output.type)
        return attributes

    def _resolved(self, attribute: object) -> object:
        if isinstance(attribute, Dim):
            return self.size(attribute)
        return tuple(self._resolved(a) for a in attribute) if isinstance(attribute, tuple) else attribute

    def size_source(self, name: str) -> tuple[V, int | None]:
        """Where a symbol is read at run time: a value, and its axis in memory; None where the value is the size itself.

        Raises:
            BrokenGraph: the graph does not say.
        """
        if name not in self.graph.sizes:
            raise BrokenGraph(f"in `{self.graph.name}`, nothing says where the size `{name}` is read")
        source = self.graph.sizes[name]
        return (self[source[0]], source[1]) if isinstance(source, tuple) else (self[source], None)

    # ---------------------------------------------------------------- the hooks

    @abstractmethod
    def size(self, size: Size) -> N:
        """A size as a number that the backend computes with."""

    @abstractmethod
    def scalar(self, size: N) -> V:
        """A size as a value: an integer scalar."""

    @abstractmethod
    def unsqueeze(self, x: V, type: Type, axes: tuple[int, ...]) -> V:
        """`x`, of a type, with axes of size one at `axes`, counted from the end of the result."""

    @abstractmethod
    def expand(self, x: V, type: Type) -> V:
        """`x` repeated along axes of size one, so that it has all the lead axes of `type`."""

    def lead_sizes(self, type: Type) -> tuple[N, ...]:
        """The sizes of the lead axes of a type, in memory."""
        return tuple(self.size(axis.size) for axis in type.lead)

    def across(self, node: Node) -> V:
        """The examples of an `Across`, along the first axis of its shape: nothing changes in memory."""
        return self[node.inputs[0]]

    def lead(self, node: Node) -> V:
        """The rows of a `Lead`, of which each example has its own: nothing changes in memory."""
        return self[node.inputs[0]]

    def spread(self, x: V, type: Type) -> V:
        """The same for a `Spread`."""
        return self.expand(x, type)

    @abstractmethod
    def call(self, node: Node, inputs: Sequence[V], attributes: dict[str, object]) -> Sequence[V]:
        """What an operation makes of aligned inputs and resolved attributes."""

    @abstractmethod
    def loop(self, node: Node) -> Sequence[V]:
        """The last states of a `Loop`, then the rows that it kept."""

    def constant(self, node: Node) -> V:
        """What a `Constant` becomes."""
        raise _unexpected(node)

    def weight(self, node: Node) -> V:
        """What a `WeightOf` becomes."""
        raise _unexpected(node)

    def adjoint(self, node: Node) -> Sequence[V]:
        """What an `Adjoint` becomes, where the backend trains by the adjoint equation."""
        raise _unexpected(node)

    def implicit(self, node: Node) -> Sequence[V]:
        """What an `Implicit` becomes: the solution, where the backend takes no derivatives."""
        return [self[node.inputs[0]]]


def _unexpected(node: Node) -> BrokenGraph:
    place = f" ({node.span})" if node.span else ""
    return BrokenGraph(f"`{node.op.name}`{place} has no executable form here: the pass that replaces it has not run")
