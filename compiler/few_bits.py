"""Weights in few bits, as they are asked for: what they cost is measured, said, and refused where it is too much."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from mai.compiler.data.label_names import Names
from mai.compiler.onnx.export import Quantize
from mai.compiler.onnx.precision.quantize import NAMES
from mai.compiler.program import Program
from mai.compiler.training.evaluation import loss_change
from mai.spec.diagnostics import Diagnostic, MaiError


def few_bits(
    program: Program, weights: Mapping[str, Any], opset: int, kind: str, limit: float, data: list[Path] | None,
    labels: Names,
) -> Quantize:  # fmt: skip
    """How weights are to be kept, with what that adds to the loss on held-out data, if the spec says a loss.

    Raises:
        MaiError: `quantize-loss`: it adds more than `limit`, a share.
    """
    change = loss_change(program, weights, NAMES[kind], opset, data, labels)
    if change is None:
        typer.echo(
            f"{kind}: {program.name} says no loss that ONNX can compute, so what it costs is not measured", err=True
        )
        return Quantize(kind)  # type: ignore[arg-type]
    said = f"the loss on held-out data goes from {change.before:.4g} to {change.after:.4g} ({change.relative:+.2%})"
    if not change.relative <= limit:
        message = f"{kind} costs too much: {said}, {limit:.2%} is allowed"
        raise MaiError(
            [Diagnostic("quantize-loss", None, message, help="--quantize int8, or a larger --quantize-limit")]
        )
    typer.echo(f"{kind}: {said}", err=True)
    return Quantize(kind, change.relative)  # type: ignore[arg-type]
