"""What fewer bits cost: the losses of train blocks on held-out data, by the ONNX graph in float32 and with coarse weights, or in 16 bits."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import onnx_ir as ir

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.ir.graph import Graph
from mai.compiler.onnx.calibrate import ranges_and_results
from mai.compiler.onnx.comparing.opened import opened
from mai.compiler.onnx.lowering.build import build
from mai.compiler.onnx.precision.ranges import Ranges
from mai.compiler.onnx.prepared import Preparations
from mai.compiler.ops.losses.matching import Matching
from mai.compiler.passes import forms
from mai.compiler.program import Training
from mai.compiler.training.unseen.held_out import held_out

MOST = 64  # Examples: enough for a loss to two digits.


@dataclass(frozen=True, slots=True)
class Change:
    """The first objective of a train block on held-out data before and after; `block` is its name, if it has one.

    `ranges` are those of the convolutions in it, with whole weights; `same` is the share of tokens whose likeliest successor stays.
    """

    block: str | None
    before: float
    after: float
    ranges: Ranges = field(default_factory=dict, compare=False)
    same: float | None = None

    @property
    def relative(self) -> float:
        """The change relative to the loss before it."""
        return (self.after - self.before) / max(abs(self.before), 1e-12)


def loss_changes(exports: Preparations, trained: Trained) -> list[Change]:
    """How the losses of a program change when weights are kept in few bits, or in 16: of every train block whose loss ONNX can compute.

    Products are made in the form that they have in the program's exports: a flow's loss evaluates its velocity once, with the
    products of whole numbers that are made at each of the export's steps.

    Raises:
        MaiError: the data cannot be read.
    """
    changes = (_change(exports, trained, training) for training in exports.program.trainings)
    return [change for change in changes if change is not None]


def _change(exports: Preparations, trained: Trained, training: Training) -> Change | None:
    """How the loss of one train block changes; None where it is none for ONNX."""
    program, options = exports.program, exports.options
    fields = held_out(program, training, trained.labels, options.held_out)(MOST) or {"batch": np.array(MOST)}
    graph = forms.optimise(forms.select(forms.prepare(training.evaluation), [training.objectives[0].output]))
    if any(node.op is Matching for node in graph.walk()):
        return None
    ranges, (before,) = ranges_and_results(graph, trained.weights, fields, options.opset)
    session = opened(_with_fewer_bits(exports, trained, graph, ranges))
    inputs = {i.name for i in [*session.get_inputs(), *session.get_overridable_initializers()]}
    (after,) = session.run(None, {name: array for name, array in fields.items() if name in inputs})
    return Change(training.name, float(np.mean(before)), float(np.mean(after)), ranges)


def _with_fewer_bits(exports: Preparations, trained: Trained, graph: Graph, ranges: Ranges) -> ir.Model:
    """A loss as the exports compute theirs; 16 bits as float32 with every value rounded, since a CPU leaves roundings out."""
    options = exports.options
    if options.bits is None:
        narrow = CompileOptions(opset=options.opset, precision=options.precision)
        return build(graph, trained.weights, narrow, rounded=True)
    coarse = exports.coarse(options.bits)
    coarse = replace(coarse, ranges=ranges if coarse.convolves else {}, moments=trained.moments, wide=trained.wide)
    return build(graph, trained.weights, CompileOptions(opset=options.opset), coarse=coarse)
