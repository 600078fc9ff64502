"""Warnings: each is earned by its example, none by what is meant, and a comment silences it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from mai.compiler.check import check
from mai.compiler.warnings import warnings
from mai.spec.diagnostics import Diagnostic
from mai.spec.diagnostics.edit import after
from mai.spec.diagnostics.entries.warnings import WARNINGS
from mai.spec.diagnostics.render import render
from tests.support.command import invoke

ROOT = Path(__file__).parents[2]
GOLDENS = Path(__file__).parent / "goldens"
SPECS = sorted([*(ROOT / "examples").glob("*.mai"), *(ROOT / "benchmarks" / "specs").glob("*.mai")])


@pytest.fixture(autouse=True)
def _in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def warned(text: str, name: str = "spec") -> list[Diagnostic]:
    path = Path(f"{name}.mai")
    path.write_text(text, encoding="utf-8")
    checked = check(path)
    assert checked.program is not None, [(d.slug, d.message) for d in checked.diagnostics]
    return warnings(checked.program)


def test_a_number_that_looks_like_a_size_is_called_what_it_is() -> None:
    (location,) = warned("export f() -> [] {\n  z ~ gumbel(3)\n  return z\n}\n")
    assert location.message == "3 is the location of `z`, which is one number"


@pytest.mark.parametrize("slug", WARNINGS)
def test_the_example_earns_its_warning(slug: str, golden: Callable[[Path, str], None]) -> None:
    warnings = warned(WARNINGS[slug].example, slug)
    assert [d.slug for d in warnings] == [slug] and all(d.severity == "warning" for d in warnings)
    golden(GOLDENS / f"{slug}.txt", render(warnings) + "\n")


@pytest.mark.parametrize("slug", WARNINGS)
def test_what_was_meant_earns_none(slug: str) -> None:
    assert warned(WARNINGS[slug].right, slug) == []


@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_no_example_earns_one(path: Path) -> None:
    program = check(path).program
    assert program is not None
    assert warnings(program) == []


@pytest.mark.parametrize("slug", WARNINGS)
def test_a_comment_silences_it(slug: str) -> None:
    (diagnostic,) = warned(WARNINGS[slug].example, slug)
    assert diagnostic.span is not None
    lines = WARNINGS[slug].example.split("\n")
    at = diagnostic.span.line - 1
    assert warned("\n".join([*lines[:at], lines[at] + f"  # mai: allow other, {slug}", *lines[at + 1 :]])) == []
    assert warned("\n".join([*lines[:at], f"# mai: allow {slug}", *lines[at:]])) == []
    assert [d.slug for d in warned("\n".join([*lines[:at], "# mai: allow other", *lines[at:]]))] == [slug]


def named(text: str) -> list[str]:
    """The names that are told as unused."""
    assert all(d.slug == "unused" for d in warned(text))
    return [d.span.text for d in warned(text) if d.span is not None]


@pytest.mark.parametrize(
    ("body", "unused"),
    [
        ("y = x\n  y = 2 * x\n  return y", ["y"]),
        ("y = x\n  if true { y = 2 * x }\n  return y", []),
        ("h = x\n  repeat 3 shared { h = 2 * x }\n  return x", ["h", "h"]),
        ("h = x\n  repeat 3 shared { g = h\n h = 2 * x }\n  return h", ["g"]),
        ("h = x\n  g = x\n  repeat 3 shared { h = g\n g = 2 * x }\n  return h", []),
        ("(a, b) = split(x, 2)\n  return concat(a, a)", []),
        ("(a, b) = split(x, 2)\n  return x", ["a"]),
        ("integrate s in 0..1 using rk4(3) { dx/ds = x }\n  return x", []),
        ("integrate s in 0..1 using rk4(3) { v = 2 * x\n dx/ds = x }\n  return x", ["v"]),
        ("integrate s in 0..1 using rk4(3) { dx/ds = x } keep x as path\n  return x", ["path"]),
        ("integrate s in 0..1 using euler_maruyama(3) { dx = x * ds + dW }\n  return x", []),
        ("y ~ normal([2])\n  return x", ["y"]),
        ("repeat 3 shared as i { x = 2 * x }\n  return x", []),
    ],
)
def test_what_a_body_leaves_over(body: str, unused: list[str]) -> None:
    assert named(f"export f(x: [2]) -> [2] {{\n  {body}\n}}\n") == unused


@pytest.mark.parametrize(
    ("text", "unused"),
    [
        ("const n = 2\nexport f(x: [n]) -> [n] { return x }\n", []),
        ("const n = 2\nexport f(x: [2]) -> [2] { return x }\n", ["n"]),
        ("const n = 2\nconst m = n\nexport f(x: [2]) -> [2] { return x }\n", ["n", "m"]),
        ("layer g(x: [2]) -> [2] { return x }\nlayer h(x: [2]) -> [2] { return g(x) }\n", []),
        ("layer g(x: [2]) -> [2] { return x }\nexport f(x: [2]) -> [2] { return x }\n", ["g"]),
        ("export f(x: [2], n: int = 3) -> [2] {\n  repeat n shared { x = 2 * x }\n  return x\n}\n", []),
        ("export f(x: [2], y: [K]) -> [2] { return x }\n", ["y"]),
        ("export f(x: [2], y: [m]) -> [2] { return m * x }\n", []),
        ("export f(x: [m], y: [m]) -> [m] { return m * x }\n", ["y"]),
        ("const m = 3\nexport f(x: [2], y: [m]) -> [2] { return m * x }\n", ["y"]),
        ("layer g(x: [2], n, m = 2 * n) -> [2] { return m * x }\nexport f(x: [2]) -> [2] { return g(x, 3) }\n", []),
    ],
)
def test_what_a_file_leaves_over(text: str, unused: list[str]) -> None:
    assert named(text) == unused


def test_frozen_and_loaded_parameters_need_no_training() -> None:
    text = WARNINGS["untrained"].example
    assert warned(text.replace("steps = 5", 'steps = 5, freeze = "g.*"')) == []
    (diagnostic,) = warned(text)
    assert "`g.head_1.linear_1.weight` and 1 more" in diagnostic.message and "`f`" in (diagnostic.help or "")


def test_a_column_that_is_written_out_is_meant() -> None:
    assert warned("export f(x: [P], y: [P]) -> [P, P] { return x[:, None] - y }\n") == []


def test_strict_makes_warnings_errors() -> None:
    Path("a.mai").write_text(WARNINGS["unused"].example, encoding="utf-8")
    usual, strict = (invoke("check", "a.mai", *options) for options in ((), ("--strict",)))
    assert usual.exit_code == 0 and "sound" in usual.stdout and "warning[unused]" in usual.stderr
    assert strict.exit_code == 1 and "sound" not in strict.stdout and "error[unused]" in strict.stderr


def test_training_says_again_what_nothing_has_trained() -> None:
    Path("a.mai").write_text(WARNINGS["untrained"].example, encoding="utf-8")
    done = invoke("train", "a.mai", "--out", "run", "--quiet")
    assert done.exit_code == 0
    assert done.output.index("wrote run") < done.output.index("warning[untrained]")


@pytest.mark.parametrize(
    ("body", "mended"),
    [
        ("linear(x, 4, true, 3)", "linear(x, 4, true)"),
        ("linear(x, 4, init = 1e+0)", "linear(x, 4)"),
        ("linear(x, 4, true, 4 - 1)", None),
        ("linear(x, 4, true, 4-1)", None),
        ("linear(x, 4, init = e)", None),
        ("clip(x, 1, 0)", "clip(x, 0, 1)"),
        ("x |> clip(1, 0)", None),
        ("clip(low = 1, high = 0, x = x)", "clip(low = 0, high = 1, x = x)"),
    ],
)
def test_a_repair_changes_the_numbers_that_are_meant(body: str, mended: str | None) -> None:
    """There is none where a number is computed, or a constant is called as a part of numbers is, and none in a pipe."""
    text = f"const e = 3\nexport f(x: [2]) -> [...] {{ return {body} }}\n"
    (diagnostic,) = [w for w in warned(text) if w.slug in ("begun-alike", "empty-range")]
    repaired = [after([edit])["spec.mai"].text for edit in diagnostic.edits]
    assert repaired == ([text.replace(body, mended)] if mended is not None else [])
