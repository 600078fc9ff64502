"""The inputs, settings and outputs of a graph as a file states them."""

from __future__ import annotations

from typing import Literal

from mai.compiler.ir.graph import Setting, Value
from mai.runtime.model.manifest import Port


def port_of(value: Value, name: str, kind: Literal["input", "output"], least: int = 0) -> Port:
    """An input or an output; labels and tokens of an input are at least `least`."""
    classes = value.type.classes
    top = classes if isinstance(classes, int) else None
    bounded = kind == "input" and top is not None
    return Port(
        name=name,
        kind=kind,
        dtype=value.type.dtype.value,
        shape=[s if isinstance(s, int) else str(s) for s in value.type.shape],
        batch=value.type.batched,
        minimum=least if bounded else None,
        maximum=top - 1 if bounded and top is not None else None,
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
