"""Settings that count turns as constants, so that a loop can be written out."""

from __future__ import annotations

from dataclasses import replace

from mai.compiler.ir.graph import Graph, Node
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ir.sizes import Dim, Size, substitute
from mai.compiler.ir.structure import SizeOf
from mai.compiler.ir.types import Axis, Type


def freeze(graph: Graph) -> Graph:
    """No size is a setting's, but for the batch: each has its default, and the setting is gone."""
    frozen = {
        name: int(s.default)
        for name, s in graph.settings.items()
        if name != "batch" and graph.sizes.get(name) is s.value
    }

    def rule(copier: Copier, node: Node) -> bool:
        node.attributes = {k: _known(v, frozen) for k, v in node.attributes.items()}
        if node.structure is not None:
            node.structure = replace(node.structure, **{k: _known(v, frozen) for k, v in node.structure.items()})
        if node.op is SizeOf and isinstance(size := SizeOf.of(node).size, int):
            copier.bind(node, copier.builder.constant(size))
            return True
        return False

    copied = copy_graph(graph)
    for node in copied.walk():
        for value in (*node.outputs, *(v for r in node.regions for v in r.inputs)):
            value.type = _frozen_type(value.type, frozen)
    without_settings = copy_graph(copied, rule)
    for name in frozen:
        del without_settings.settings[name], without_settings.sizes[name]
    return without_settings


def _frozen_type(type: Type, frozen: dict[str, int]) -> Type:
    sizes: dict[str, Size] = dict(frozen)
    lead = tuple(_frozen_axis(axis, frozen) for axis in type.lead)
    return replace(type, shape=tuple(substitute(s, sizes) for s in type.shape), lead=lead)


def _frozen_axis(axis: Axis, frozen: dict[str, int]) -> Axis:
    return replace(axis, size=substitute(axis.size, dict(frozen)))


def _known(value: object, frozen: dict[str, int]) -> object:
    if isinstance(value, Dim):
        return substitute(value, dict(frozen))
    if isinstance(value, Axis):
        return _frozen_axis(value, frozen)
    return tuple(_known(v, frozen) for v in value) if isinstance(value, tuple) else value
