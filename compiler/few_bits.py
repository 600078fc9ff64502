"""What weights in few bits cost: measured, said, and refused where it is too much."""

from __future__ import annotations

from dataclasses import replace
from functools import reduce

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.precision.ranges import joined
from mai.compiler.onnx.prepared import Preparations
from mai.compiler.training.unseen.evaluation import Change, loss_changes
from mai.runtime.show.terminal import echo
from mai.spec.diagnostics import Diagnostic, MaiError


def measured(exports: Preparations, trained: Trained) -> Trained:
    """The same with what few bits add to the loss on held-out data, as a share of it, of several train blocks the most.

    Nothing is added if the spec says no loss that ONNX can compute. With it come the ranges of convolutions on these data.

    Raises:
        MaiError: `quantize-loss`: it is more than the options allow.
    """
    kind, limit = exports.options.quantize, exports.options.quantize_limit
    changes = loss_changes(exports, trained)
    if not changes:
        name = exports.program.name
        echo(f"{kind}: {name} says no loss that ONNX can compute, so what it costs is not measured", err=True)
        return trained
    for change in changes:
        if not change.relative <= limit:
            message = f"{kind} costs too much: {_said(change)}, {limit:.2%} is allowed"
            help = "--quantize int8, or a larger --quantize-limit"
            raise MaiError([Diagnostic("quantize-loss", None, message, help=help)])
        echo(f"{kind}: {_said(change)}", err=True)
    ranges = reduce(joined, (change.ranges for change in changes))
    return replace(trained, loss_change=max(change.relative for change in changes), ranges=ranges)


def _said(change: Change) -> str:
    of = f" of `{change.block}`" if change.block else ""
    return f"the loss{of} on held-out data goes from {change.before:.4g} to {change.after:.4g} ({change.relative:+.2%})"
