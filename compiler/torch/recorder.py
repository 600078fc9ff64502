"""Code being recorded as a `torch.fx` graph: its names, its constants, and the calls in it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import cast

import torch
from torch import fx

from mai.compiler.torch.names import identifier

TAKEN = (
    "attention",
    "batch_norm",
    "choose",
    "chosen_affine",
    "depthwise",
    "exponential",
    "loop",
    "matching",
    "random_halves",
    "real_fourier",
    "real_inverse",
    "recurrence",
    "random_normal",
    "random_uniform",
    "torch",
    "turn",
    "unit",
    "finish",
    "follows",
    "is_whole",
    "walk",
    "gathered",
)


class Traced(fx.Proxy):
    """A proxy whose number of axes is known: operations ask for it."""

    ndim = 0


class Recorder:
    """One `fx.Graph` being written, and the tensors that it reads as `constant_1`, `constant_2`, ..."""

    def __init__(self) -> None:
        self.graph = fx.Graph()
        self.tracer = fx.proxy.GraphAppendingTracer(self.graph)
        self.constants: dict[str, torch.Tensor] = {}
        self.torch = RecordedTorch(self)
        # A parameter called as a function is would get another name inside, which the next parameter may have outside.
        self._parameters = set(map(_plain, TAKEN))
        for name in TAKEN:
            self.graph._graph_namespace.create_name(name, None)

    def reserve(self, name: str) -> str:
        """A name that nothing else in the code has."""
        unique: str = self.graph._graph_namespace.create_name(identifier(name), None)
        return unique

    def parameter(self, name: str) -> fx.Node:
        """The next parameter of the code; its name is one that no other parameter has."""
        return self.graph.placeholder(self.parameter_name(name))

    def parameter_name(self, name: str) -> str:
        """A name that no other parameter has; `B` and `b` are one to fx, whose names have small letters."""
        unique, count = identifier(name), 0
        while _plain(unique) in self._parameters:
            count += 1
            unique = f"{identifier(name)}_{count}"
        self._parameters.add(_plain(unique))
        return unique

    def proxy(self, node: fx.Node, rank: int | None = None) -> fx.Proxy:
        """What stands for a node in Python; it knows its number of axes if `rank` says it."""
        if rank is None:
            return fx.Proxy(node, self.tracer)
        traced = Traced(node, self.tracer)
        traced.ndim = rank
        return traced

    def call(
        self, function: Callable[..., object], arguments: tuple[object, ...], named: Mapping[str, object] | None = None
    ) -> fx.Proxy:
        """A call of `function`; its arguments are proxies, nodes, numbers, and tuples and dictionaries of them."""
        keywords = {name: nodes_in(argument) for name, argument in (named or {}).items()}
        return self.proxy(self.graph.call_function(function, tuple(map(nodes_in, arguments)), keywords))

    def item(self, sequence: fx.Proxy, index: int) -> fx.Proxy:
        """An element of what is a tuple when the code runs."""
        return self.call(operator.getitem, (sequence, index))

    def buffer(self, tensor: torch.Tensor) -> fx.Node:
        """A tensor that the code reads."""
        name = f"constant_{len(self.constants) + 1}"
        self.constants[name] = tensor
        return self.graph.get_attr(name)

    @cached_property
    def device(self) -> fx.Proxy:
        """Where the module is: an empty buffer moves with it, whether or not it has weights."""
        return self.proxy(self.buffer(torch.empty(0))).device


class RecordedTorch:
    """The torch module as operations see it: what makes a tensor from numbers is a recorded call, where the module is."""

    MAKERS = ("arange", "empty", "eye", "full", "linspace", "ones", "tensor", "zeros")

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __getattr__(self, name: str) -> Callable[..., fx.Proxy]:
        function: Callable[..., fx.Proxy] = getattr(torch, name)
        return partial(self._recorded, function) if name in self.MAKERS else function

    def _recorded(self, function: Callable[..., object], *arguments: object, **named: object) -> fx.Proxy:
        return self._recorder.call(function, arguments, {**named, "device": self._recorder.device})


def nodes_in(argument: object) -> fx.node.Argument:
    """Proxies inside an argument as the nodes they stand for."""
    if isinstance(argument, fx.Proxy):
        return argument.node
    if isinstance(argument, dict):
        return {k: nodes_in(v) for k, v in argument.items()}
    if isinstance(argument, tuple):
        return tuple(map(nodes_in, argument))
    return cast("fx.node.Argument", argument)


def _plain(name: str) -> str:
    """A name as it is compared with others: fx spells it with small letters, and puts lines between words."""
    return name.lower().replace("_", "")
