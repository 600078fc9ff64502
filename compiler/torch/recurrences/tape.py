"""Blocks of turns computed at the same places in memory, one after the other, so that only what writes there is done again.

A block of a recurrence is some hundred small calls of torch, of which half make views, and what Python does between them takes as long as
they do. So the first block is computed and its calls are kept; for each block after it, these are made again. Memory that is used
again is in the processor's caches, too, and new memory is not.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, fx

# Functions of numbers side by side, as code has them, and as they write into memory that is there.
INTO: Mapping[Callable[..., Any], Callable[..., Tensor]] = {
    operator.mul: torch.mul, operator.add: torch.add, operator.sub: torch.sub, operator.truediv: torch.div,
    operator.neg: torch.neg, **{f: f for f in (
        torch.exp2, torch.log, torch.sqrt, torch.square, torch.tanh, torch.sigmoid, torch.sin, torch.cos
    )},
}  # fmt: skip
COPIES = ("contiguous", "clone")  # Methods that give the same numbers in other memory, or nothing new.


class Tape:
    """The calls that a block makes; `keeps` says whether they will be made again, which needs all of it at places that stay.

    Torch may choose how many bits a result has (`autocast`), or compile what it sees: then each block is computed as the first.
    """

    def __init__(self, keeps: bool) -> None:
        self.keeps = keeps
        self._calls: list[Callable[[], object]] = []
        self.own: set[int] = set()  # Where results of code are that are seen from nowhere else.
        self._rooms: dict[int, Tensor] = {}

    def again(self) -> None:
        """Make all calls again."""
        for call in self._calls:
            call()

    def write(self, function: Callable[..., object], *operands: Any, **options: Any) -> None:
        """A call that writes into memory which is there."""
        call = partial(function, *operands, **options)
        call()
        self.keep(call)

    def keep(self, call: Callable[[], object]) -> None:
        """A call that has been made."""
        if self.keeps:
            self._calls.append(call)

    def into(self, function: Callable[..., Tensor], *operands: Any) -> Tensor:
        """What a function of torch that takes `out` gives."""
        result = function(*operands)
        self.keep(partial(function, *operands, out=result))
        return result

    def compute(self, function: Callable[..., Any], *operands: Any, **options: Any) -> Any:
        """What any function gives: tensors, which are copied to where the first ones were."""
        call = partial(function, *operands, **options)
        return self.keep_result(call(), call)

    def keep_result(self, result: Any, call: Callable[[], Any]) -> Any:
        """What a call gave, which is made again and copied there."""
        if not self.keeps:
            return result
        result = _apart(result) if isinstance(result, Tensor) else tuple(map(_apart, result))
        self._calls.append(partial(_copy, result, call))
        return result

    def cast(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """A tensor of a dtype."""
        result: Tensor = x if x.dtype == dtype else self.compute(x.to, dtype)
        return result

    def behind_row(self, function: Callable[..., Tensor], *operands: Any) -> Tensor:
        """What a function of torch that takes `out` gives, with memory for a row before it."""
        result = function(*operands)
        room = torch.empty(len(result) + 1, *result.shape[1:], dtype=result.dtype, device=result.device)
        self.write(function, *operands, out=room[1:])
        self._rooms[_where(room)] = room
        return room[1:]

    def with_row(self, x: Tensor) -> Tensor | None:
        """The memory of what is seen from nowhere else, with the row before it, if it has one: from now on that of what is written there."""
        room = self._rooms.get(_where(x))
        if room is None or x.shape != room[1:].shape or not self.take(x):
            return None
        return room

    def take(self, x: Tensor) -> bool:
        """Whether a result of code is seen from nowhere else; its memory is from now on that of what is written there."""
        where = _where(x)
        is_own = where in self.own
        self.own.discard(where)
        return is_own

    def code(
        self, module: fx.GraphModule, inputs: Sequence[Tensor], outer: Sequence[Any], front: int | None = None
    ) -> tuple[Tensor, ...]:
        """What a region's code gives of a block's values and of what is the same in all blocks."""
        if not self.keeps:
            results: tuple[Tensor, ...] = module(*inputs, *outer)
            return results
        return _Walk(self, module, len(inputs), front).results([*inputs, *outer])


def _apart(x: Any) -> Any:
    """A result in which each number has a place of its own."""
    is_expanded = isinstance(x, Tensor) and any(
        step == 0 and size > 1 for step, size in zip(x.stride(), x.shape, strict=True)
    )
    return x.contiguous() if is_expanded else x


def _copy(places: Any, function: Callable[[], Any]) -> None:
    results = function()
    pairs = [(places, results)] if isinstance(places, Tensor) else zip(places, results, strict=True)
    for place, result in pairs:
        if isinstance(place, Tensor):
            place.copy_(result)


class _Walk:
    """A module's code taken node by node.

    A result may lie where an operand was that nobody reads any more. What depends on nothing of the block is computed once.
    `front` is the place of a result that is to have a row of memory before its first.
    """

    def __init__(self, tape: Tape, module: fx.GraphModule, varying: int, front: int | None) -> None:
        self.tape, self.module = tape, module
        nodes = list(module.graph.nodes)
        self.outputs: Sequence[fx.Node] = nodes[-1].args[0]
        self.front = None if front is None else self.outputs[front]
        self.places = {node: place for place, node in enumerate(nodes)}
        self.values: dict[fx.Node, Any] = {}
        self.varying = {node for node in nodes[:varying] if node.op == "placeholder"}
        # By where it is in memory: what was made here, with all nodes that see it, and what was not.
        self.rooms: dict[int, list[fx.Node]] = {}
        self.others: set[int] = set()

    def results(self, arguments: Sequence[Any]) -> tuple[Tensor, ...]:
        """What the code gives; the tape knows which of that is seen from nowhere else."""
        inputs = iter(arguments)
        for node in self.places:
            if node.op in ("placeholder", "get_attr"):
                value = next(inputs) if node.op == "placeholder" else operator.attrgetter(str(node.target))(self.module)
                self.values[node] = value
                self.others.update(map(_where, _tensors(value)))
            elif node.op != "output":
                self._call(node)
        for where in (_where(x) for node in self.outputs for x in _tensors(self.values[node])):
            if sum(node in self.rooms.get(where, ()) for node in self.outputs) == 1:
                self.tape.own.add(where)
            else:
                self.tape.own.discard(where)
        return tuple(self.values[node] for node in self.outputs)

    def _arguments(self, arguments: Any) -> Any:
        return fx.map_arg(arguments, self.values.__getitem__)

    def _call(self, node: fx.Node) -> None:
        operands, options = self._arguments(node.args), self._arguments(node.kwargs)
        function = _method(str(node.target)) if node.op == "call_method" else node.target
        assert callable(function)
        if self.varying.isdisjoint(node.all_input_nodes):
            result = function(*operands, **options)
        else:
            self.varying.add(node)
            is_wide = function in INTO and not options and isinstance(operands[0], Tensor)
            result = self._wide(node, operands) if is_wide else self._other(node, function, operands, options)
        self.values[node] = result
        self._see(node, result)

    def _wide(self, node: fx.Node, operands: Sequence[Any]) -> Tensor:
        function = INTO[cast("Callable[..., Any]", node.target)]
        if node is self.front:
            return self.tape.behind_row(function, *operands)
        room = self._free(node, operands)
        if room is None:
            return self.tape.into(function, *operands)
        self.tape.write(function, *operands, out=room)
        return room

    def _other(
        self, node: fx.Node, function: Callable[..., Any], operands: Sequence[Any], options: dict[str, Any]
    ) -> Any:
        """A view is one of what is there at the next block, too; the rest is computed again."""
        if function is operator.matmul:
            return _product(self.tape, *operands)
        result = function(*operands, **options)
        if _is_view(result, [*operands, *options.values()]):
            return result
        if function is torch.sum:
            self.tape.keep(partial(function, *operands, **options, out=result))
        elif node.op == "call_method" and node.target in COPIES:
            self.tape.keep(partial(result.copy_, operands[0]))
        else:
            return self.tape.keep_result(result, partial(function, *operands, **options))
        return result

    def _see(self, node: fx.Node, result: Any) -> None:
        """Keep in mind where a result is, and whether it was made here."""
        for where in map(_where, _tensors(result)):
            if where in self.rooms:
                self.rooms[where].append(node)
            elif where not in self.others and node in self.varying and isinstance(result, Tensor):
                self.rooms[where] = [node]
            else:
                self.others.add(where)

    def _free(self, node: fx.Node, operands: Sequence[Any]) -> Tensor | None:
        """An operand of the same type whose memory nobody reads after this."""
        type = node.meta.get("type")
        if type is None or len({x.dtype for x in operands if isinstance(x, Tensor) and x.ndim}) > 1:
            return None
        for x in node.all_input_nodes:
            value = self.values[x]
            seen = self.rooms.get(_where(value), []) if isinstance(value, Tensor) else []
            is_last = [y for y in node.all_input_nodes if y in seen] == [x] and not self._is_read_after(node, seen)
            if is_last and x.meta.get("type") == type and value.is_contiguous():
                return cast("Tensor", value)
        return None

    def _is_read_after(self, node: fx.Node, others: Sequence[fx.Node]) -> bool:
        return any(self.places[user] > self.places[node] for other in others for user in other.users)


def _product(tape: Tape, x: Tensor, y: Tensor) -> Tensor:
    """A product of matrices, or of many, for each of which both have one."""
    if x.shape[:-2] != y.shape[:-2] or x.ndim < 3:
        return tape.into(torch.matmul, x, y)
    lead = x.shape[:-2]
    flat = tape.into(torch.bmm, _flat(tape, x), _flat(tape, y))
    return flat.view(*lead, *flat.shape[1:])


def _flat(tape: Tape, x: Tensor) -> Tensor:
    """Matrices in one row: as a view, where that can be."""
    flat = x.flatten(0, -3)
    return flat if _is_view(flat, [x]) else cast("Tensor", tape.keep_result(flat, partial(x.flatten, 0, -3)))


def _method(name: str) -> Callable[..., Any]:
    return lambda x, *operands, **options: getattr(x, name)(*operands, **options)


def _is_view(result: Any, operands: Sequence[Any]) -> bool:
    """Whether what a function gave is memory of its operands, or none."""
    there = {_where(x) for operand in operands for x in _tensors(operand)}
    return all(_where(x) in there for x in _tensors(result))


def _tensors(value: Any) -> list[Tensor]:
    """A tensor, or those of some."""
    if isinstance(value, Tensor):
        return [value]
    return [x for x in value if isinstance(x, Tensor)] if isinstance(value, (tuple, list)) else []


def _where(x: Tensor) -> int:
    """Where a tensor's memory is: the same for all views of it."""
    return x.untyped_storage().data_ptr()
