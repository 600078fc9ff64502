"""What a setting may be follows from its uses, whatever it is called, and its default keeps to that."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.runtime import ModelError, load

Maker = Callable[[str], Program]
Range = tuple[float | None, float | None]

SOLVED = "  integrate s in 0..1 using rk4({}) {{ dx/ds = -x }}\n  return x"
USES: dict[str, tuple[str, Range]] = {
    "a number of steps": (SOLVED.format("n"), (1, None)),
    "by its name": (SOLVED.format("steps = n"), (1, None)),
    "twice as many": (SOLVED.format("2 * n"), (1, None)),
    "one more": (SOLVED.format("n + 1"), (0, None)),
    "one less": (SOLVED.format("n - 1"), (2, None)),
    "half as many": (SOLVED.format("n // 2"), (2, None)),
    "a square": (SOLVED.format("n * n"), (1, None)),
    "what is left": (SOLVED.format("10 - n"), (None, 9)),
    "a count of turns": ("  repeat n { x = 0.5 * x }\n  return x", (0, None)),
    "a size": ("  return x + sum(zeros([n]))", (0, None)),
    "the end of a slice": ("  a = [1, 2, 3, 4, 5] + x\n  return sum(a[:n])", (0, None)),
    "an index": ("  a = [1, 2, 3, 4, 5] + x\n  return a[n]", (0, 4)),
    "a factor": ("  return n * x", (None, None)),
    "a factor and a number of steps": (SOLVED.format("n").replace("return x", "return n * x"), (1, None)),
    "steps of a net": (SOLVED.format("n").replace("return x", "return f(x)"), (1, None)),
    "of turns with steps inside": ("  repeat n { x = solved(x, n) }\n  return x", (1, None)),
}
NET = "net f(x: []) -> [] { return x }\nlayer solved(x: [], n) {\n" + SOLVED.format("n") + "\n}\n"


@pytest.mark.parametrize("name", USES)
def test_a_range_is_that_of_the_uses(name: str, program: Maker) -> None:
    body, expected = USES[name]
    setting = program(f"{NET}export g(x: [], n: int = 4) -> [] {{\n{body}\n}}\n").exports["g"].settings["n"]
    assert (setting.minimum, setting.maximum) == expected


def test_several_settings_are_bounded_together(program: Maker) -> None:
    spec = program("export g(x: [], n: int = 4, m: int = 2) -> [] {\n" + SOLVED.format("n * m") + "\n}\n")
    assert [s.minimum for s in spec.exports["g"].settings.values()] == [1, 1]


def test_a_filter_has_the_range_of_its_meaning(program: Maker) -> None:
    text = "export g(z: [3], t: real = 1.0, k: int = 0, p: real = 1.0, m: real = 0.0) -> int {\n  y ~ categorical(z, k, p, m, t)\n  return y\n}\n"
    settings = program(text).exports["g"].settings
    ranges = {name: (s.minimum, s.maximum) for name, s in settings.items()}
    assert ranges == {"t": (0, None), "k": (0, None), "p": (0, 1), "m": (0, 1), "seed": (0, None)}


DRAWS: dict[str, Range] = {
    "bernoulli(t)": (0, 1),
    "bernoulli(1 - t)": (0, 1),
    "bernoulli(t / 100)": (0, 100),
    "bernoulli(0.5 - t / 2)": (-1, 1),
    "bernoulli(t * x)": (None, None),
    "normal(0, t)": (0, None),
    "normal(t, 1)": (None, None),
    "normal(0, 3 - t)": (None, 3),
    "normal(0, sqrt(t))": (None, None),
    "uniform(0, t)": (0, None),
    "uniform(t, 2)": (None, 2),
    "uniform(t, high = 3)": (None, 3),
    "uniform(-1, 2 * t + 1)": (-1, None),
    "uniform(t, t + 1)": (None, None),
    "integers(0, n)": (1, None),
    "integers(n, 10)": (None, 9),
    "integers(2, n + 1)": (2, None),
    "bernoulli(n / 10)": (0, 10),
    "categorical([x, 0], temperature = 2 * t)": (0, None),
    "categorical([x, 0], top_p = 1 - t)": (0, 1),
}


@pytest.mark.parametrize("draw", DRAWS)
def test_the_numbers_of_a_draw_bound_the_setting_that_they_are_made_of(draw: str, program: Maker) -> None:
    setting = "n: int = 4" if re.search(r"\bn\b", draw) else "t: real = 0.5"
    text = f"export g(x: [], {setting}) -> [] {{\n  y ~ {draw}\n  return x + where(y > 0, 1.0, 0.0)\n}}\n"
    if draw.startswith("bernoulli"):
        text = text.replace("y > 0", "y")
    settings = program(text).exports["g"].settings
    bounded = settings[setting[0]]
    assert (bounded.minimum, bounded.maximum) == DRAWS[draw]


DEFAULTS = {
    "no step": (SOLVED.format("n"), "0", "at least 1"),
    "fewer than none": (SOLVED.format("n"), "-5", "at least 1"),
    "too few with arithmetic": (SOLVED.format("n - 1"), "1", "at least 2"),
    "too many": (SOLVED.format("10 - n"), "10", "at most 9"),
    "a negative count": ("  repeat n { x = 0.5 * x }\n  return x", "-1", "at least 0"),
    "no whole number to draw": ("  k ~ integers(0, n)\n  return x + k", "0", "at least 1"),
    "an index beyond the end": ("  a = [1, 2, 3] + x\n  return a[n]", "3", "at most 2"),
}


@pytest.mark.parametrize("name", DEFAULTS)
def test_a_default_is_in_the_range(name: str, tmp_path: Path) -> None:
    body, default, words = DEFAULTS[name]
    path = tmp_path / "spec.mai"
    path.write_text(f"export g(x: [], n: int = {default}) -> [] {{\n{body}\n}}\n", encoding="utf-8")
    (error,) = check(path).diagnostics
    assert error.slug == "bad-setting" and words in error.message
    assert error.span is not None and error.span.text == default


def test_the_file_keeps_to_it(program: Maker, tmp_path: Path) -> None:
    spec = program(
        "export g(x: [], n: int = 4) -> [] {\n" + SOLVED.format("n") + "\n}\n"
        "export h(x: [2], timestep: int = 0) -> [2] { return x * timestep }\n"
    )
    solved = load(export(spec, "g", Trained({}), tmp_path).path, providers="cpu")
    with pytest.raises(ModelError, match="`n` is at least 1"):
        solved(x=1.0, n=0)
    assert solved(x=1.0, n=1) == pytest.approx(0.375)
    scaled = load(export(spec, "h", Trained({}), tmp_path).path, providers="cpu")
    np.testing.assert_array_equal(scaled(x=[1.0, 2.0]), [[0, 0]])
    np.testing.assert_array_equal(scaled(x=[1.0, 2.0], timestep=-3), [[-3, -6]])
