"""What weights in few bits cost: measured, said, and refused where it is too much."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.precision.ranges import joined
from mai.compiler.onnx.prepared import Preparations
from mai.compiler.training.unseen.calibration import calibrate
from mai.compiler.training.unseen.evaluation import Change, loss_changes
from mai.compiler.training.unseen.next_tokens import text_changes
from mai.runtime.show.terminal import echo
from mai.spec.diagnostics import Diagnostic, MaiError


def calibrated(exports: Preparations, trained: Trained, until: ExitStack) -> Trained:
    """The same with the moments by which codes are chosen, on the files that the options name; they are kept `until` it is closed. Raises `MaiError`."""
    if not exports.options.calibrate:
        return trained
    folder = until.enter_context(TemporaryDirectory(prefix="mai-", ignore_cleanup_errors=True))
    moments = calibrate(exports, trained, Path(folder))
    echo(f"{exports.options.quantize}: codes are chosen by what {len(moments)} products read", err=True)
    return replace(trained, moments=moments)


def measured(exports: Preparations, trained: Trained) -> Trained:
    """The same with what few bits add to the loss on held-out data, as a share of it, of several train blocks the most.

    Nothing is added if the spec says no loss that ONNX can compute. With it come the ranges of convolutions on these data.

    Raises:
        MaiError: `quantize-loss`: it is more than the options allow.
    """
    kind, limit = exports.options.quantize, exports.options.quantize_limit
    changes = loss_changes(exports, trained) or text_changes(exports, trained)
    if not changes:
        name = exports.program.name
        echo(f"{kind}: {name} says no loss that ONNX can compute, so what it costs is not measured", err=True)
        return trained
    for change in changes:
        if not change.relative <= limit:
            message = f"{kind} costs too much: {_said(change)}, {limit:.2%} is allowed"
            help = "--quantize int8, or a larger --quantize-limit"
            raise MaiError([Diagnostic("quantize-loss", None, message, help=help)])
        echo(f"{kind}: {_said(change)}{_agreement(change)}", err=True)
    ranges = reduce(joined, (change.ranges for change in changes))
    return replace(trained, loss_change=max(change.relative for change in changes), ranges=ranges)


def _agreement(change: Change) -> str:
    return "" if change.same is None else f", {change.same:.1%} of the likeliest next tokens stay"


def _said(change: Change) -> str:
    of = f" of `{change.block}`" if change.block else ""
    return f"the loss{of} on held-out data goes from {change.before:.4g} to {change.after:.4g} ({change.relative:+.2%})"
