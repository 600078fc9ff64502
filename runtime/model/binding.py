"""Runs whose values stay on the device: what one turn hands to the next, and graphs that CUDA captures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import numpy as np
import onnxruntime as ort
from mai.runtime.arrays import Array

from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import Manifest, Port

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
GRAPHS = {"enable_cuda_graph": "1"}  # An option of the provider.
GRAPH_OF_RUN = "gpu_graph_id"  # An option of a run: which of the graphs that were captured.


def device_of(session: ort.InferenceSession) -> str:
    """Where a session's values live: "cuda" or "cpu"."""
    return "cuda" if CUDA in session.get_providers() else "cpu"


def value_of(array: Array, device: str = "cpu") -> ort.OrtValue:
    """An array as the runtime's own value; a scalar stays one."""
    return ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(array) if array.ndim else array, device, 0)


def run_bound(
    session: ort.InferenceSession, feed: Mapping[str, ort.OrtValue], outputs: Mapping[str, str]
) -> list[ort.OrtValue]:
    """Run a session; each of `outputs`, by name, is left on the device that it is given, in the order given."""
    binding = session.io_binding()
    for name, value in feed.items():
        binding.bind_ortvalue_input(name, value)
    for name, device in outputs.items():
        binding.bind_output(name, device)
    session.run_with_iobinding(binding)
    made: list[ort.OrtValue] = list(binding.get_outputs())
    return made


class Captured:
    """Runs of a flat file as CUDA graphs: one launch for all of its kernels.

    A graph has fixed addresses and shapes, so every batch size has its own inputs and outputs on the device, and its own
    graph, which CUDA captures as it is first called. Calls take turns.
    """

    def __init__(self, session: ort.InferenceSession, manifest: Manifest, device: str = "cuda") -> None:
        self._session, self._device = session, device
        self._outputs = {p.name: p for p in manifest.outputs}
        self._inputs = {p.name for p in manifest.inputs if p.batch}
        self._held: dict[Any, tuple[ort.IOBinding, dict[str, ort.OrtValue], list[ort.OrtValue]]] = {}
        self._turn = Lock()

    def __call__(self, feed: Mapping[str, Array]) -> list[Array]:
        """The outputs, in the order of the file."""
        with self._turn:
            key = tuple((name, array.shape, array.dtype.str) for name, array in sorted(feed.items()))
            if key not in self._held:
                self._held[key] = self._bound(feed)
            binding, inputs, outputs = self._held[key]
            for name, array in feed.items():
                inputs[name].update_inplace(np.ascontiguousarray(array) if array.ndim else array)
            options = ort.RunOptions()
            options.add_run_config_entry(GRAPH_OF_RUN, str(1 + list(self._held).index(key)))
            self._session.run_with_iobinding(binding, options)
            return [value.numpy() for value in outputs]

    def _bound(self, feed: Mapping[str, Array]) -> tuple[ort.IOBinding, dict[str, ort.OrtValue], list[ort.OrtValue]]:
        batch = next((len(array) for name, array in feed.items() if name in self._inputs), None)
        inputs = {name: value_of(array, self._device) for name, array in feed.items()}
        shapes = [_shape(port, batch) for port in self._outputs.values()]
        outputs = [
            ort.OrtValue.ortvalue_from_shape_and_type(shape, np.dtype(port.dtype), self._device, 0)
            for shape, port in zip(shapes, self._outputs.values(), strict=True)
        ]
        binding = self._session.io_binding()
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value)
        for name, value in zip(self._outputs, outputs, strict=True):
            binding.bind_ortvalue_output(name, value)
        return binding, inputs, outputs


def check_capturable(name: str, manifest: Manifest) -> None:
    """Raise `cuda-graph` where a file's work is not the same kernels on the device at every call."""
    reasons = {
        "it has loops, whose turns the host counts": not manifest.unrolled,
        "its draws are whole numbers, which CUDA has no kernels for": manifest.draws,
        "the size of a result is known only as it runs": any(
            isinstance(s, str) for p in manifest.outputs for s in p.shape
        ),
        "it takes no batch": not any(p.batch for p in manifest.inputs),
    }
    for reason, holds in reasons.items():
        if holds:
            help = "`mai compile --unroll` makes a flat file" if not manifest.unrolled else "leave out `cuda_graph`"
            raise ModelError("cuda-graph", f"{name} cannot be one CUDA graph: {reason}", help)


def cuda_options(providers: Sequence[Any]) -> list[Any]:
    """The providers, CUDA's with graphs."""
    made: list[Any] = []
    for provider in providers:
        name, options = provider if isinstance(provider, tuple) else (provider, {})
        made.append((name, {**options, **GRAPHS}) if name == CUDA else provider)
    if not any(isinstance(p, tuple) and p[0] == CUDA for p in made):
        raise ModelError("cuda-graph", "there is no CUDA here to capture a graph", "leave out `cuda_graph`")
    return made


def _shape(port: Port, batch: int | None) -> list[int]:
    sizes = [s for s in port.shape if isinstance(s, int)]
    return [batch, *sizes] if port.batch and batch is not None else sizes
