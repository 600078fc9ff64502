"""The mistakes that people make, each a small program whose name begins with the slug that it earns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mai.compiler.check import check
from mai.spec.diagnostics.catalog import CATALOG, GROUPS
from mai.spec.diagnostics.render import render

HERE = Path(__file__).parent / "mistakes"
MISTAKES = sorted(HERE.glob("*.mai"))
SEVERAL = {
    "several-after-if": {"static-needed", "unknown-name"},
    "several-arguments": {"unknown-name", "unknown-argument", "shape-mismatch", "missing-argument"},
    "several-independent": {
        "bad-setting",
        "unknown-name",
        "unknown-argument",
        "unknown-setting",
        "unknown-function",
        "shape-mismatch",
    },
}


def slug_of(name: str) -> str:
    """`shape-mismatch` of `shape-mismatch-residual`."""
    return max((s for s in CATALOG if f"{name}-".startswith(f"{s}-")), key=len)


def test_there_are_many() -> None:
    assert len(MISTAKES) >= 100


@pytest.mark.parametrize("path", MISTAKES, ids=[p.stem for p in MISTAKES])
def test_a_mistake_is_told(path: Path, golden: Callable[[Path, str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    checked = check(Path(path.name))
    assert {d.slug for d in checked.diagnostics} == SEVERAL.get(path.stem) or {slug_of(path.stem)}
    assert checked.program is None
    golden(path.with_suffix(".txt"), render(checked.diagnostics) + "\n")


@pytest.mark.slow
@pytest.mark.parametrize("path", MISTAKES, ids=[p.stem for p in MISTAKES])
def test_every_place_is_in_the_users_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(HERE)
    for diagnostic in check(Path(path.name)).diagnostics:
        spans = [diagnostic.span, *(w.span for w in diagnostic.where)]
        assert all(s is not None and s.source.path == path.name for s in spans)


@pytest.mark.parametrize("group", ["Syntax", "Names and calls", "Types and shapes", "Programs", "Settings and data"])
def test_every_slug_has_an_example(group: str) -> None:
    without = {slug for slug, entry in GROUPS[group].items() if not entry.example}
    assert without <= {"import-cycle", "import-too-deep", "data-bad", "data-missing"}


ONE = "export g(x: [2]) -> [2] {\n%s  return x\n}\n"
SOLVED = "  integrate s in 0..1 using rk4(2) { dx/ds = %s(x) }\n"
HOSTILE = {
    "ten thousand parentheses": ("const d = " + "(" * 10_000 + "1" + ")" * 10_000 + "\n", "too-deep"),
    "ten thousand signs": ("const d = " + "-" * 10_000 + "1\n", None),
    "a long sum": ("const d = " + " + ".join(["1"] * 10_000) + "\n", "too-deep"),
    "a huge dimension": ("const d = 10^12\nnet f(x: [d]) -> [d] { return linear(x, d) }\n", "dimension-too-large"),
    "a huge repeat": (
        "export f(x: [2]) -> [2] {\n  repeat 10^9 { x += linear(x, 2) }\n  return x\n}\n",
        "repeat-too-long",
    ),
    "a tower of powers": ("const d = 9^9^9^9^9\n", "number-too-large"),
    "a huge shift": ("const d = 2^(2^62)\n", "number-too-large"),
    "a long name": (f"export f(x: [2]) -> [2] {{ return {'w' * 100_000} }}\n", "unknown-name"),
    "a long line": ("export f(x: [2]) -> [2] { return y" + " " * 200_000 + "}\n", "unknown-name"),
    "nested blocks": ("net f(x: [2]) -> [2] {" + "repeat 2 {" * 2_000 + "}" * 2_000 + "}\n", "too-deep"),
    "a chain of calls": (
        "".join(f"net f{i}(x: [2]) -> [2] {{ return f{i + 1}(x) }}\n" for i in range(300))
        + "net f300(x: [2]) -> [2] { return x }\nexport g(x: [2]) -> [2] { return f0(x) }\n",
        "recursive-call",
    ),
    "doubling calls": (
        "".join(f"net f{i}(x: [2]) -> [2] {{ return f{i + 1}(f{i + 1}(x)) }}\n" for i in range(40))
        + "net f40(x: [2]) -> [2] { return x }\nexport g(x: [2]) -> [2] { return f0(x) }\n",
        None,
    ),
    "ten thousand mistakes": (
        "export f(x: [2]) -> [2] {\n" + "".join(f"  y{i} = nope{i} + x\n" for i in range(10_000)) + "  return x\n}\n",
        "unknown-name",
    ),
    "control characters": ("const d = \x00\x01\x1b[2J\n", None),
    "an only bracket": ("}", "unmatched-bracket"),
    "turns with parameters in turns": (ONE % "  repeat 9000 { repeat 9000 { x = linear(x, 2) } }\n", "repeat-too-long"),
    "turns in turns": (ONE % "  repeat 9000 shared { repeat 9000 shared { x = linear(x, 2) } }\n", "repeat-too-long"),
    "twenty repeats in each other": (ONE % ("repeat 1 shared {" * 20 + "x = 2 * x" + "}" * 20 + "\n"), None),
    "turns of a net of turns": (
        "net f(x: [2]) -> [2] {\n  repeat 300 { x = linear(silu(x), 2) }\n  return x\n}\n"
        + ONE % "  repeat 200 { x = linear(f(x), 2) }\n",
        "too-deep",
    ),
    "integrals in integrals": (
        "net f0(x: [2]) -> [2] { return -x }\n"
        + "".join(f"net f{i}(x: [2]) -> [2] {{\n{SOLVED % f'f{i - 1}'}  return x\n}}\n" for i in range(1, 12))
        + ONE % (SOLVED % "f11"),
        "too-deep",
    ),
    "derivatives of derivatives": (
        ONE % ("  y = sin(x) * exp(x)\n" + "  y = grad(sum(y), x)\n" * 20 + "  x = y\n"),
        "too-deep",
    ),
    "twenty derivatives of a number": (
        "export f(x: []) -> [] {\n  y = sin(x) * exp(x)\n" + "  y = grad(y, x)\n" * 20 + "  return y\n}\n",
        None,
    ),
    "a hundred million parts": (
        "export f(x: [100000000]) -> [] { return split(x, 100000000)[0][0] }\n",
        "dimension-too-large",
    ),
    "a bad solver count": (
        "export f(x: [2]) -> [2] {\n  integrate s in 0..1 using rk4(10^9) { dx/ds = x }\n  return x\n}\n",
        None,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_answered(name: str, tmp_path: Path) -> None:
    text, slug = HOSTILE[name]
    path = tmp_path / "spec.mai"
    path.write_text(text, encoding="utf-8")
    diagnostics = check(path).diagnostics
    assert "internal" not in {d.slug for d in diagnostics}
    assert slug is None or slug in {d.slug for d in diagnostics}
    assert len(render(diagnostics)) < 100_000
