"""IR to `torch.fx`: a GraphModule whose generated source a person can read."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import torch
from torch import fx

from mai.compiler.ir import sizes
from mai.compiler.ir.align import missing_axes
from mai.compiler.ir.graph import Graph, Node, Region, Value
from mai.compiler.ir.operation import Alignment
from mai.compiler.ir.rewrite import free_values
from mai.compiler.ir.sizes import Dim
from mai.compiler.ir.structure import Across, Adjoint, Constant, Lead, Loop, SizeOf, Spread, Unlead, WeightOf
from mai.compiler.ir.types import DType
from mai.compiler.ops.elementwise import Add, Divide, Modulo, Multiply, Subtract
from mai.compiler.ops.elementwise.logic import Equal, Greater, GreaterEqual, Less, LessEqual, NotEqual
from mai.compiler.ops.losses.matching import Matching
from mai.compiler.solvers import DEFAULTS, SOLVERS
from mai.compiler.torch.adjoint import adjoint
from mai.compiler.torch.draw_calls import CALLS as DRAWN
from mai.compiler.torch.loops import loop
from mai.compiler.torch.matching_call import matching
from mai.compiler.torch.parameters import Weights

DTYPES = {DType.REAL: torch.float32, DType.INT: torch.int64, DType.BOOL: torch.bool}
VIEWS = (Lead, Unlead, Across)
ARITHMETIC = (
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
    NotEqual,
)
CALLS = {**DRAWN, Matching: matching}
TAKEN = ("choose", "loop", "matching", "random_bits", "random_normal", "random_uniform", "torch", "unit", "finish")


class Known(fx.Proxy):
    """A proxy whose number of axes is known: operations ask for it."""

    ndim = 0


def lower(graph: Graph, weights: Weights, name: str = "Model") -> fx.GraphModule:
    """A prepared graph as a module; its forward takes the inputs in their order, then the settings.

    The weights it reads are those of `weights`, shared with every other module made from it.
    """
    lowering = Lowering(graph, fx.Graph(), weights)
    for value in [*graph.inputs, *(s.value for s in graph.settings.values())]:
        lowering.placeholder(value)
    lowering.nodes(graph.nodes)
    lowering.fx.output(tuple(lowering[v].node for v in graph.outputs))
    return _module(weights, lowering, name)


def _module(weights: torch.nn.Module, lowering: Lowering, name: str) -> fx.GraphModule:
    lowering.fx.eliminate_dead_code()
    root = torch.nn.Module()
    for key in lowering.read:
        _share(root, weights, key)
    for key, body in lowering.bodies.items():
        root.add_module(key, body)
    used = {node.target for node in lowering.fx.nodes if node.op == "get_attr"}
    for key, tensor in lowering.constants.items():
        if key in used:
            root.register_buffer(key, tensor, persistent=False)
    return fx.GraphModule(root, lowering.fx, class_name=name)


def _share(root: torch.nn.Module, weights: torch.nn.Module, name: str) -> None:
    """Put a weight into another tree of modules, under the same name as far as Python can write it."""
    *path, last = name.split(".")
    for part in path:
        weights, inner = weights.get_submodule(part), attribute(part)
        if inner not in root._modules:
            root.add_module(inner, torch.nn.Module())
        root = root.get_submodule(inner)
    if last in weights._parameters:
        root._parameters[attribute(last)] = weights._parameters[last]
    else:
        root.register_buffer(attribute(last), weights._buffers[last])


class Lowering:
    """Lowers one region into one `fx.Graph`; loops' bodies become modules of their own."""

    def __init__(self, graph: Graph, target: fx.Graph, weights: torch.nn.Module) -> None:
        self.graph, self.fx, self.weights = graph, target, weights
        self.tracer = fx.proxy.GraphAppendingTracer(target)
        self.values: dict[Value, Any] = {}
        self.sizes: dict[str, Any] = {}
        self.read: dict[str, Any] = {}
        self.bodies: dict[str, fx.GraphModule] = {}
        self.constants: dict[str, torch.Tensor] = {}
        self.parameters: set[str] = set()
        self.numbers: dict[Value, int | float | bool] = {}
        self.torch = Recorded(self)
        for name in TAKEN:
            target._graph_namespace.create_name(name, None)

    def __getitem__(self, value: Value) -> Any:
        return self.values[value]

    def placeholder(self, value: Value) -> None:
        self.values[value] = self.known(self.fx.placeholder(self._unused(value.name)), value)

    def _unused(self, name: str) -> str:
        """A parameter name that no other parameter has."""
        made, count = _identifier(name), 0
        while made in self.parameters:
            count += 1
            made = f"{_identifier(name)}_{count}"
        self.parameters.add(made)
        return made

    def known(self, node: fx.Node, value: Value) -> Known:
        proxy = Known(node, self.tracer)
        proxy.ndim = len(value.type.physical)
        return proxy

    # ------------------------------------------------------------------ sizes

    def size(self, size: Any) -> Any:
        """A size as a number or a proxy of one; each symbol is read once."""
        return sizes.evaluate(size, self.symbol)

    def symbol(self, name: str) -> Any:
        if name not in self.sizes:
            source = self.graph.sizes[name]
            if isinstance(source, tuple):
                self.sizes[name] = self.values[source[0]].shape[source[1]]
            else:
                self.sizes[name] = fx.Proxy(self.fx.call_function(int, (self.values[source].node,)), self.tracer)
            self.sizes[name].node.name = self._fresh(name)
        return self.sizes[name]

    def resolved(self, attribute: Any) -> Any:
        if isinstance(attribute, Dim):
            return self.size(attribute)
        return tuple(self.resolved(a) for a in attribute) if isinstance(attribute, tuple) else attribute

    def _fresh(self, name: str) -> str:
        return self.fx._graph_namespace.create_name(_identifier(name), None)

    # ------------------------------------------------------------------ nodes

    def nodes(self, nodes: list[Node]) -> None:
        for node in nodes:
            self.node(node)

    def node(self, node: Node) -> None:
        before = len(self.fx.nodes)
        made = self._lowered(node)
        for inner in list(self.fx.nodes)[before:]:
            inner.meta.setdefault("span", node.span)
        for output, proxy in zip(node.outputs, made, strict=True):
            self.values[output] = self._named(proxy, output)

    def _named(self, proxy: Any, output: Value) -> Known:
        node: fx.Node = proxy.node
        if "type" not in node.meta and node.op != "placeholder":
            node.name = self._fresh(output.name)
            node.meta["type"] = output.type
        return self.known(node, output)

    def _lowered(self, node: Node) -> list[Any]:
        op = node.op
        if op is Constant:
            return [self._constant(node)]
        if op is WeightOf:
            return [self._weight(node)]
        if op is SizeOf:
            return [self.torch.tensor(self.size(SizeOf.of(node).size))]
        if op in VIEWS:
            return [self.values[node.inputs[0]]]
        if op is Spread:
            (x,) = self._aligned(node)
            return [x.expand(tuple(self.size(s) for s in node.output.type.physical))]
        if op is Loop:
            return self._loop(node)
        if op is Adjoint:
            return self._adjoint(node)
        attributes = {k: self.resolved(v) for k, v in node.attributes.items()}
        if op.wants_lead:
            attributes["lead"] = tuple(self.size(a.size) for a in node.output.type.lead)
        if op in CALLS:
            inputs = tuple(proxy.node for proxy in self._aligned(node))
            return [self._call(CALLS[op], inputs, _nodes(attributes))]
        made = op.torch(self.torch, *self._aligned(node), **attributes)
        return list(made) if isinstance(made, tuple) else [made]

    def _call(self, function: Any, arguments: tuple[Any, ...], named: dict[str, Any] | None = None) -> Any:
        return fx.Proxy(self.fx.call_function(function, _nodes(arguments), named or {}), self.tracer)

    def _constant(self, node: Node) -> Any:
        value, dtype = Constant.of(node).value, DTYPES[node.output.type.dtype]
        if isinstance(value, (int, float)):
            self.numbers[node.output] = value
        return self.known(self._buffer(torch.tensor(value, dtype=dtype)), node.output)

    def _buffer(self, tensor: torch.Tensor) -> fx.Node:
        name = f"constant_{len(self.constants) + 1}"
        self.constants[name] = tensor
        return self.fx.get_attr(name)

    @cached_property
    def device(self) -> Any:
        """Where the module is: an empty buffer moves with it, whether or not it has weights."""
        return fx.Proxy(self._buffer(torch.empty(0)), self.tracer).device

    def _weight(self, node: Node) -> Any:
        name = WeightOf.of(node).weight
        if name not in self.read:
            self.read[name] = self.known(self._attribute(name), node.output)
        return self.read[name]

    def _attribute(self, name: str) -> fx.Node:
        target = ".".join(map(attribute, name.split(".")))
        return self.fx.create_node("get_attr", target, (), {}, name=_identifier(name))

    def _aligned(self, node: Node) -> list[Any]:
        """The inputs with the axes of size one that let them meet; arithmetic takes numbers as they are."""
        proxies = [self.values[v] for v in node.inputs]
        known = [v in self.numbers for v in node.inputs]
        if node.op in ARITHMETIC and known.count(True) == 1:
            return [self.numbers[v] if v in self.numbers else self.values[v] for v in node.inputs]
        if node.op.alignment is Alignment.NONE:
            return proxies
        lead = node.output.type.lead
        top = max((v.type.rank for v in node.inputs), default=0)
        made = []
        for value, proxy in zip(node.inputs, proxies, strict=True):
            rank = top if node.op.alignment is Alignment.FULL else value.type.rank
            axes = missing_axes(value.type, lead, rank)
            count = proxy.ndim + len(axes)
            for axis in sorted(axes, reverse=True):
                proxy = proxy.unsqueeze(axis)
            if node.op.alignment.expands(value.type.lead, lead):
                proxy = proxy.expand(*(self.size(a.size) for a in lead), *(-1,) * rank)
                count = len(lead) + rank
            proxy = Known(proxy.node, self.tracer)
            proxy.ndim = count
            made.append(proxy)
        return made

    # ------------------------------------------------------------------ loops

    def _loop(self, node: Node) -> list[Any]:
        """`loop(body, count, states, captured)`: the body is a module; what it reads from outside is handed to it."""
        region = node.regions[0]
        body, outer = self._body(region)
        count, *states = (self.values[v].node for v in node.inputs)
        leads = tuple(len(v.type.lead) for v in region.outputs[len(states) :])
        stops = {"fill": Loop.of(node).fill} if Loop.of(node).stops else {}
        made = self._call(loop, (body, count, tuple(states), outer, leads), stops)
        return [made[i] for i in range(len(node.outputs))]

    def _adjoint(self, node: Node) -> list[Any]:
        """`adjoint(field, solution, inputs, outer, further, ...)`: both regions are modules."""
        integral = Adjoint.of(node)
        solver, options = SOLVERS[integral.method], {**DEFAULTS, **integral.options}
        (field, outer), (solution, further) = map(self._body, node.regions)
        inputs = tuple(self.values[v].node for v in node.inputs)
        lead = len(node.regions[0].inputs[0].type.lead)
        told = (lead, solver.adjoint, options["rtol"], options["atol"], solver.adaptive)
        made = self._call(adjoint, (field, solution, inputs, outer, further, *told))
        return [made[i] for i in range(len(node.outputs))]

    def _body(self, region: Region) -> tuple[fx.Node, tuple[fx.Node, ...]]:
        """A region as a module of its own, which takes its inputs and then what it reads from outside."""
        captured = [v for v in free_values(region) if v in self.values]
        symbols = self._symbols(region)
        inner = Lowering(self.graph, fx.Graph(), self.weights)
        for value in [*region.inputs, *captured]:
            inner.placeholder(value)
        for name in symbols:
            inner.sizes[name] = fx.Proxy(inner.fx.placeholder(inner._unused(name)), inner.tracer)
        inner.nodes(region.nodes)
        inner.fx.output(tuple(inner[v].node for v in region.outputs))
        name = f"body_{len(self.bodies) + 1}"
        self.bodies[name] = _module(self.weights, inner, "Body")
        body = self.fx.create_node("get_attr", name, (), {}, name=name)
        return body, tuple(self.values[v].node for v in captured) + tuple(self.symbol(n).node for n in symbols)

    def _symbols(self, region: Region) -> list[str]:
        """The symbolic sizes that a body needs and does not read from its own inputs: read outside, once."""
        found: set[str] = set()
        sources = self.graph.sources
        for node in region.walk():
            for size in _sizes_in(
                (tuple(value for _, value in node.items()), *(v.type.physical for v in node.outputs))
            ):
                found |= sizes.symbols(size)
        return sorted(n for n in found if n in sources and sources[n] not in region.inputs)


class Recorded:
    """The torch module as operations see it: what makes a tensor from numbers is a recorded call, where the module is."""

    MAKERS = ("arange", "empty", "eye", "full", "linspace", "ones", "tensor", "zeros")

    def __init__(self, lowering: Lowering) -> None:
        self._lowering = lowering

    def __getattr__(self, name: str) -> Any:
        function = getattr(torch, name)
        return partial(self._made, function) if name in self.MAKERS else function

    def _made(self, function: Callable[..., torch.Tensor], *arguments: Any, **named: Any) -> fx.Proxy:
        made: fx.Proxy = self._lowering._call(function, arguments, _nodes({**named, "device": self._lowering.device}))
        return made


def _nodes(value: Any) -> Any:
    """Proxies inside arguments as the nodes they stand for."""
    if isinstance(value, fx.Proxy):
        return value.node
    if isinstance(value, dict):
        return {k: _nodes(v) for k, v in value.items()}
    return tuple(_nodes(v) for v in value) if isinstance(value, tuple) else value


def _sizes_in(value: Any) -> list[Dim]:
    if isinstance(value, Dim):
        return [value]
    return [s for item in value for s in _sizes_in(item)] if isinstance(value, tuple) else []


def writable(name: str) -> bool:
    """Whether Python reads the name as it stands: it is no keyword, and in Python's normal form."""
    return name.isidentifier() and not keyword.iskeyword(name) and unicodedata.normalize("NFKC", name) == name


def attribute(part: str) -> str:
    """One part of a weight's name, spelt in ASCII where generated code could not say it; a turn stays a number."""
    return part if writable(part) or part.isdigit() else f"n_{part.encode().hex()}"


def _identifier(name: str) -> str:
    """A name of the spec as Python has it; one that Python has a function by is spelt apart, as fx would rename it."""
    made = re.sub(r"\W", "_", name) + "_" * (keyword.iskeyword(name) or hasattr(builtins, name))
    return made if made and not made[0].isdigit() else f"v_{made}"
