"""Broken texts: no traceback and no hang, whatever the file says. `MAI_FUZZ=10000` tries more."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from mai.compiler.check import check
from mai.spec.diagnostics.render import render, to_json

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").rglob("*.mai"))
COUNT = int(os.environ.get("MAI_FUZZ", "400"))
PIECES = ["(", ")", "[", "]", "{", "}", "=", "==", "~", "->", "|>", "^", "'", '"', "..", "None", "0", "-1", "10^9", "1e308", "x", "s",
          "d", "\n", ",", ":", "@", "repeat", "integrate", "return", "keep", "shared", "σ", "\t", "\x00", "#", "minimize", "class[3]"]  # fmt: skip


def mutated(text: str, rng: random.Random) -> str:
    """One to four small damages: cut, doubled, swapped or foreign pieces."""
    for _ in range(rng.randint(1, 4)):
        at, size = rng.randrange(len(text) + 1), rng.randint(1, 12)
        kind = rng.randrange(5)
        if kind == 0:
            text = text[:at] + text[at + size :]
        elif kind == 1:
            text = text[:at] + rng.choice(PIECES) + text[at:]
        elif kind == 2:
            text = text[:at] + text[at : at + size] * 2 + text[at + size :]
        elif kind == 3:
            text = text[:at] + rng.choice(PIECES) + text[at + size :]
        else:
            other = rng.randrange(len(text) + 1)
            text = text[:at] + text[other : other + size] + text[at + size :]
    return text


@pytest.mark.parametrize("part", range(8))
def test_mutations_never_crash_or_hang(part: int, tmp_path: Path) -> None:
    rng = random.Random(part)
    path = tmp_path / "fuzz.mai"
    for _ in range(COUNT // 8):
        text = mutated(rng.choice(EXAMPLES).read_text(encoding="utf-8"), rng)
        path.write_text(text, encoding="utf-8")
        began = time.monotonic()
        checked = check(path)
        render(checked.diagnostics)
        to_json(checked.diagnostics)
        assert (checked.program is None) == any(d.severity == "error" for d in checked.diagnostics), text
        assert time.monotonic() - began < 5, text


@pytest.mark.parametrize(
    "text",
    [
        "const d = 10^12\nnet f(x: [d]) -> [d] { return x }\n",
        "export f(x: [2]) -> [2] {\n  repeat 10^9 { x = linear(x, 2) }\n  return x\n}\n",
        "const a = 9^9^9^9\n",
        "net f(x: [2]) -> [2] { return " + "relu(" * 60 + "x" + ")" * 60 + " }\n",
        "const c = " + "(" * 10_000 + ")" * 10_000,
        "\n" * 50_000 + "x",
        "net f(x: [2]) -> [2] {\n" + "  x += 1\n" * 3_000 + "  return x\n}\n",
    ],
)
def test_extremes_are_told_in_bounded_time(text: str, tmp_path: Path) -> None:
    path = tmp_path / "extreme.mai"
    path.write_text(text)
    began = time.monotonic()
    check(path)
    assert time.monotonic() - began < 10
