"""The ranges that convolutions of whole numbers need, seen on a run of the float32 graph: on held-out data, or on an export's own trials.

A trial's images are drawn: half of them pixel by pixel, as a sampler begins, half with a spectrum of 1 / f, as photographs
have it (Field, "Relations between the statistics of natural images and the response properties of cortical cells", 1987). What an
export draws itself is as it will be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import count

import numpy as np
import onnx_ir as ir

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.ir.graph import Graph
from mai.compiler.onnx.comparing.opened import opened
from mai.compiler.onnx.comparing.trial import Trial, run_trial, trial
from mai.compiler.onnx.lowering.build import build
from mai.compiler.onnx.precision.merged import merge
from mai.compiler.onnx.precision.ranges import Range, read_ranges, watch
from mai.compiler.onnx.prepared import Prepared
from mai.runtime.arrays import Array

EXAMPLES = 16
LEAST_AXIS = 4  # Pixels along an axis of the smallest image.


def calibrated(prepared: Prepared, trained: Trained, options: CompileOptions) -> Trained:
    """The same with the ranges of all convolutions that an export computes in whole numbers, and of no others.

    Those that held-out data have told stay; others are seen on a trial of the export.
    """
    layout = prepared.coarse(options.bits)
    if layout is None or not layout.convolves:
        return replace(trained, ranges={})
    model, keys = _watched(prepared.optimised, trained.weights, options.opset)
    ranges = {key: trained.ranges[key] for key in keys if key in trained.ranges}
    if len(ranges) < len(set(keys)):
        tried = _with_images(trial(prepared.plain, EXAMPLES, least=prepared.smallest()), prepared.plain)
        *_, seen = run_trial(opened(model), prepared.plain, tried)
        ranges = read_ranges(keys, seen) | ranges
    return replace(trained, ranges=ranges)


def ranges_and_results(
    graph: Graph, weights: Mapping[str, Array], fields: Mapping[str, Array], opset: int
) -> tuple[dict[str, Range], list[Array]]:
    """What a graph without few bits computes of some inputs, and the ranges of its convolutions meanwhile."""
    model, keys = _watched(graph, weights, opset)
    session = opened(model)
    inputs = {i.name for i in [*session.get_inputs(), *session.get_overridable_initializers()]}
    results: list[Array] = session.run(None, {name: array for name, array in fields.items() if name in inputs})
    return (read_ranges(keys, results.pop()), results) if keys else ({}, results)


def _watched(graph: Graph, weights: Mapping[str, Array], opset: int) -> tuple[ir.Model, list[str]]:
    """The model of a graph, its convolutions as they are before they become whole numbers, and of which it tells ranges."""
    model, names = build(graph, weights, CompileOptions(opset=opset)), count()
    merge(model.graph, names)
    return model, watch(model, names)


def _with_images(tried: Trial, graph: Graph) -> Trial:
    """A trial in which every second example of an image has a spectrum of 1 / f."""
    inputs = dict(tried.inputs)
    for value in graph.inputs:
        x = inputs[value.name]
        if x.dtype == np.float32 and x.ndim > 2 and min(x.shape[2:]) >= LEAST_AXIS:
            inputs[value.name] = np.where(_every_second(x), _smooth(x), x)
    return replace(tried, inputs=inputs)


def _every_second(x: Array) -> Array:
    place: Array = (np.arange(len(x)) % 2 == 1).reshape(-1, *(1 for _ in x.shape[1:]))
    return place


def _smooth(x: Array) -> Array:
    """Images [N, k, *sizes] with each frequency divided by itself, and of the deviation that they had."""
    axes = tuple(range(2, x.ndim))
    squares = np.zeros(x.shape[2:])
    for grid in np.meshgrid(*(np.fft.fftfreq(n) * n for n in x.shape[2:]), indexing="ij"):
        squares += grid**2
    smooth = np.fft.ifftn(np.fft.fftn(x, axes=axes) / np.sqrt(np.maximum(squares, 1)), axes=axes).real
    scaled: Array = (smooth * (x.std() / max(float(smooth.std()), 1e-12))).astype(np.float32)
    return scaled
