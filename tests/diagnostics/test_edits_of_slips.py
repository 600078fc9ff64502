"""Edits on files with slips in them: no file is ever worse after `--fix`, and nothing that is sound is touched."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mai.compiler.check import check_all
from mai.compiler.fixing import fix
from mai.compiler.mending import Checked
from mai.spec.source import Source

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("moons_flow", "mlp", "gan")
TOKENS = re.compile(r"\w+|[^\w\s]")
SLIPS = ("", ",", ")", "(", "]", "}", ";", ":", "=", "==", "**", "True", "None", "x", "2", "def")


@st.composite
def slips(draw: st.DrawFn) -> str:
    """An example with one or two tokens left out, exchanged with their neighbours, or with something else in their place."""
    text = (EXAMPLES / f"{draw(st.sampled_from(NAMES))}.mai").read_text(encoding="utf-8")
    for _ in range(draw(st.integers(1, 2))):
        tokens = list(TOKENS.finditer(text))
        at = draw(st.integers(0, len(tokens) - 2))
        one, other = tokens[at], tokens[at + 1]
        put = draw(
            st.sampled_from([*SLIPS, other[0] + text[one.end() : other.start()] + one[0], one[0][:-1], one[0] * 2])
        )
        end = other.end() if put.startswith(other[0]) and put.endswith(one[0]) else one.end()
        text = text[: one.start()] + put + text[end:]
    return text


def rank(checked: Checked) -> tuple[int, int]:
    return -checked.stage, len(checked.errors)


@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(slips())
def test_no_file_is_worse_after_it(text: str) -> None:
    path = EXAMPLES / "slips.mai"  # Nothing is written there: it is where imports would be looked for.
    before = fix_of(path, text)
    assert before is None or rank(before[1]) < rank(before[0])


def fix_of(path: Path, text: str) -> tuple[Checked, Checked] | None:
    """What there is to say before and after; None where nothing is changed."""
    texts = {str(path): Source(str(path), text, path.name)}
    before, fixed = check_all(path, texts=texts), fix(path, texts=texts)
    assert not any(d.slug == "internal" for d in (*before.diagnostics, *fixed.checked.diagnostics))
    if before.program is not None and not before.errors:
        assert not fixed.edits
    return (before, fixed.checked) if fixed.edits else None
