"""Runs whose values stay on the device: what one turn hands to the next, and graphs that CUDA captures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import NamedTuple

import numpy as np
import onnxruntime as ort

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.model.manifest import Manifest, Port
from mai.runtime.model.session import CUDA, Provider

GRAPHS: dict[str, object] = {"enable_cuda_graph": "1"}  # An option of the provider.
GRAPH_OF_RUN = "gpu_graph_id"  # An option of a run: which of the graphs that were captured.


def device_of(session: ort.InferenceSession) -> str:
    """Where a session's values live: "cuda" or "cpu"."""
    return "cuda" if CUDA in session.get_providers() else "cpu"


def to_ort_value(array: Array, device: str = "cpu") -> ort.OrtValue:
    """An array, of any shape, as ONNX Runtime's own value on a device ("cpu" or "cuda").

    A scalar keeps its shape []: `np.ascontiguousarray` alone would make it [1].
    """
    return ort.OrtValue.ortvalue_from_numpy(_contiguous(array), device, 0)


def run_bound(
    session: ort.InferenceSession,
    feed: Mapping[str, ort.OrtValue],
    outputs: Mapping[str, str],
    options: ort.RunOptions | None = None,
) -> list[ort.OrtValue]:
    """Run a session on values that may lie on a device.

    Args:
        feed: the inputs by name.
        outputs: for each wanted output, by name, the device that it is left on.
        options: of the run, by which it can be ended.

    Returns:
        The outputs, in the order of `outputs`.
    """
    binding = session.io_binding()
    for name, value in feed.items():
        binding.bind_ortvalue_input(name, value)
    for name, device in outputs.items():
        binding.bind_output(name, device)
    session.run_with_iobinding(binding, options)
    results: list[ort.OrtValue] = list(binding.get_outputs())
    return results


class Buffers(NamedTuple):
    """The fixed inputs and outputs of one captured graph."""

    binding: ort.IOBinding
    inputs: dict[str, ort.OrtValue]
    outputs: list[ort.OrtValue]


Signature = tuple[tuple[str, tuple[int, ...], str], ...]  # Name, shape and dtype of every input.


class CapturedRuns:
    """Runs of a flat file as CUDA graphs: one launch for all of its kernels.

    A graph has fixed addresses and shapes, so every batch size has its own inputs and outputs on the device, and its own
    graph, which CUDA captures as it is first called. Calls take turns.
    """

    def __init__(self, session: ort.InferenceSession, manifest: Manifest, device: str = "cuda") -> None:
        self._session, self._device = session, device
        self._outputs = {p.name: p for p in manifest.outputs}
        self._batched_inputs = {p.name for p in manifest.inputs if p.batch}
        self._buffers: dict[Signature, Buffers] = {}
        self._turn = Lock()

    def __call__(self, feed: Mapping[str, Array]) -> list[Array]:
        """The outputs for inputs by name, in the order of the file."""
        with self._turn:
            signature = tuple((name, array.shape, array.dtype.str) for name, array in sorted(feed.items()))
            if signature not in self._buffers:
                self._buffers[signature] = self._allocate(feed)
            buffers = self._buffers[signature]
            for name, array in feed.items():
                buffers.inputs[name].update_inplace(_contiguous(array))
            options = ort.RunOptions()
            options.add_run_config_entry(GRAPH_OF_RUN, str(1 + list(self._buffers).index(signature)))
            self._session.run_with_iobinding(buffers.binding, options)
            return [value.numpy() for value in buffers.outputs]

    @property
    def sizes(self) -> int:
        """How many graphs there are: one for each set of input shapes that was called."""
        return len(self._buffers)

    def _allocate(self, feed: Mapping[str, Array]) -> Buffers:
        batch = next((len(array) for name, array in feed.items() if name in self._batched_inputs), None)
        inputs = {name: to_ort_value(array, self._device) for name, array in feed.items()}
        outputs = [
            ort.OrtValue.ortvalue_from_shape_and_type(_shape(port, batch), np.dtype(port.dtype), self._device, 0)
            for port in self._outputs.values()
        ]
        binding = self._session.io_binding()
        for name, value in inputs.items():
            binding.bind_ortvalue_input(name, value)
        for name, value in zip(self._outputs, outputs, strict=True):
            binding.bind_ortvalue_output(name, value)
        return Buffers(binding, inputs, outputs)


def check_capturable(name: str, manifest: Manifest) -> None:
    """Check that every call of a file runs the same kernels on the device, which is what a CUDA graph needs.

    Raises:
        ModelError: `cuda-graph`: it has loops, draws, results of unknown size, or no batch.
    """
    reasons = {
        "it has loops, whose turns the host counts": not manifest.unrolled,
        "its draws are of whole numbers that CUDA has no kernels for": manifest.draws and not manifest.cuda,
        "the size of a result is known only as it runs": any(
            isinstance(s, str) for p in manifest.outputs for s in p.shape
        ),
        "it takes no batch": not any(p.batch for p in manifest.inputs),
    }
    for reason, holds in reasons.items():
        if holds:
            help = "`mai compile --unroll` makes a flat file" if not manifest.unrolled else "leave out `cuda_graph`"
            raise ModelError("cuda-graph", f"{name} cannot be one CUDA graph: {reason}", help)


def with_cuda_graphs(providers: Sequence[Provider]) -> list[Provider]:
    """The same providers, CUDA's with the option to capture graphs.

    Raises:
        ModelError: `cuda-graph`: CUDA is not among them.
    """
    changed: list[Provider] = []
    for provider in providers:
        name, options = (provider, {}) if isinstance(provider, str) else provider
        changed.append((name, {**options, **GRAPHS}) if name == CUDA else provider)
    if not any(isinstance(p, tuple) and p[0] == CUDA for p in changed):
        raise ModelError("cuda-graph", "there is no CUDA here to capture a graph", "leave out `cuda_graph`")
    return changed


def _contiguous(array: Array) -> Array:
    return np.ascontiguousarray(array) if array.ndim else array


def _shape(port: Port, batch: int | None) -> list[int]:
    sizes = [s for s in port.shape if isinstance(s, int)]
    return [batch, *sizes] if port.batch and batch is not None else sizes
