"""The verb `verify`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from mai.runtime.command_line.markers import Argument, Exit, Misuse, Option
from mai.runtime.command_line.opening import Provider
from mai.runtime.errors import ModelError
from mai.runtime.show.terminal import say

if TYPE_CHECKING:
    from mai.runtime.model.findings import Finding
    from mai.runtime.self_test.verification import Verification

FORMATS = ("text", "json")


def verify(
    models: Annotated[list[Path], Argument(help=".onnx files that mai compiled, or folders of runs.", show_default=False)],
    provider: Provider = None,
    tolerance: Annotated[
        float | None,
        Option(help="How far results may be off, relative; for a file that another program has quantized.",
                     show_default="as the file says", min=0.0),
    ] = None,
    key: Annotated[
        Path | None, Option(help="Check first that the files are as they were signed, by this public key.", show_default=False)
    ] = None,
    format: Annotated[str, Option("--format", help="How results are printed: text, or json for programs.")] = "text",
) -> None:  # fmt: skip
    """Check that compiled files compute here what they should: mai verify moons_flow.sample.onnx, mai verify runs/moons_flow

    Each file carries a self-test. It shows whether this processor, this ONNX Runtime and this provider compute what the file gave when it was
    written. So it also shows whether a file still works that another program has changed. In the folder of a run, the claims of the spec are
    computed again with the trained weights. With --key, no file is run that is not as it was signed, also no file of a claim. The exit
    code is 1 if anything fails.
    """
    import json

    if format not in FORMATS:
        raise Misuse(f"--format {format}: {' or '.join(FORMATS)}")
    records, failed = [], False
    for path in models:
        for record in _verified(path, provider, tolerance, key, quiet=format == "json"):
            records.append(record)
            failed = failed or not record["ok"]
    if format == "json":
        say(json.dumps(records, indent=2))
    if failed:
        raise Exit(1)


def _verified(
    path: Path, provider: str | None, tolerance: float | None, key: Path | None, quiet: bool
) -> Iterator[dict[str, object]]:
    """A record of each file of a path, of which is also printed unless `quiet`."""
    from mai.runtime.claims import FOLDER, files_of

    try:
        files = files_of(path) if path.is_dir() else [path]
    except ModelError as error:
        yield _failed(path, None, error, quiet)
        return
    for file in files:
        is_claim = file.parent.name == FOLDER and path.is_dir()
        unsigned = None if key is None else _signature_error(file, key)
        if unsigned is not None:  # Nothing of it is run.
            yield _failed(file, None, unsigned, quiet)
            continue
        yield _of_claim(file, provider, quiet) if is_claim else _of_export(file, provider, tolerance, quiet)


def _signature_error(path: Path, key: Path) -> ModelError | None:
    """Why a file is not as it was signed; None where it is."""
    from mai.runtime.signing import check_signature

    try:
        check_signature(path, key)
    except ModelError as error:
        return error
    return None


def _of_export(path: Path, provider: str | None, tolerance: float | None, quiet: bool) -> dict[str, object]:
    verification: Verification | None = None
    try:
        verification = _verification(path, provider, tolerance)
        verification.check(path.name)
    except ModelError as error:
        return _failed(path, verification, error, quiet)
    if not quiet:
        say(f"{path}: as when it was written: {verification}")
    return _record(path, verification, None)


def _of_claim(path: Path, provider: str | None, quiet: bool) -> dict[str, object]:
    from mai.runtime.claims import check_claim, in_words, require

    findings: list[Finding] = []
    try:
        findings = check_claim(path, provider)
        require(findings)
    except ModelError as error:
        return {**_failed(path, None, error, quiet), "findings": [f.model_dump() for f in findings]}
    if not quiet:
        for finding in findings:
            say(f"{path}: holds: {in_words(finding)}")
    return {**_record(path, None, None), "findings": [f.model_dump() for f in findings]}


def _failed(path: Path, verification: Verification | None, error: ModelError, quiet: bool) -> dict[str, object]:
    """The record of what failed, which is also printed unless `quiet`."""
    if not quiet:
        say(f"error[{error.slug}]: {error}", err=True)
    return _record(path, verification, error)


def _verification(path: Path, provider: str | None, tolerance: float | None) -> Verification:
    """What the self-test of a file shows. Raises `ModelError` where it cannot be run."""
    from mai.runtime.model.loader import has_own_weights, is_as_written, load
    from mai.runtime.model.session import provider_name

    model = load(path, providers=provider, check_weights=False)
    used = provider_name(model.providers[0])
    if provider not in (None, used):
        message = f"{path.name} cannot be computed by {provider} here: {used} would"
        raise ModelError("input-unknown", message, "another --provider, or another installation of ONNX Runtime")
    if not has_own_weights(path, model.manifest):
        say(f"note: another program has changed the weights of {path}", err=True)
    elif not is_as_written(path, model.manifest):
        say(
            f"note: another program has written {path} anew: its weights are those of mai, its graph may be another",
            err=True,
        )
    return model.run_self_test(tolerance)


def _record(path: Path, verification: Verification | None, error: ModelError | None) -> dict[str, object]:
    """The record of a file as JSON has it: a difference that is infinite is null there."""
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
