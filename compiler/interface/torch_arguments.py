"""What a loop in torch hands in, checked in the words of a compiled file, so that nothing is broadcast in silence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mai.compiler.ir.graph import Graph
from mai.compiler.ir.types import DType
from mai.compiler.onnx.describing.limits import never_negative
from mai.compiler.onnx.describing.ports import input_ports, setting_port
from mai.compiler.torch.module import DTYPES
from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.inputs.arguments import as_array, as_values, check_all_there, unknown_name_error, unnamed_value_error
from mai.runtime.inputs.labels import truths_as_labels
from mai.runtime.inputs.shapes import check_shape, check_sizes
from mai.runtime.model.manifest import Port
from mai.spec.diagnostics import Diagnostic, MaiError


class Arguments:
    """What a graph takes: inputs with the batch first, and settings.

    `written` is the graph before passes: which inputs of tokens may have places without one, -1, and what draws read, is seen in it.
    """

    def __init__(self, graph: Graph, written: Graph) -> None:
        self.inputs = {port.name: port for port in input_ports(graph, written)}
        self.settings = {name: setting_port(name, setting) for name, setting in graph.settings.items()}
        self.least = {str(size): 0 for size in never_negative(written)}

    def refuse_unnamed(self, values: Sequence[object]) -> None:
        """Raise `MaiError` where values are given by their places."""
        if values:
            error = unnamed_value_error([*self.inputs, *self.settings])
            raise MaiError([Diagnostic(error.slug, None, error.message, help=error.help)])

    def tensors(self, values: Mapping[str, object], device: torch.device) -> list[Tensor]:
        """Tensors in the order of the inputs and the settings, of which those that are left out have their defaults.

        Raises:
            MaiError: a name, a shape, a batch, a label or a setting is not as the spec says.
        """
        try:
            return self._tensors(values, device)
        except ModelError as error:
            raise MaiError([Diagnostic(error.slug, None, error.message, help=error.help)]) from error

    def _tensors(self, values: Mapping[str, object], device: torch.device) -> list[Tensor]:
        ports = self.inputs | self.settings
        for name in values:
            if name not in ports:
                raise unknown_name_error(name, [*ports])
        check_all_there(self.inputs, self.settings, values)
        defaults = {name: port.default for name, port in self.settings.items()}
        tensors = {name: _tensor(port, (defaults | dict(values))[name], device) for name, port in ports.items()}
        shapes = {name: tuple(tensors[name].shape) for name in self.inputs}
        numbers = {name: tensors[name] for name in self.settings}
        check_sizes(self.inputs, shapes, self.least, numbers=numbers, repeats=False)
        return [*tensors.values()]


def _tensor(port: Port, value: Any, device: torch.device) -> Tensor:
    """A value as a tensor of the port's type, through which gradients flow where it was one."""
    dtype = DTYPES[DType(port.dtype)]
    if not isinstance(value, Tensor):
        checked = _checked(port, as_array(port, value))
        tensor = torch.as_tensor(np.ascontiguousarray(checked).reshape(checked.shape), dtype=dtype, device=device)
    else:
        if port.kind == "setting" or not dtype.is_floating_point or value.is_complex():
            _checked(port, _numbers(value))
        tensor = torch.as_tensor(value, dtype=dtype, device=device)
    if port.kind == "input":
        check_shape(port, tuple(tensor.shape))
    return tensor


def _checked(port: Port, array: Array) -> Array:
    return as_values(port, np.asarray(truths_as_labels(port, (), array)))


def _numbers(value: Tensor) -> Array:
    numbers: Array = (value.double() if value.is_floating_point() else value).detach().cpu().numpy()
    return numbers
