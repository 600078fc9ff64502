"""What weights in few bits cost: measured, said, and refused where it is too much; of 16 bits, said where it is much."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.comparing.gate import WIDER
from mai.compiler.onnx.precision.products import weights_read
from mai.compiler.onnx.precision.ranges import joined
from mai.compiler.onnx.prepared import Preparations
from mai.compiler.ops.shapes.indexing import Take
from mai.compiler.training.unseen.calibration import calibrate
from mai.compiler.training.unseen.evaluation import Change, loss_changes
from mai.compiler.training.unseen.next_tokens import continues_texts, text_changes
from mai.compiler.training.unseen.widening import widened
from mai.runtime.show.terminal import echo
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.diagnostics.render import render

NAMED = 4  # Of the matrices that stay in 8 bits.


def calibrated(exports: Preparations, trained: Trained, until: ExitStack) -> Trained:
    """The same with the moments by which codes are chosen, on the files that the options name.

    They lie in a folder that is there `until` it is closed. Raises what `calibrate` does.
    """
    if not exports.options.calibrate:
        return trained
    folder = until.enter_context(TemporaryDirectory(prefix="mai-", ignore_cleanup_errors=True))
    moments = calibrate(exports, trained, Path(folder))
    echo(f"{exports.options.quantize}: codes are chosen by what {len(moments)} products read", err=True)
    return replace(trained, moments=moments)


def measured(exports: Preparations, trained: Trained) -> Trained:
    """The same with what few bits add to the loss on held-out data, as a share of it, of several train blocks the most.

    Where codes of 4 bits are calibrated and cost more than the options allow, some matrices get 8 (`widening.py`). Nothing is added if the
    spec says no loss that ONNX can compute. With it come the ranges of convolutions on these data.

    Raises:
        MaiError: `quantize-loss`: it is more than the options allow.
    """
    kind, limit = exports.options.quantize, exports.options.quantize_limit
    changes = _changes(exports, trained)
    if trained.moments and kind == "int4" and not _worst(changes) <= limit:
        trained = widened(trained, _tables(exports), lambda tried: _worst(_changes(exports, tried)), limit)
        echo(f"{kind}: {_kept_wide(trained)}", err=True)
        changes = _changes(exports, trained)
    if not changes:
        name = exports.program.name
        echo(
            f"{kind}: {name} says no loss that ONNX can compute, so what it costs is not measured{_help(exports)}",
            err=True,
        )
        return trained
    for change in changes:
        if not change.relative <= limit:
            raise MaiError([_too_much(change, exports.options, calibrated=bool(trained.moments))])
        echo(f"{kind}: {_said(change)}{_agreement(change)}", err=True)
    ranges = reduce(joined, (change.ranges for change in changes))
    return replace(trained, loss_change=_worst(changes), ranges=ranges)


def warn_of_narrow(exports: Preparations, trained: Trained) -> None:
    """Say where the loss on held-out data is not what it was in 16 bits: the gate's inputs are normal numbers, and data may be larger.

    Nothing is said where there are no data.
    """
    options = exports.options
    try:
        changes = loss_changes(exports, trained)
    except MaiError:
        return
    for change in changes:
        if np.isfinite(change.before) and not change.relative <= options.quantize_limit:
            warning = Diagnostic(
                "precision-loss",
                None,
                f"{options.precision}: {_said(change)}",
                severity="warning",
                help=WIDER[options.precision],
            )
            echo(render([warning], color=sys.stderr.isatty()), err=True)


def _too_much(change: Change, options: CompileOptions, *, calibrated: bool) -> Diagnostic:
    kind, limit = options.quantize, options.quantize_limit
    help = "--quantize int8, or a larger --quantize-limit"
    if kind == "int4" and not calibrated:
        help += "; with --calibrate FILE, matrices that int4 changes most stay in int8 as far as the limit asks for it"
    return Diagnostic(
        "quantize-loss", None, f"{kind} costs too much: {_said(change)}, {limit:.2%} is allowed", help=help
    )


def _help(exports: Preparations) -> str:
    """How the cost of a model without a train block is measured, where it can be."""
    if exports.program.trainings or exports.options.calibrate:
        return ""
    measures = "measures it on a text, and " * continues_texts(exports)
    return f": `--calibrate FILE` {measures}chooses the codes by what the model reads"


def _changes(exports: Preparations, trained: Trained) -> list[Change]:
    return loss_changes(exports, trained) or text_changes(exports, trained)


def _tables(exports: Preparations) -> set[str]:
    """The weights of which rows are taken, in any of the exports."""
    graphs = (exports[name].optimised for name in exports.program.exports)
    return set[str]().union(*(weights_read(graph, Take, 0) for graph in graphs))


def _worst(changes: Sequence[Change]) -> float:
    return max((change.relative for change in changes), default=0.0)


def _kept_wide(trained: Trained) -> str:
    names, several = sorted(trained.wide), len(trained.wide) > 1
    shown = ", ".join(f"`{name}`" for name in names[:NAMED]) + (", ..." if len(names) > NAMED else "")
    return f"{len(names)} matri{'ces' if several else 'x'} stay{'s' * (not several)} in int8: {shown}"


def _agreement(change: Change) -> str:
    return "" if change.same is None else f", {change.same:.1%} of the likeliest next tokens stay"


def _said(change: Change) -> str:
    of = f" of `{change.block}`" if change.block else ""
    share = f" ({change.relative:+.2%})" if np.isfinite(change.relative) else ""
    return f"the loss{of} on held-out data goes from {change.before:.4g} to {change.after:.4g}{share}"
