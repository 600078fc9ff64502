"""What weights in few bits cost: measured, said, and refused where it is too much."""

from __future__ import annotations

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.prepared import Preparations
from mai.compiler.training.evaluation import loss_change
from mai.runtime.show.terminal import echo
from mai.spec.diagnostics import Diagnostic, MaiError


def measured_change(exports: Preparations, trained: Trained) -> float | None:
    """What few bits add to the loss on held-out data, as a share of it; None if the spec says no loss that ONNX can compute.

    Raises:
        MaiError: `quantize-loss`: it is more than the options allow.
    """
    kind, limit = exports.options.quantize, exports.options.quantize_limit
    change = loss_change(exports, trained)
    if change is None:
        name = exports.program.name
        echo(f"{kind}: {name} says no loss that ONNX can compute, so what it costs is not measured", err=True)
        return None
    said = f"the loss on held-out data goes from {change.before:.4g} to {change.after:.4g} ({change.relative:+.2%})"
    if not change.relative <= limit:
        message = f"{kind} costs too much: {said}, {limit:.2%} is allowed"
        raise MaiError(
            [Diagnostic("quantize-loss", None, message, help="--quantize int8, or a larger --quantize-limit")]
        )
    echo(f"{kind}: {said}", err=True)
    return change.relative
