"""What few bits cost a model of texts that has no train block: the loss of the next token, on the end of the text that calibrates it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnxruntime as ort

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.ir.structure import Extend
from mai.compiler.onnx.comparing.opened import opened
from mai.compiler.onnx.lowering.build import build
from mai.compiler.onnx.prepared import Preparations
from mai.compiler.training.unseen.calibration import Pieces, pieces_of
from mai.compiler.training.unseen.evaluation import Change
from mai.runtime.arrays import Array


def text_changes(exports: Preparations, trained: Trained) -> list[Change]:
    """How the loss changes, where a text calibrates and the export that reads it gives a logit for each token that may be next."""
    options, program = exports.options, exports.program
    if not options.calibrate or program.trainings or not continues_texts(exports):
        return []
    pieces = pieces_of(exports, trained)
    if not _gives_logits(pieces):
        return []
    assert options.bits is not None
    coarse = replace(exports.coarse(options.bits), moments=trained.moments, wide=trained.wide)
    plain = CompileOptions(opset=options.opset)
    before, chosen = _run(opened(build(pieces.graph, trained.weights, plain)), pieces)
    after, again = _run(opened(build(pieces.graph, trained.weights, plain, coarse=coarse)), pieces)
    return [Change(None, before, after, same=float(np.mean(chosen == again)))]


def continues_texts(exports: Preparations) -> bool:
    """Whether an export extends a text."""
    return any(node.op is Extend for graph in exports.program.exports.values() for node in graph.walk())


def _gives_logits(pieces: Pieces) -> bool:
    """Whether the first result is [P, vocab], of a text [P] of tokens of that vocabulary."""
    result, text = pieces.graph.outputs[0].type, pieces.graph.inputs[0].type
    return result.shape == (*text.shape, text.classes)


def _run(session: ort.InferenceSession, pieces: Pieces) -> tuple[float, Array]:
    """The mean negative log-likelihood of a token, given those before, and the likeliest tokens [n, TOKENS - 1]."""
    losses, likeliest = [], []
    for piece in pieces.held_out:
        z = session.run(None, {pieces.port: piece[None]})[0][0, :-1].astype(np.float64)
        high = z.max(-1, keepdims=True)
        norms = np.log(np.exp(z - high).sum(-1)) + high[:, 0]
        losses.append(norms - np.take_along_axis(z, piece[1:, None], -1)[:, 0])
        likeliest.append(z.argmax(-1))
    return float(np.mean(losses)), np.stack(likeliest)
