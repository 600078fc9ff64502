"""The inputs and outputs of a model: those of the program, and its settings as initializers that a host may override."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from mai.compiler.ir.graph import Value

if TYPE_CHECKING:
    from mai.compiler.onnx.lowering.interpreter import OnnxInterpreter

Number = bool | int | float


def declare_inputs(walk: OnnxInterpreter) -> None:
    """The inputs, one an example, then the settings; the names of the outputs are taken."""
    for value in walk.graph.inputs:
        walk.values[value] = walk.typed(value)
        walk.op.root.inputs.append(walk.values[value])
    for name, setting in walk.graph.settings.items():
        declare_setting(walk, setting.value, name, None if walk.options.required else setting.default)
    for name in walk.graph.output_names:
        walk.op.name(name)  # No value inside may have it.


def declare_setting(walk: OnnxInterpreter, value: Value, name: str, default: Number | None) -> ir.Value:
    """An input of which there is one a call; it has a default unless that is None."""
    setting = walk.typed(value, walk.op.name(name))
    if default is not None:
        numbers = np.array(default, walk.known_values.dtypes[value.type.dtype])
        setting.const_value = ir.Tensor(numbers, name=name)
        walk.op.root.register_initializer(setting)
    walk.values[value] = setting
    walk.op.root.inputs.append(setting)
    return setting


def declare_outputs(walk: OnnxInterpreter, results: Iterable[ir.Value]) -> None:
    """What leaves the model, under the names of the program's outputs."""
    for name, value, result in zip(walk.graph.output_names, walk.graph.outputs, results, strict=True):
        output = walk.op.Identity(result)
        output.name = name
        walk.op.set_type(output, value.type)
        walk.op.root.outputs.append(output)
