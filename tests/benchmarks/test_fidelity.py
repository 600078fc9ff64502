"""The page of what holds is that of the examples' claims: each is there, holds, and has its figure."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.fidelity import __main__ as fidelity
from benchmarks.fidelity.examples import claiming
from benchmarks.runs import digest
from mai.spec import ast
from mai.spec.ast_walk import nodes_of
from mai.spec.diagnostics import Reporter
from mai.spec.parsing.parse import load_source, parse

EXAMPLES = Path(__file__).parents[2] / "examples"


def said(name: str) -> list[tuple[str, str]]:
    """The claims and conditions of an example, as its text has them."""
    report = Reporter()
    file = parse(load_source(EXAMPLES / f"{name}.mai", report), report)
    claims = [d for d in file.declarations if isinstance(d, ast.Claim)]
    return [(c.name.id, check.value.span.text) for c in claims for check in nodes_of(c.body, ast.Check)]


@pytest.mark.parametrize("name", claiming())
def test_the_page_has_what_an_example_claims(name: str) -> None:
    findings = fidelity.last_figures()["examples"][name]["findings"]
    assert sorted((f["claim"], f["text"]) for f in findings) == sorted(said(name)) != []
    assert all(f["holds"] for f in findings)


def test_there_are_many_and_the_page_is_that_of_the_figures() -> None:
    kept = fidelity.last_figures()
    assert len({(name, claim) for name in claiming() for claim, _ in said(name)}) >= 20
    written = fidelity.PAGE.read_text(encoding="utf-8")
    assert written.rpartition("On two cores")[0] == fidelity.page(kept).rpartition("On two cores")[0]
    assert fidelity.all_hold(kept) and set(kept["chapters"]) == set(fidelity.chapters())


def test_a_claim_is_no_reason_to_train_again() -> None:
    spec = "const n = 3\n\nclaim a(count = 3) {\n  x ~ normal([2])\n  check norm(x) < 9\n}\n\nclaim b { check n < 4 }\n"
    assert digest(spec) == digest("const n = 3\n\n\n") != digest("const n = 4\n\n\n")
