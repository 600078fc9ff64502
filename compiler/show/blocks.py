"""A program as a block diagram: a panel for each export and each net, in which layers are boxes and loops are frames."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Literal

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.operation import OPERATIONS, describe
from mai.compiler.ir.rewrite import free_values
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.structure import STRUCTURES, Extend, Integrate, Loop, Structural, WeightOf
from mai.compiler.ir.types import BATCH_DEPTH, Type
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.passes.local.prune import prune
from mai.compiler.program import Program

Kind = Literal["input", "draw", "net", "layer", "operation", "output"]
SIGNS = {"add": "+", "subtract": "−", "multiply": "×", "divide": "÷", "matmul": "@", "power": "^", "negate": "−"}
TURN = re.compile(r"repeat_\d+|\{\}|\d+")
UNNAMED = {*OPERATIONS, *STRUCTURES}


@dataclass(eq=False, slots=True)
class Box:
    """A named part that computes a value of `shape` from the values of the boxes in `sources`."""

    name: str
    kind: Kind
    shape: str
    sources: list[Box] = field(default_factory=list)


@dataclass(eq=False, slots=True)
class Frame:
    """A loop around boxes and other loops."""

    title: str
    items: list[Item] = field(default_factory=list)


Item = Box | Frame


@dataclass(slots=True)
class Nets:
    """The first call of every net, from which its panel is drawn.

    Attributes:
        names: what a net calls a value that it is passed, by net and value.
        calls: the nodes of each net's first call.
    """

    names: dict[tuple[str, Value], str]
    calls: dict[str, Region] = field(default_factory=dict)

    def first_call(self, net: str, nodes: list[Node]) -> None:
        """Keep the first call of a net. Its inputs are the arguments, in the order of the parameters, then other values it reads."""
        if net in self.calls:
            return
        region = Region(nodes=nodes, outputs=[nodes[-1].output])
        free = free_values(region)
        arguments = [v for owner, v in self.names if owner == net and v in free]
        region.inputs = list(dict.fromkeys([*arguments, *free]))
        self.calls[net] = region


@dataclass(eq=False, slots=True)
class Panel:
    """The diagram of one export or net."""

    title: str
    items: list[Item]

    def boxes(self) -> list[Box]:
        """Every box of the panel, those in loops included."""
        return boxes_in(self.items)


def boxes_in(items: Iterable[Item]) -> list[Box]:
    """Every box among items and inside their loops, in the order of the computation."""
    return [b for item in items for b in ([item] if isinstance(item, Box) else boxes_in(item.items))]


def panels(program: Program, exports: Sequence[str]) -> list[Panel]:
    """The panels of the exports, then of the nets that they call, each once."""
    graphs = {name: prune(program.exports[name]) for name in exports}
    arguments = [entry for graph in graphs.values() for entry in graph.arguments.items()]
    nets = Nets({(net, value): name for net, names in arguments for value, name in names.items()})
    result = [_panel(name, name, graph, nets) for name, graph in graphs.items()]
    drawn: set[str] = set()
    while waiting := [name for name in nets.calls if name not in drawn]:
        drawn.update(waiting)
        result += [_panel(f"net {name}", name, nets.calls[name], nets) for name in waiting]
    return result


def _panel(title: str, prefix: str, region: Region, nets: Nets) -> Panel:
    drawing = Drawing(prefix, nets)
    read = {v for node in region.nodes for v in node.reads()}
    items: list[Item] = []
    for value in region.inputs:
        if value in read:
            name = nets.names.get((prefix, value), _name(value))
            items.append(drawing.bind(Box(name, "input", _shape(value.type)), value))
    items += drawing.items(region.nodes)
    names = region.output_names if isinstance(region, Graph) else [""] * len(region.outputs)
    for name, value in zip(names, region.outputs, strict=True):
        items.append(Box(name, "output", _shape(value.type), drawing.sources([value])))
    return Panel(title, items)


class Drawing:
    """Makes the boxes of one panel.

    Attributes:
        prefix: the scope of the statements of the export or net itself, as a node's `scope` begins.
        owner: the box that computes each value.
    """

    def __init__(self, prefix: str, nets: Nets) -> None:
        self.prefix, self.nets = prefix, nets
        self.owner: dict[Value, Box] = {}

    def bind(self, box: Box, *values: Value) -> Box:
        """Say that a box computes these values; it is returned."""
        self.owner.update(dict.fromkeys(values, box))
        return box

    def sources(self, values: Iterable[Value]) -> list[Box]:
        """The boxes that compute these values, each once."""
        return list(dict.fromkeys(self.owner[v] for v in values if v in self.owner))

    def items(self, nodes: Iterable[Node]) -> list[Item]:
        """The boxes and frames of nodes: one box for a run of nodes of one layer or net, a frame for a loop."""
        result: list[Item] = []
        for (part, _), grouped in groupby(nodes, self._key):
            run = list(grouped)
            if part is None:
                result += self._own_statements(run)
            elif run[0].scope.startswith(f"{self.prefix}."):
                result.append(self._box(re.sub(r"_\d+$", "", part), "layer", run))
            else:
                result += [self._call(part, call) for call in _calls(run)]
        return result

    def _key(self, node: Node) -> tuple[str | None, int]:
        """The layer or net that a node belongs to here; else its line, or itself if it is a loop or a draw."""
        inside = node.scope.removeprefix(self.prefix) if self._is_own(node) else node.scope
        parts = [p for p in inside.split(".") if p and not TURN.fullmatch(p)]
        if parts:
            return parts[0], 0
        if node.regions or issubclass(node.op, Draw):
            return None, id(node)
        return None, node.span.line if node.span else 0

    def _is_own(self, node: Node) -> bool:
        return node.scope == self.prefix or node.scope.startswith(f"{self.prefix}.")

    def _own_statements(self, run: list[Node]) -> list[Item]:
        """The operations of the export or net itself that depend on a value with a box, in one box."""
        if run[0].regions:
            return [self._frame(run[0])]
        if issubclass(run[0].op, Draw):
            name = f"{run[0].output.name} ~ {run[0].op.name.removeprefix('random_')}"
            return [self.bind(Box(name, "draw", _shape(run[0].output.type)), run[0].output)]
        shown: list[Node] = []
        reached = set(self.owner)
        for node in run:
            if reached.isdisjoint(node.inputs):
                continue
            reached.update(node.outputs)
            self._share_box(node)
            if not issubclass(node.op, Structural):
                shown.append(node)
        box = [self._box(_names(shown), "operation", shown)] if shown else []
        for node in run:
            self._share_box(node)
        return [*box]

    def _share_box(self, node: Node) -> None:
        """Give a value that is only seen otherwise (other axes, a kept row) to the box of what it is made from."""
        if issubclass(node.op, Structural) and node.output not in self.owner:
            for source in self.sources(node.inputs):
                self.bind(source, node.output)

    def _box(self, name: str, kind: Kind, run: list[Node]) -> Box:
        """A run of nodes as one box, with the shape of its last result."""
        box = Box(name, kind, _shape(run[-1].output.type), self.sources(v for node in run for v in node.reads()))
        return self.bind(box, *(v for node in run for v in node.outputs))

    def _call(self, name: str, run: list[Node]) -> Box:
        self.nets.first_call(name, run)
        return self._box(name, "net", run)

    def _frame(self, node: Node) -> Frame:
        """A loop as a frame: its states have the boxes of their initial values, its results those of its last turn."""
        region, frame = node.regions[0], Frame(_title(node))
        index, *states = region.inputs
        first = node.inputs[:1] if node.op is Extend else node.inputs[len(node.inputs) - len(states) :]
        for inside, outside in zip(states, first, strict=True):
            if outside in self.owner:
                self.bind(self.owner[outside], inside)
        if any(index in inner.reads() for inner in region.nodes):
            frame.items.append(self.bind(Box(_name(index), "input", _shape(index.type)), index))
        frame.items += self.items(region.nodes)
        for result, inside in zip(node.outputs, region.outputs, strict=False):
            if inside in self.owner:
                self.bind(self.owner[inside], result)
        self._bind_paths(node, frame)
        return frame

    def _bind_paths(self, node: Node, frame: Frame) -> None:
        """Give the paths that a loop keeps to its last box."""
        last = boxes_in(frame.items)[-1:]
        for result in node.outputs:
            if result not in self.owner and last:
                self.bind(last[0], result)


def _calls(run: list[Node]) -> list[list[Node]]:
    """Split a run of nodes of one net into calls: each reads the first weight once, and all have as many nodes."""
    weights = [WeightOf.of(node).weight for node in run if node.op is WeightOf]
    count = weights.count(weights[0]) if weights else 1
    length = len(run) // count
    return [run[i * length : (i + 1) * length] for i in range(count)] if len(run) == count * length else [run]


def _names(run: list[Node]) -> str:
    """What a box of operations is called: up to three signs or names, or the spec's name of the result where there are more."""
    names = [name for name, _ in groupby(_operation(node) for node in run)]
    result_name = _name(run[-1].output)
    return " ".join(names) if len(names) <= 3 or not result_name else result_name


def _operation(node: Node) -> str:
    return SIGNS.get(node.op.name, node.op.name)


def _name(value: Value) -> str:
    """The spec's name for a value; empty where it has none."""
    return "" if value.name in UNNAMED else value.name


def _title(node: Node) -> str:
    name, count = _name_and_count(node)
    return name if count is None else f"{name} × {count}"


def _name_and_count(node: Node) -> tuple[str, Size | None]:
    if node.op is Integrate:
        return Integrate.of(node).method, Integrate.of(node).steps
    if node.op is Loop:
        return "repeat", Loop.of(node).count
    return node.op.name, Extend.of(node).count if node.op is Extend else None


def _shape(value_type: Type) -> str:
    """The shape of one example as text, after the axes that calls are mapped over."""
    mapped = (axis.size for axis in value_type.lead if axis.depth > BATCH_DEPTH)
    return describe((*mapped, *value_type.shape))
