"""What few bits cost: the losses of train blocks on held-out data, by the ONNX graph with whole weights and with coarse ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.comparing.opened import opened
from mai.compiler.onnx.lowering.build import build
from mai.compiler.onnx.prepared import Preparations
from mai.compiler.ops.losses.matching import Matching
from mai.compiler.passes import forms
from mai.compiler.program import Training
from mai.compiler.training.unseen.held_out import held_out

MOST = 64  # Examples: enough for a loss to two digits.


@dataclass(frozen=True, slots=True)
class Change:
    """The first objective of a train block on held-out data before and after; `block` is its name, if it has one."""

    block: str | None
    before: float
    after: float

    @property
    def relative(self) -> float:
        """The change relative to the loss before it."""
        return (self.after - self.before) / max(abs(self.before), 1e-12)


def loss_changes(exports: Preparations, trained: Trained) -> list[Change]:
    """How the losses of a program change when weights are kept in few bits: of every train block whose loss ONNX can compute.

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
    assert options.bits is not None
    fields = held_out(program, training, trained.labels, options.held_out)(MOST) or {"batch": np.array(MOST)}
    graph = forms.optimise(forms.select(forms.prepare(training.evaluation), [training.objectives[0].output]))
    if any(node.op is Matching for node in graph.walk()):
        return None
    losses = []
    whole = CompileOptions(opset=options.opset)
    for coarse in (None, exports.coarse(options.bits)):
        session = opened(build(graph, trained.weights, whole, coarse=coarse))
        inputs = {i.name for i in [*session.get_inputs(), *session.get_overridable_initializers()]}
        (loss,) = session.run(None, {name: array for name, array in fields.items() if name in inputs})
        losses.append(float(np.mean(loss)))
    return Change(training.name, *losses)
