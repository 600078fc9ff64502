"""Which rows of tokens may begin without one: prompts of different lengths lie side by side, the shorter ones after -1."""

from __future__ import annotations

from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.operation import Operation
from mai.compiler.ir.structure import Extend
from mai.compiler.ops.elementwise.conversion import ToInt
from mai.compiler.ops.elementwise.logic import GreaterEqual
from mai.compiler.ops.shapes.gather import Gather
from mai.compiler.ops.shapes.indexing import Argsort, Pick, Slice
from mai.compiler.ops.shapes.shape import Concat, Expand, Reshape, Squeeze, Stack, Transpose, Unsqueeze

MOVES = (Slice, Pick, Concat, Stack, Expand, Reshape, Transpose, Unsqueeze, Squeeze)  # No number of a result is new.


# What an `extend` makes the order of, from a text x that one before it grew, last first: `argsort(int(x >= 0))`.
ORDER = (Argsort, ToInt, GreaterEqual)


def prompts_of(written: Graph) -> list[Value]:
    """The inputs that an `extend` of a graph grows from, and that nothing else reads."""
    rows = dict.fromkeys(n.inputs[0] for n in written.nodes if n.op is Extend and n.inputs[0] in written.inputs)
    return [row for row in rows if all(_grows_from(reader, row) for reader in _readers(written, row))]


def prompts_of_unlike_lengths(written: Graph) -> frozenset[str]:
    """The prompts of a graph that may differ in length, without a test in the spec for places that have no token.

    That is known to the `extend` alone. Whatever else reads a text that grows from such a row would make of it numbers that the row
    has not alone. The text may be a result, or go on growing, and what was appended to it may be read.
    """
    return frozenset(row.name for row in prompts_of(written) if _is_left_open(written, row, row))


def _grows_from(node: Node, row: Value) -> bool:
    return node.op is Extend and row is node.inputs[0] and row not in node.regions[0].outputs


def _readers(graph: Graph, value: Value) -> list[Node]:
    """The nodes that take a value, in regions as well, or whose regions end with it."""
    return [n for n in graph.walk() if value in n.inputs or any(value in r.outputs for r in n.regions)]


def _is_left_open(graph: Graph, text: Value, row: Value) -> bool:
    """Whether nothing computes with the places of a text that may have no token."""
    return all(_leaves_open(graph, reader, text, row) for reader in _readers(graph, text))


def _leaves_open(graph: Graph, node: Node, text: Value, row: Value) -> bool:
    if _is_test(node):
        return True
    if _puts_tokens_last(node, text):
        return _is_left_open(graph, node.output, row)
    if node.op is Slice and node.attributes["axis"] == -1 and node.attributes["start"] == row.type.shape[-1]:
        return True  # What was appended.
    if not (node.op in MOVES or _grows_from(node, text)):
        return False
    return all(_is_left_open(graph, out, row) for out in node.outputs[: None if node.op in MOVES else 1])


def _is_test(node: Node) -> bool:
    """Whether a node begins `gather(x, argsort(int(x >= 0)))`, which an `extend` makes of a text that one before it grew."""
    order = _only_reader(_only_reader(node, ToInt), Argsort) if node.op is GreaterEqual else None
    final = _only_reader(order, Gather)
    return final is not None and _puts_tokens_last(final, node.inputs[0])


def _puts_tokens_last(node: Node, text: Value) -> bool:
    """Whether a node ends it: the tokens of a text in their order, and its empty places before them."""
    if node.op is not Gather or node.inputs[0] is not text:
        return False
    value = node.inputs[1]
    for op in ORDER:
        if value.producer is None or value.producer.op is not op:
            return False
        value = value.producer.inputs[0]
    return value is text


def _only_reader(node: Node | None, kind: type[Operation]) -> Node | None:
    """The one node that reads what a node gives, if it is of a kind."""
    readers = list(node.output.uses) if node is not None else []
    return readers[0] if len(readers) == 1 and readers[0].op is kind else None
