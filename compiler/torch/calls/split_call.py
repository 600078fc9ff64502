"""Slices that are all parts of a value as one `split`: what comes back is joined once, where each slice by itself gives a whole value back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import fx

from mai.compiler.ir.graph import Node
from mai.compiler.ops.shapes.indexing import Slice

if TYPE_CHECKING:
    from mai.compiler.torch.interpreter import TorchInterpreter


def part(walk: TorchInterpreter, node: Node, splits: dict[Node, fx.Proxy]) -> fx.Proxy | None:
    """The value of a slice as a part; None where the slices of its value are not parts side by side. `splits` has what was split before."""
    parts = _parts_beside(node)
    if node not in parts:
        return None
    if parts[0] not in splits:
        axis = node.attributes["axis"]
        sizes = tuple(_width(n) for n in parts)
        splits[parts[0]] = walk.code.torch.split(walk[node.inputs[0]], sizes, dim=axis)
    return walk.code.item(splits[parts[0]], parts.index(node))


def _parts_beside(node: Node) -> list[Node]:
    """The slices of a node's value along its axis, in their order, if they are two or more and each number is in one of them."""
    value, axis = node.inputs[0], node.attributes["axis"]
    by_start = {}
    for user in value.uses:
        if user.op is Slice and user.attributes["axis"] == axis and _is_plain(user):
            by_start[user.attributes["start"] or 0] = user
    parts = [by_start[start] for start in sorted(by_start)]
    ends = [0]
    for n in parts:
        if (n.attributes["start"] or 0) != ends[-1]:
            return []
        ends.append(ends[-1] + _width(n))
    return parts if len(parts) > 1 and ends[-1] == value.type.shape[axis] else []


def _is_plain(node: Node) -> bool:
    """Whether a slice takes numbers side by side, between places that are known."""
    start, stop, step = (node.attributes[n] for n in ("start", "stop", "step"))
    whole = node.inputs[0].type.shape[node.attributes["axis"]]
    has_numbers = isinstance(whole, int) and all(b is None or (isinstance(b, int) and b >= 0) for b in (start, stop))
    return has_numbers and step in (None, 1)


def _width(node: Node) -> int:
    width: int = node.output.type.shape[node.attributes["axis"]]
    return width
