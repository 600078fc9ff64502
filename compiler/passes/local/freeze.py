"""Sizes that are known after all: settings that count turns as constants, so that a loop can be written out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from mai.compiler.ir.graph import Graph, Node
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ir.sizes import Dim, Size, substitute
from mai.compiler.ir.structure import SizeOf
from mai.compiler.ir.types import Axis, Type


def freeze(graph: Graph) -> Graph:
    """No size is a setting's, but for the batch: each has its default, and the setting is gone."""
    frozen: dict[str, Size] = {
        name: int(s.default)
        for name, s in graph.settings.items()
        if name != "batch" and graph.sizes.get(name) is s.value
    }
    without_settings = with_sizes(graph, frozen)
    for name in frozen:
        del without_settings.settings[name], without_settings.sizes[name]
    return without_settings


def with_sizes(graph: Graph, sizes: Mapping[str, Size]) -> Graph:
    """A copy of a graph with other sizes in the place of some, by their names; its inputs keep their types."""

    def rule(copier: Copier, node: Node) -> bool:
        node.attributes = {k: _with_sizes_in(v, sizes) for k, v in node.attributes.items()}
        if node.structure is not None:
            node.structure = replace(node.structure, **{k: _with_sizes_in(v, sizes) for k, v in node.structure.items()})
        if node.op is SizeOf and isinstance(size := SizeOf.of(node).size, int):
            copier.bind(node, copier.builder.constant(size))
            return True
        return False

    copied = copy_graph(graph)
    for node in copied.walk():
        for value in (*node.outputs, *(v for r in node.regions for v in r.inputs)):
            value.type = _with_sizes(value.type, sizes)
    return copy_graph(copied, rule)


def _with_sizes(type: Type, sizes: Mapping[str, Size]) -> Type:
    lead = tuple(_axis_with_sizes(axis, sizes) for axis in type.lead)
    return replace(type, shape=tuple(substitute(s, sizes) for s in type.shape), lead=lead)


def _axis_with_sizes(axis: Axis, sizes: Mapping[str, Size]) -> Axis:
    return replace(axis, size=substitute(axis.size, sizes))


def _with_sizes_in(value: object, sizes: Mapping[str, Size]) -> object:
    if isinstance(value, Dim):
        return substitute(value, sizes)
    if isinstance(value, Axis):
        return _axis_with_sizes(value, sizes)
    return tuple(_with_sizes_in(v, sizes) for v in value) if isinstance(value, tuple) else value
