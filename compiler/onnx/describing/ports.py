"""The inputs, settings and outputs of a graph as a file states them."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from mai.compiler.ir.graph import Graph, Setting, Value
from mai.compiler.ir.structure import NOTHING
from mai.compiler.onnx.describing.absent_tokens import may_be_absent
from mai.compiler.onnx.describing.draw_inputs import OPEN, Range, ranges_of_draws
from mai.runtime.model.manifest import Port


def input_ports(graph: Graph, written: Graph, unlike: Collection[str] = ()) -> list[Port]:
    """What a call gives. `unlike` names inputs of tokens whose places may have none, -1, beside those of which the export asks it.

    What the export asks of its inputs, and which its draws read, is seen in the graph as it is `written`: passes ask other things of them.
    """
    absent = {v.name for v in written.inputs if may_be_absent(v)}.union(unlike)
    drawn = ranges_of_draws(written)
    return [
        port_of(v, v.name, "input", NOTHING if v.name in absent else 0, drawn.get(v.name, OPEN)) for v in graph.inputs
    ]


def port_of(
    value: Value,
    name: str,
    kind: Literal["input", "output"],
    least: int = 0,
    drawn: Range = OPEN,
) -> Port:
    """An input or an output; labels and tokens of an input are at least `least`, and what draws read is in the range `drawn`."""
    classes = value.type.classes
    top = classes if isinstance(classes, int) else None
    bounded = kind == "input" and top is not None
    return Port(
        name=name,
        kind=kind,
        dtype=value.type.dtype.value,
        shape=[s if isinstance(s, int) else str(s) for s in value.type.shape],
        batch=value.type.batched,
        minimum=least if bounded else drawn[0],
        maximum=top - 1 if bounded and top is not None else drawn[1],
        classes=top,
    )


def setting_port(name: str, setting: Setting) -> Port:
    """A setting, with its default and its range."""
    classes = setting.value.type.classes
    return Port(
        name=name,
        kind="setting",
        dtype=setting.value.type.dtype.value,
        default=setting.default,
        minimum=setting.minimum,
        maximum=setting.maximum,
        classes=classes if isinstance(classes, int) else None,
    )
