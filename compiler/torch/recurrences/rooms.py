"""Memory that blocks of turns use one after the other: what is used again is in the processor's caches, and new memory is not."""

from __future__ import annotations

import operator
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from mai.compiler.ir.types import DType, Type

# Functions of numbers side by side, as code has them, and their names where they write into memory that is there.
INTO: Mapping[Callable[..., Any], str] = {
    operator.mul: "mul", operator.add: "add", operator.sub: "sub", operator.truediv: "div", operator.neg: "neg",
    **{getattr(torch, name): name for name in ("exp2", "log", "sqrt", "square", "tanh", "sigmoid", "sin", "cos")},
}  # fmt: skip


class Rooms:
    """The memory of one recurrence's blocks, by what is there and how many turns it has."""

    def __init__(self, views: dict[int, dict[Hashable, Sequence[Tensor]]] | None = None) -> None:
        self._tensors: dict[Hashable, Tensor] = {}
        self._inner: dict[Hashable, Rooms] = {}
        # Of all this memory, that of the owners inside, too: the rows that were asked for, by the place of the memory.
        self._views = {} if views is None else views

    def of(self, owner: Hashable) -> Rooms:
        """Memory that one owner has by itself."""
        if owner not in self._inner:
            self._inner[owner] = Rooms(self._views)
        return self._inner[owner]

    def rows(self, what: Hashable, count: int, like: Tensor, dtype: torch.dtype) -> Tensor:
        """Memory for `count` rows like a tensor; what the block before had there is gone."""
        room = self._tensors.get(what)
        if room is None or room.shape[0] < count:
            room = self._keep(what, torch.empty(count, *like.shape, dtype=dtype, device=like.device))
        return room[:count]

    def into(self, what: Hashable, function: Callable[..., Tensor], *operands: Any) -> Tensor:
        """What a function gives, in the memory that it got the first time."""
        room = self._tensors.get(what)
        if room is None:
            return self._keep(what, function(*operands))
        return function(*operands, out=room)

    def turns(self, x: Tensor) -> Sequence[Tensor]:
        """The rows of a tensor, one a turn. Those of this memory are made once: to make them takes as long as to compute with them."""
        views = self._views.get(_place(x))
        if views is None:
            return x.unbind(0)
        key = (x.data_ptr(), x.shape, x.stride(), x.dtype)
        if key not in views:
            views[key] = x.unbind(0)
        return views[key]

    def _keep(self, what: Hashable, room: Tensor) -> Tensor:
        self._tensors[what] = room
        self._views[_place(room)] = {}
        return room


def _place(x: Tensor) -> int:
    """Where a tensor's memory is: the same for all views of it."""
    return x.untyped_storage().data_ptr()


@fx.wrap
def into(function: str, rooms: Rooms | None, turns: Tensor, place: int, *operands: Any) -> Tensor:
    """What a function of torch gives, in the memory of its place in the code and this number of turns, if there is such memory."""
    call = getattr(torch, function)
    result: Tensor = call(*operands) if rooms is None else rooms.into((place, turns.shape[0]), call, *operands)
    return result


@fx.wrap
def onto(function: str, rooms: Rooms | None, room: Tensor, *operands: Any) -> Tensor:
    """The same in the memory of an operand that nobody reads any more."""
    call = getattr(torch, function)
    result: Tensor = call(*operands) if rooms is None else call(*operands, out=room)
    return result


def use_rooms(graph: fx.Graph, turns: fx.Node) -> None:
    """Let code of a block use the memory of the block before; its last argument is the rooms, or None."""
    nodes = [node for node in graph.nodes if node.op == "call_function"]
    with graph.inserting_after([n for n in graph.nodes if n.op == "placeholder"][-1]):
        rooms = graph.placeholder("rooms")
    own = set[fx.Node]()
    for place, node in enumerate(nodes):
        if not _is_wide(node):
            continue
        free = next((x for x in node.all_input_nodes if x in own and len(x.users) == 1 and _alike(x, node)), None)
        head = (rooms, turns, place) if free is None else (rooms, free)
        node.args = (INTO[node.target], *head, *node.args)
        node.target = into if free is None else onto
        own.add(node)


def _is_wide(node: fx.Node) -> bool:
    """Whether a call gives real numbers for each turn, side by side as those that it is given."""
    type = node.meta.get("type")
    if node.target not in INTO or not isinstance(type, Type) or type.dtype is not DType.REAL or node.kwargs:
        return False
    return isinstance(node.args[0], fx.Node)


def _alike(x: fx.Node, y: fx.Node) -> bool:
    own: bool = x.meta["type"] == y.meta["type"]
    return own
