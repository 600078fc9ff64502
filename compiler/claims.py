"""The claims of a program, compiled to files of their own and checked with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.program import Claim, Program
from mai.runtime.model.manifest import Finding

if TYPE_CHECKING:
    from mai.runtime.arrays import Array


def check_claims(
    program: Program, trained: Trained, folder: Path, options: CompileOptions, override: tuple[Path, ...] = ()
) -> tuple[Finding, ...]:
    """Write the files of a program's claims to `FOLDER/claims` and say what they come to.

    Args:
        override: data in the place of the spec's own.

    Raises:
        MaiError: a claim cannot be compiled, or its data cannot be read.
    """
    from mai.runtime.claims import FOLDER, check_claim

    if not program.claims:
        return ()
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    findings: list[Finding] = []
    for name, claim in program.claims.items():
        path = _compiled(program, name, claim, trained, place, options)
        if claim.graph.inputs:
            _write_examples(path.with_suffix(".npz"), _examples(program, claim, trained, override))
        findings += check_claim(path, "cpu")
    return tuple(findings)


def _compiled(
    program: Program, name: str, claim: Claim, trained: Trained, place: Path, options: CompileOptions
) -> Path:
    """The file of a claim. It is no export, so no gate compares it with torch: what it claims is compared."""
    from mai.compiler.onnx.export import export

    alone = replace(program, exports={name: claim.graph})
    return export(alone, name, trained, place, CompileOptions(opset=options.opset, verify=False)).path


def _examples(program: Program, claim: Claim, trained: Trained, override: tuple[Path, ...]) -> Mapping[str, Array]:
    """The first held-out examples, or those of a training where none are held out."""
    from mai.compiler.data.batches import load

    training = program.training
    assert training is not None, "a claim's fields are those of the data"
    base = Path(program.source.path).parent
    seed = training.settings.seed
    data = load(training.data, training.fields, seed, base, override, training.where, dict(trained.labels))
    rows = data.validation or data.batch(0, claim.count)
    names = {v.name for v in claim.graph.inputs}
    return {name: array[: claim.count] for name, array in rows.items() if name in names}


def _write_examples(path: Path, arrays: Mapping[str, Array]) -> None:
    import io

    import numpy as np

    from mai.runtime.files import write_atomically

    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    write_atomically(path, buffer.getvalue())


FINDINGS = "claims.json"


def write_findings(folder: Path, findings: tuple[Finding, ...]) -> None:
    """Keep what the claims of a run came to beside its weights."""
    import json

    from mai.runtime.files import write_atomically

    records = [finding.model_dump() for finding in findings]
    write_atomically(folder / FINDINGS, (json.dumps(records, indent=2) + "\n").encode())


def read_findings(weights: Path | None) -> tuple[Finding, ...]:
    """What the claims came to when weights were trained; nothing where that is not known."""
    import json

    path = weights.parent / FINDINGS if weights is not None else None
    if path is None or not path.is_file():
        return ()
    try:
        return tuple(Finding.model_validate(record) for record in json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, OSError):
        return ()
