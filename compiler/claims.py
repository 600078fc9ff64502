"""The claims of a program, compiled to files of their own and checked with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.program import Claim, Program
from mai.runtime.model.findings import Finding
from mai.spec.diagnostics import Diagnostic, MaiError

if TYPE_CHECKING:
    from mai.runtime.arrays import Array


def check_claims(
    program: Program, trained: Trained, folder: Path, options: CompileOptions, override: tuple[Path, ...] = ()
) -> tuple[tuple[Finding, ...], tuple[Diagnostic, ...]]:
    """Write the files of a program's claims to `FOLDER/claims`: what they come to, and why some cannot be compiled, or have no data.

    Args:
        override: data in the place of the spec's own.
    """
    from mai.runtime.claims import FOLDER, check_claim

    if not program.claims:
        return (), ()
    place = folder / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    examples = cache(partial(_examples, program, trained, override))
    findings: list[Finding] = []
    refused: list[Diagnostic] = []
    for name, claim in program.claims.items():
        try:
            rows = examples()(claim.count) if claim.graph.inputs else {}
            path = _compiled(program, name, claim, trained, place, options)
        except MaiError as error:
            refused += [replace(d, message=f"claim `{name}`: {d.message}") for d in error.diagnostics]
            continue
        if rows:
            _write_examples(path.with_suffix(".npz"), {v.name: rows[v.name] for v in claim.graph.inputs})
        findings += check_claim(path, "cpu")
    return tuple(findings), tuple(refused)


def _compiled(
    program: Program, name: str, claim: Claim, trained: Trained, place: Path, options: CompileOptions
) -> Path:
    """The file of a claim. It is no export, so no gate compares it with torch: what it claims is compared."""
    from mai.compiler.onnx.export import export

    alone = replace(program, exports={name: claim.graph})
    return export(alone, name, trained, place, CompileOptions(opset=options.opset, verify=False)).path


def _examples(program: Program, trained: Trained, override: tuple[Path, ...]) -> Callable[[int], dict[str, Array]]:
    """The first so many held-out examples, which are read once for all claims."""
    from mai.compiler.training.unseen.held_out import held_out

    assert program.training is not None, "a claim's fields are those of the data"
    return held_out(program, program.training, trained.labels, override)


def _write_examples(path: Path, arrays: Mapping[str, Array]) -> None:
    from mai.runtime.arrays import as_npz
    from mai.runtime.files import write_atomically

    write_atomically(path, as_npz(arrays))


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
