"""Check the claims of the gallery until one fails, in a process of its own: the code of the compiler may be faulty."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from mai.compiler.check import check
from mai.compiler.claims import check_claims
from mai.compiler.compile_options import DEFAULTS, Trained
from mai.compiler.training.initial_weights import load_weights


def first_failure(tree: Path, names: list[str]) -> str | None:
    """The first claim that fails, `EXAMPLE: CLAIM`; None where all hold. One that cannot be computed fails."""
    for name in names:
        try:
            program = check(tree / "examples" / f"{name}.mai").program
            assert program is not None, "it has errors"
            run = tree / "runs" / "gallery" / name
            arrays, _ = load_weights(program, run if program.trainings and run.is_dir() else None)
        except Exception as error:
            return f"{name}: {type(error).__name__}"
        for claim in program.claims:
            with tempfile.TemporaryDirectory(prefix="mai-") as folder:
                alone = replace(program, claims={claim: program.claims[claim]})
                try:
                    findings, refused = check_claims(alone, Trained(arrays), Path(folder), DEFAULTS)
                except Exception as error:
                    return f"{name}: {claim} ({type(error).__name__})"
            if refused or not all(finding.holds for finding in findings):
                return f"{name}: {claim}"
    return None


if __name__ == "__main__":
    failed = first_failure(Path(sys.argv[1]), sys.argv[2:])
    print(failed or "")
