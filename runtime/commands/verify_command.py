"""The verb `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mai.runtime.errors import ModelError
from mai.runtime.show.terminal import say

if TYPE_CHECKING:
    from mai.runtime.self_test.verification import Verification

FORMATS = ("text", "json")


def verify(
    models: Annotated[list[Path], typer.Argument(help=".onnx files that mai compiled.", show_default=False)],
    provider: Annotated[
        str | None, typer.Option(help="cpu, cuda, or another that is here; by default what there is.")
    ] = None,
    tolerance: Annotated[
        float | None,
        typer.Option(help="How far results may be off, relative; for a file that another program has quantized.",
                     show_default="as the file says", min=0.0),
    ] = None,
    format: Annotated[str, typer.Option("--format", help="text or json.")] = "text",
) -> None:  # fmt: skip
    """Run the self-test in compiled files and say which results differ: mai verify moons_flow.sample.onnx

    It shows whether this processor, this ONNX Runtime and this provider compute what the file did when it was written, and so
    whether a file is still itself that another program has changed.
    """
    import json

    if format not in FORMATS:
        raise typer.BadParameter(f"--format {format}: {' or '.join(FORMATS)}")
    told, failed = [], False
    for path in models:
        verification: Verification | None = None
        try:
            verification = _verification(path, provider, tolerance)
            verification.check(path.name)
            error = None
        except ModelError as raised:
            error, failed = raised, True
        if format == "json":
            told.append(_record(path, verification, error))
        elif error is not None:
            say(f"error[{error.slug}]: {error}", err=True)
        else:
            say(f"{path}: as when it was written: {verification}")
    if format == "json":
        say(json.dumps(told, indent=2))
    if failed:
        raise typer.Exit(1)


def _verification(path: Path, provider: str | None, tolerance: float | None) -> Verification:
    """What the self-test of a file shows. Raises `ModelError` where it cannot be run."""
    from mai.runtime.model.checksum import checksum
    from mai.runtime.model.loader import load
    from mai.runtime.model.session import provider_name

    model = load(path, providers=provider, check_weights=False)
    used = provider_name(model.providers[0])
    if provider not in (None, used):
        message = f"{path.name} cannot be computed by {provider} here: {used} would"
        raise ModelError("input-unknown", message, "another --provider, or another installation of ONNX Runtime")
    if model.manifest.checksum not in (None, checksum(path.read_bytes())):
        say(f"note: another program has changed the weights of {path}", err=True)
    return model.run_self_test(tolerance)


def _record(path: Path, verification: Verification | None, error: ModelError | None) -> dict[str, object]:
    """What is told of a file as JSON has it: a difference that is infinite is null there."""
    differences = verification.differences if verification else ()
    return {
        "file": str(path),
        "ok": error is None,
        "provider": verification.provider if verification else None,
        "differences": [
            {
                "run": d.run,
                "output": d.output,
                "difference": d.amount if d.amount < float("inf") else None,
                "allowed": d.allowed,
                "ok": d.content,
            }
            for d in differences
        ],
        "error": None if error is None else {"slug": error.slug, "message": error.message, "help": error.help},
    }
