"""A graph as the lines of a `forward` that a person reads: loops are `for`, weights stand where they are used."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, reduce
from pathlib import Path

import torch
from torch import fx
from torch.fx.graph import magic_methods
from torch.overrides import resolve_name

from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.structure import Constant, Loop, Nested, WeightOf
from mai.compiler.ir.types import DType, Type
from mai.compiler.torch.interpreter import CALLS, TorchInterpreter
from mai.compiler.torch.names import MODULE_NAMES, writable
from mai.compiler.torch.recorder import Recorder
from mai.spec.source import Span

TAKEN = ("self", "nn", "F", "Tensor", "Group")
INDENT = "    "


def begin(turns: str, arguments: object, layers: dict[str, str]) -> object:
    """The head of a `for` over `turns`, a format of the arguments, and with it over lists of weights by the names of their elements."""


def state(first: object) -> object:
    """A variable that the loop moves, with its first value."""


def end(states: object, moved: object, rows: object, kept: object, stops: bool = False) -> None:
    """The foot of a `for`: what is kept of the turn is appended to its rows, then the states move together.

    With `stops`, the first state is whether to go on.
    """


def fill(rows: object, count: object, number: object) -> None:
    """The rows of turns that were not taken."""


def stack(rows: object, axis: object, sizes: object, options: object) -> object:
    """The rows of a loop that may have no turns, stacked: none then, of the sizes that they would have."""


def forward(graph: Graph) -> list[str]:
    """The lines of the `forward` method of a graph whose `integrate`s are loops; fresh `repeat`s may remain.

    It takes the inputs in their order, then the settings with their defaults, and gives the output, or a tuple of them.
    """
    walk = SourceInterpreter(graph)
    walk.parameters([*graph.inputs, *(s.value for s in graph.settings.values())])
    walk.nodes(graph.nodes)
    walk.finish()
    head = [*(walk[v].node.name for v in graph.inputs), *walk.defaults()]
    results = ", ".join(_text(walk[v].node) for v in graph.outputs)
    lines = [*walk.placing(), *_lines(walk.code.graph), f"return {results}"]
    return [f"def forward({', '.join(['self', *head])}):", *(INDENT + line for line in lines)]


class SourceRecorder(Recorder):
    """Code whose device is a variable of that name, which `fx` gives to no other."""

    @cached_property
    def device(self) -> fx.Proxy:
        return self.proxy(self.inline("device"))

    def inline(self, text: str, reads: tuple[fx.Node, ...] = ()) -> fx.Node:
        """What has no line of its own: `text` stands where it is used."""
        node = self.graph.create_node("get_attr", "inline", reads, {})
        node.meta["text"] = text
        return node


class SourceInterpreter(TorchInterpreter):
    """Records a graph with its loops' bodies in one `fx.Graph`, so that all names differ."""

    calls = CALLS
    is_trained = False  # A person reads it.

    def __init__(self, graph: Graph) -> None:
        self.source = SourceRecorder()
        super().__init__(graph, self.source)
        self.layers: dict[str, str] = {}
        for name in TAKEN:
            self.code.reserve(name)

    def parameters(self, values: Iterable[Value]) -> None:
        for value in values:
            name = self.code.parameter_name(value.name)
            self.values[value] = self.traced(
                self.code.graph.create_node("placeholder", name, (), {}, name=name), value.type
            )

    def finish(self) -> None:
        """Leave out what nothing reads."""
        self.returns(self.graph.outputs)
        self.code.graph.eliminate_dead_code(
            lambda node: node.op in ("placeholder", "output") or node.target in (begin, end, fill)
        )

    def defaults(self) -> Iterator[str]:
        """The settings as keyword arguments with their defaults."""
        for setting in self.graph.settings.values():
            yield f"{self[setting.value].node.name}={setting.default!r}"

    def placing(self) -> Iterator[str]:
        """New tensors are on the device of the weights, if that is asked; so are the settings."""
        settings = list(self._settings())
        if settings or self.code.device.node.users:
            yield f"{_text(self.code.device.node)} = next(self.parameters(), torch.empty(0)).device"
        yield from settings

    def _settings(self) -> Iterator[str]:
        """Settings may be given as numbers; operations want tensors."""
        for setting in self.graph.settings.values():
            node = self[setting.value].node
            if any(user.target is not int for user in node.users):
                real = setting.value.type.dtype is DType.REAL
                named = f"{'dtype=torch.float32, ' if real else ''}device={_text(self.code.device.node)}"
                yield f"{node.name} = torch.as_tensor({node.name}, {named})"

    def _inline(self, text: str, value: Value, *reads: fx.Node) -> fx.Proxy:
        node = self.source.inline(text, reads)
        node.meta["type"] = value.type
        return self.traced(node, value.type)

    def constant(self, node: Node) -> fx.Proxy:
        value = Constant.of(node).value
        if isinstance(value, (int, float)):
            self.numbers[node.output] = value
        device = self.code.device.node
        text = f"torch.tensor({_literal(value, node.output.type.dtype)}, device={_text(device)})"
        return self._inline(text, node.output, device)

    def weight(self, node: Node) -> fx.Proxy:
        return self._inline(self._path(WeightOf.of(node).weight), node.output)

    def _path(self, name: str) -> str:
        """A weight, or a list of them, seen from the loop that goes through its turns."""
        turns, inside, rest = name.rpartition("{}.")
        return reduce(member, rest.split("."), self.layers[turns + inside] if inside else "self")

    def _lists(self, region: Region) -> dict[str, str]:
        """What a fresh loop goes through beside its turns: lists of weights, by the names of their elements."""
        lists = {}
        for prefix in dict.fromkeys(_prefixes(region)):
            if prefix not in self.layers:
                self.layers[prefix] = self.code.reserve("layer")
            lists[self.layers[prefix]] = self._path(prefix.removesuffix(".{}."))
        return lists

    def _variable(self, marker: Callable[..., object], arguments: tuple[object, ...], value: Value) -> fx.Proxy:
        node = self.code.call(marker, arguments).node
        node.name, node.meta["type"] = self.code.reserve(value.name), value.type
        return self.traced(node, value.type)

    def loop(self, node: Node) -> list[fx.Proxy]:
        region, rule = node.regions[0], Loop.of(node)
        for name in self.outer_symbols(region):
            self.symbol(name)
        turn, *inside = region.inputs
        states = [self._variable(state, (self[v],), s) for v, s in zip(node.inputs[1:], inside, strict=True)]
        rows = [self._rows() for _ in region.outputs[len(states) :]]
        count = self.numbers.get(node.inputs[0], self[node.inputs[0]])
        lists = self._lists(region) if rule.fresh else {}
        head = self._head(turn, count, lists, _reads(region, turn))
        results = self.body(region, [head, *states])
        moved, kept = results[: len(states)], results[len(states) :]
        self.code.call(end, (tuple(states), tuple(moved), tuple(rows), tuple(kept), rule.stops))
        for row in rows if rule.stops else []:
            self.code.call(fill, (row, count, rule.fill))
        return [*states, *self._stacked(node, rows, region.outputs[len(states) :])]

    def _head(self, turn: Value, count: object, lists: dict[str, str], is_read: bool) -> fx.Proxy:
        """The head of a `for`: over tensors where the turn is read, over numbers or over lists of weights alone otherwise."""
        if is_read:
            return self._variable(begin, ("torch.arange({}, device={})", (count, self.code.device), lists), turn)
        return self._variable(begin, ("" if lists else "range({})", (count,), lists), turn)

    def _rows(self) -> fx.Proxy:
        rows = self.code.call(list, ())
        rows.node.name = self.code.reserve("rows")
        return rows

    def _stacked(self, loop: Node, rows: Sequence[fx.Proxy], kept: Sequence[Value]) -> list[fx.Proxy]:
        """What a loop kept of its turns, each along a new axis after its lead axes."""
        axes = [len(row.type.lead) for row in kept]
        empty = self.empty_rows(loop)
        if not empty:
            return [self.code.call(torch.stack, (r, axis)) for r, axis in zip(rows, axes, strict=True)]
        return [
            self.code.call(stack, (r, axis, sizes, {"dtype": dtype, "device": self.code.device}))
            for r, axis, (sizes, dtype) in zip(rows, axes, empty, strict=True)
        ]


def _reads(region: Region, value: Value) -> bool:
    return bool(value.uses) or value in region.outputs


def _prefixes(region: Region, depth: int = 0) -> Iterator[str]:
    """The names of this loop's weights up to its turn; the `{}`s of a name are the turns of the innermost loops."""
    for node in region.nodes:
        if node.op is WeightOf:
            parts = WeightOf.of(node).weight.split("{}.")
            if len(parts) > depth + 1:
                yield "{}.".join([*parts[: len(parts) - 1 - depth], ""])
        for inner in node.regions:
            yield from _prefixes(inner, depth + (node.op is Loop and Loop.of(node).fresh))


def member(owner: str, name: str) -> str:
    """`owner.name`, for every name of the spec; a name that modules have themselves is asked of the group."""
    return f"{owner}.{name}" if writable(name) and name not in MODULE_NAMES else f"{owner}[{name!r}]"


# ---------------------------------------------------------------------- text


def _lines(graph: fx.Graph) -> Iterator[str]:
    """A statement a node, after the line of the spec where that changes."""
    indent, last = "", ""
    for node in graph.nodes:
        if node.op in ("placeholder", "get_attr", "output") or node.target is getattr:
            continue
        place = _place(node.meta.get("span"))
        if place and place != last and node.target not in (state, list, end, fill):
            last = place
            yield f"{indent}# {place}"
        yield from (indent + line for line in _statement(node))
        if node.target is begin:
            indent += INDENT
        elif node.target is end:
            indent = indent.removesuffix(INDENT)


def _whether(going: fx.Node) -> str:
    """Whether a loop goes on: for some example, where each goes on for itself."""
    return f"{_text(going)}.any()" if going.meta["type"].lead else _text(going)


def _statement(node: fx.Node) -> list[str]:
    if node.target is begin:
        return [_for(node)]
    if node.target is end:
        states, moved, rows, kept = (tuple(map(_text, part)) for part in node.args[:4])  # type: ignore[arg-type]
        moves = [f"{', '.join(states)} = {', '.join(moved)}"] if states else []
        leaves = [f"if not {_whether(node.args[0][0])}:", f"{INDENT}break"] if node.args[4] else []  # type: ignore[index, arg-type]
        return [*(f"{r}.append({k})" for r, k in zip(rows, kept, strict=True)), *moves, *leaves]
    if node.target is fill:
        row, count, number = map(_text, node.args)
        return [f"{row} += [torch.full_like(row, {number}) for row in {row}[:1]] * ({count} - len({row}))"]
    type = node.meta.get("type")
    return [f"{node.name} = {_expression(node)}" + (f"  # {_shape(type)}" if type else "")]


def _for(node: fx.Node) -> str:
    turns, arguments, lists = node.args
    assert isinstance(turns, str) and isinstance(arguments, tuple) and isinstance(lists, dict)
    through = {**({node.name: turns.format(*map(_text, arguments))} if turns else {}), **lists}
    sources = ", ".join(through.values())
    return f"for {', '.join(through)} in {sources if len(through) == 1 else f'zip({sources}, strict=True)'}:"


def _expression(node: fx.Node) -> str:
    arguments = [_text(a) for a in node.args]
    defaults = _defaults(node.target)
    named = [f"{k}={_text(a)}" for k, a in node.kwargs.items() if k not in defaults or defaults[k] != a]
    if node.op == "call_method":
        return f"{arguments[0]}.{node.target}({', '.join([*arguments[1:], *named])})"
    target = node.target
    assert callable(target)
    if target is state:
        return arguments[0]
    if target is list:
        return "[]"
    if target is stack:
        return _stack(*node.args)
    if target.__module__ == "_operator" and target.__name__ in magic_methods:
        return str(magic_methods[target.__name__].format(*_operands(node, arguments)))
    return f"{_called(target)}({', '.join([*arguments, *named])})"


def _stack(rows: object, axis: object, sizes: object, options: object) -> str:
    assert isinstance(options, dict)
    named = "".join(f", {name}={_text(option)}" for name, option in options.items())
    rows = _text(rows)
    return f"torch.stack({rows}, {axis}) if {rows} else torch.zeros({_text(sizes)}{named})"


def _operands(node: fx.Node, arguments: list[str]) -> list[str]:
    """An index is written without the parentheses of its tuple."""
    index = node.args[-1]
    bare = getattr(node.target, "__name__", "") == "getitem" and isinstance(index, tuple) and len(index) > 1
    return [*arguments[:-1], arguments[-1][1:-1]] if bare else arguments


def _defaults(function: object) -> dict[str, object]:
    """The values of arguments that need not be written."""
    if not inspect.isfunction(function):
        return {}
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def _called(function: Callable[..., object]) -> str:
    """The public name of a function."""
    if function.__module__ == "builtins" or str(function.__module__).startswith("mai."):
        return str(function.__name__)
    name = str(resolve_name(function) or function.__name__)
    for longer, shorter in (("torch._C._nn.", "F."), ("torch.nn.functional.", "F."), ("torch.functional.", "torch.")):
        name = name.replace(longer, shorter)
    return name


def _text(argument: object) -> str:
    """An argument as Python writes it."""
    if isinstance(argument, fx.Node):
        if argument.op == "get_attr":
            return str(argument.meta["text"])
        return f"{_text(argument.args[0])}.{argument.args[1]}" if argument.target is getattr else argument.name
    if isinstance(argument, (tuple, list)):
        inner = ", ".join(map(_text, argument))
        return f"({inner},)" if len(argument) == 1 else f"({inner})"
    if isinstance(argument, slice):
        bounds = ["" if b is None else _text(b) for b in (argument.start, argument.stop)]
        return ":".join(bounds if argument.step is None else [*bounds, _text(argument.step)])
    if argument is ...:
        return "..."
    unwritable = isinstance(argument, float) and not math.isfinite(argument)
    return f'float("{argument}")' if unwritable else str(repr(argument))


def _literal(value: Nested, dtype: DType) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(_literal(v, dtype) for v in value)}]"
    return _text(float(value) if dtype is DType.REAL else value)


def _shape(type: Type) -> str:
    """`(batch, 256)`, and the dtype where it is not real."""
    sizes = ", ".join(map(str, type.physical))
    comma = "," if len(type.physical) == 1 else ""
    return f"({sizes}{comma})" + ("" if type.dtype is DType.REAL else f" {type.dtype.value}")


def _place(span: Span | None) -> str:
    return f"{Path(span.source.path).name}:{span.line}  {span.source.line(span.line).strip()}" if span else ""
