"""A graph whose patterns are bound to a tokenizer: each has the table that they make together."""

from __future__ import annotations

from mai.compiler.constraints.tables import bound
from mai.compiler.ir.graph import Graph, Node
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ops.texts.constraint import Follows, IsWhole, Walk
from mai.compiler.ops.texts.token_tables import TABLES

READERS = (Walk, Follows, IsWhole)


def bind_patterns(graph: Graph, tokenizer: str | None) -> Graph:
    """The graph with the tables of its patterns, for a tokenizer as a manifest states it. Raises `MaiError`."""

    def rule(copier: Copier, node: Node) -> bool:
        if not _is_open(node):
            return False
        inputs = [copier[v] for v in node.inputs]
        attributes = {**node.attributes, "table": bound(node.attributes["table"], tokenizer)}
        copier.bind(node, copier.builder.emit(node.op, *inputs, name=node.output.name, **attributes))
        return True

    return copy_graph(graph, rule) if any(map(_is_open, graph.walk())) else graph


def _is_open(node: Node) -> bool:
    return node.op in READERS and node.attributes["table"] not in TABLES
