"""What the examples claim, computed with the weights of the gallery's runs: the same that `mai verify` computes."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.fidelity.claim import EXAMPLES, program_of, trained
from benchmarks.gallery.rows import ROWS
from benchmarks.measure import table
from mai.compiler.claims import check_claims
from mai.compiler.compile_options import DEFAULTS, Trained
from mai.compiler.training.initial_weights import load_weights
from mai.runtime.model.findings import Finding
from mai.spec.diagnostics import MaiError

HEAD = ["claim", "what holds", "where it holds least", "mean", "over"]
SHORT = {"char_gpt": 10, "digits_unet": 300, "dit": 600}  # Steps of what is long to train, and holds as early.
Record = dict[str, Any]


def claiming() -> list[str]:
    """The examples that claim something, in the gallery's order."""
    texts = {row.name: (EXAMPLES / f"{row.name}.mai").read_text(encoding="utf-8") for row in ROWS}
    return [name for name, text in texts.items() if "\nclaim " in text]


def measure(name: str) -> Record:
    """The findings of an example, which is trained where no run has its weights."""
    program, weights = program_of(name), None
    if program.trainings:
        program, weights = trained(name, steps=SHORT.get(name))
    arrays, steps = load_weights(program, weights)
    with tempfile.TemporaryDirectory(prefix="mai-") as folder:
        findings, refused = check_claims(program, Trained(arrays), Path(folder), DEFAULTS)
    if refused:
        raise MaiError(refused)
    return {"steps": steps, "findings": [finding.model_dump() for finding in findings]}


def commands(name: str) -> list[str]:
    """What is typed to train an example and to compute its claims."""
    (row,) = [row for row in ROWS if row.name == name]
    if row.quick is None:
        return [f"mai compile examples/{name}.mai --out runs/{name}"]
    before = [f"mai {command}" for command in row.before]
    steps = f" --steps {SHORT[name]}" if name in SHORT else ""
    return [*before, f"mai train examples/{name}.mai{steps} --out runs/{name}", f"mai verify runs/{name}"]


def section(name: str, record: Record) -> Iterator[str]:
    """The part of the page on an example."""
    findings = [Finding.model_validate(stated) for stated in record["findings"]]
    steps = f", trained for {record['steps']:,} steps" if record["steps"] else ""
    yield f"### [{name}](../examples/{name}.mai){steps}\n"
    yield "```sh\n" + "\n".join(commands(name)) + "\n```\n"
    yield table(HEAD, [row_of(finding) for finding in findings]) + "\n"


def row_of(finding: Finding) -> list[str]:
    """A row of a Markdown table: a bar in a cell would end it."""
    least = "yes" if finding.holds else "**no**"
    if finding.left is not None and finding.right is not None:
        least = f"{finding.left:.3g} {finding.comparison} {finding.right:.3g}" + ("" if finding.holds else " **fails**")
    mean = "" if finding.mean is None else f"{finding.mean:.3g}"
    if finding.interval is not None:
        mean += f" ± {finding.interval:.1g}"
    over = f"{finding.seeds} x {finding.examples:,}" if finding.seeds > 1 else f"{finding.examples:,}"
    cells = [finding.claim.replace("_", " "), f"`{finding.text}`", least, mean, over]
    return [cell.replace("|", "\\|") for cell in cells]
