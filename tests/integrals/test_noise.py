"""Noise of its own size, and the methods that take it apart from the drift: against closed forms, and loops in numpy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check_all
from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run
from mai.runtime import load

Maker = Callable[[str], Program]
Array = np.ndarray
STEPS = (16, 32, 64)
MATRIX = "[[0.42, 0.56], [0.56, -0.42]]"


def integral(name: str, shape: str, solver: str, body: str, result: str = "x") -> str:
    of = "steps + 1, 2, 2" if result != "x" else shape
    keep = " keep x as xs, y as ys" if result != "x" else ""
    zero = "  y = 0 * x\n" if result != "x" else ""
    return (
        f"export {name}(x: [{shape}], steps: int = 4) -> [{of}] {{\n{zero}"
        f"  integrate s in 0..1 using {solver}(steps) {{\n{body}\n  }}{keep}\n  return {result}\n}}\n"
    )


def ends(program: Program, name: str, x: Array, steps: int, seed: int = 5) -> Array:
    (end,) = evaluate(forms.prepare(program.exports[name]), {"x": x}, {"steps": steps, "seed": seed}, {})
    return np.asarray(end)


# How x moves by 0.7 x times a Brownian motion each, and that motion alone.
FORMS = {
    "its own": ("2", "", "x * 0.7 * dW", "0.7 * dW"),
    "one number for all": ("2", "noise dB: []", "0.7 * x * dB", "0.7 * dB"),
    "a list of one": ("2", "noise dB: [1]", "0.7 * x * dB", "0.7 * dB"),
    "two, correlated": ("2", "noise dB: [2]", f"x * ({MATRIX} @ dB)", f"{MATRIX} @ dB"),
    "a matrix of the state": ("2", "noise dB: [2]", f"(x[:, None] * {MATRIX}) @ dB", f"{MATRIX} @ dB"),
    "two for one number": ("", "noise dB: [2]", "x * sum([0.42, 0.56] * dB)", "sum([0.42, 0.56] * dB)"),
    "by components": ("2", "noise dB: [2]", "0.7 * [x[0] * dB[0], x[1] * dB[1]]", "0.7 * dB"),
    "by components, correlated": (
        "2",
        "noise dB: [2]",
        "[0.7 * x[0] * dB[0], x[1] * (0.42 * dB[0] - 0.56 * dB[1])]",
        "[0.7 * dB[0], 0.42 * dB[0] - 0.56 * dB[1]]",
    ),
    "by a helper": ("2", "noise dB: [2]\n    push = 0.7 * dB", "x * push", "push"),
    "half of it squared": (
        "2",
        "noise dB: [2, 2]",
        "x * sum([0.42, 0.56] * dB, axis = 1)",
        "sum([0.42, 0.56] * dB, axis = 1)",
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_milstein_is_of_strong_order_one(form: str, program: Maker) -> None:
    """dx = 0.3 x ds + 0.7 x dB is exp((0.3 - 0.7^2 / 2) s + 0.7 B), however it is written."""
    shape, noise, term, alone = FORMS[form]
    text = integral("f", shape, "milstein", f"    {noise}\n    dx = 0.3 * x * ds + {term}")
    text += integral("w", shape, "milstein", f"    {noise}\n    dx = 0 * x * ds + {alone}")
    spec, sizes = program(text), (600, 2) if shape else (600,)
    errors = [
        np.abs(ends(spec, "f", np.ones(sizes), n) - np.exp(0.3 - 0.245 + ends(spec, "w", np.zeros(sizes), n))).mean()
        for n in STEPS
    ]
    assert errors[0] < 0.03
    assert abs(-np.polyfit(np.log(STEPS), np.log(errors), 1)[0] - 1) < 0.15


def paths_of(program: Maker, solver: str, steps: int, count: int) -> tuple[Array, Array]:
    """Increments and integrals of two Brownian motions, [count, steps, 2] each, as a solver draws them for `noise dB: [2]`."""
    both = "concat(xs[:, None], ys[:, None], axis = 1)"
    spec = program(integral("p", "2", solver, "    noise dB: [2]\n    dx = 0 * x * ds + dB\n    dy/ds = x", both))
    ends_of_file = ends(spec, "p", np.zeros((count, 2)), steps)
    w, y = ends_of_file[:, :, 0], ends_of_file[:, :, 1]
    return np.diff(w, axis=1), np.diff(y, axis=1) - w[:, :-1] / steps


def additive_step(x: Array, s: float, h: float, db: Array, i: Array) -> Array:
    """Rößler's SRA1 for dx = sin(2 x) ds + (1 + s) (0.3 dB_1 + 0.4 dB_2), as it is printed."""
    now, ahead = ((1 + t) * np.array([0.3, 0.4]) for t in (s, s + h))
    first = np.sin(2 * x)
    second = np.sin(2 * (x + 0.75 * h * first + 1.5 / h * (i @ ahead)))
    return x + h * (first + 2 * second) / 3 + db @ ahead + i @ (now - ahead) / h


ADDITIVE = "    noise dB: [2]\n    dx = sin(2 * x) * ds + (1 + s) * sum([0.3, 0.4] * dB)"


def test_the_additive_method_is_the_papers(program: Maker) -> None:
    spec, steps = program(integral("f", "", "sra1", ADDITIVE)), 8
    db, i = paths_of(program, "sra1", steps, 5)
    x = np.full(5, 0.2)
    for n in range(steps):
        x = additive_step(x, n / steps, 1 / steps, db[:, n], i[:, n])
    np.testing.assert_allclose(ends(spec, "f", np.full(5, 0.2), steps), x, rtol=1e-12)


def test_the_papers_method_is_of_strong_order_three_halves() -> None:
    """Against fine steps along the same path."""
    rng, fine, count = np.random.default_rng(0), 1024, 800
    h = 1 / fine
    db = rng.standard_normal((count, fine, 2)) * h**0.5
    integrals = h / 2 * (db + rng.standard_normal((count, fine, 2)) * (h / 3) ** 0.5)

    def solve(steps: int) -> Array:
        size = fine // steps
        parts, inner = (v.reshape(count, steps, size, 2) for v in (db, integrals))
        before = np.cumsum(parts, 2) - parts
        whole, area, x = parts.sum(2), inner.sum(2) + h * before.sum(2), np.full(count, 0.2)
        for n in range(steps):
            x = additive_step(x, n / steps, 1 / steps, whole[:, n], area[:, n])
        return x

    exact, steps = solve(fine), (8, 16, 32, 64)
    errors = [np.abs(solve(n) - exact).mean() for n in steps]
    assert -np.polyfit(np.log(steps), np.log(errors), 1)[0] > 1.4


def test_the_integral_of_a_noise_has_its_moments(program: Maker) -> None:
    db, i = paths_of(program, "sra1", 1, 20_000)
    covariance = np.cov(np.stack([db[:, 0, 0], i[:, 0, 0], db[:, 0, 1], i[:, 0, 1]]))
    one = np.array([[1, 1 / 2], [1 / 2, 1 / 3]])
    np.testing.assert_allclose(covariance, np.kron(np.eye(2), one), atol=0.03)


def chain(steps: int) -> tuple[float, float]:
    """Mean and variance of SRA1's own chain for dx = -x ds + dW / 2 from 2: x' = (1 - h + h^2 / 2) x + (dW - I) / 2."""
    h = 1 / steps
    grown, noise = 1 - h + h**2 / 2, (h - h**2 + h**3 / 3) / 4
    return 2 * grown**steps, noise * sum(grown ** (2 * k) for k in range(steps))


def test_the_additive_method_has_weak_order_two(program: Maker) -> None:
    """The moments of an Ornstein-Uhlenbeck process, e^-1 2 and (1 - e^-2) / 8."""
    spec = program(integral("f", "", "sra1", "    dx = -x * ds + 0.5 * dW"))
    x = ends(spec, "f", np.full(20_000, 2.0), 4)
    mean, variance = chain(4)
    assert abs(x.mean() - mean) < 5 * np.sqrt(variance / len(x))
    assert abs(x.var() - variance) < 5 * variance * np.sqrt(2 / len(x))
    steps, exact = [4, 8, 16], (2 * np.exp(-1), (1 - np.exp(-2)) / 8)
    for moment in (0, 1):
        errors = [abs(chain(n)[moment] - exact[moment]) for n in steps]
        assert abs(np.polyfit(np.log(steps), np.log(errors), 1)[0] + 2) < 0.25


def test_milstein_of_noises_that_do_not_commute(program: Maker) -> None:
    """The symmetric part of the iterated integrals, as a loop with derivatives by hand has it."""
    text = integral("f", "2", "milstein", "    noise dB: [2]\n    dx = -x * ds + [dB[0], 0.5 * x[0] * dB[1]]")
    steps, start = 8, np.array([[1.0, 0.5], [-1.0, 2.0]])
    db, _ = paths_of(program, "milstein", steps, 2)
    x = start
    for n in range(steps):
        a, b = db[:, n].T
        noise = np.stack([a, 0.5 * x[:, 0] * b], 1)
        # The factor of b in x[1] has the derivative 1/2 along x[0], which a moves.
        x = x - x / steps + noise + np.stack([0 * a, 0.25 * a * b], 1)
    np.testing.assert_allclose(ends(program(text), "f", start, steps), x, rtol=1e-12)


def milstein_moments(steps: int) -> tuple[float, float]:
    """E x and E x^2 of Milstein's own chain of dx = 0.3 x ds + 0.7 x dB from 1: x' = x (1 + 0.3 h + 0.7 dB + 0.245 (dB^2 - h))."""
    h = 1 / steps
    return (1 + 0.3 * h) ** steps, ((1 + 0.3 * h) ** 2 + 0.49 * h + 2 * 0.245**2 * h**2) ** steps


def test_milstein_is_of_weak_order_one(program: Maker) -> None:
    """The moments of the chain are those that are drawn, and go to those of the process as the step does."""
    spec = program(integral("f", "", "milstein", "    dx = 0.3 * x * ds + 0.7 * x * dW"))
    x, count = ends(spec, "f", np.ones(100_000), 3), 100_000
    for power, moment in zip((1, 2), milstein_moments(3), strict=True):
        drawn = x**power
        assert abs(drawn.mean() - moment) < 5 * drawn.std() / np.sqrt(count)
    for place, exact in enumerate((np.exp(0.3), np.exp(0.6 + 0.49))):
        errors = [abs(milstein_moments(n)[place] - exact) for n in STEPS]
        assert abs(-np.polyfit(np.log(STEPS), np.log(errors), 1)[0] - 1) < 0.1


def warnings_of(tmp_path: Path, term: str, noise: str = "[2]") -> list[str]:
    path = tmp_path / "spec.mai"
    path.write_text(
        integral("f", "2", "milstein", f"    noise dB: {noise}\n    dx = -x * ds + {term}"), encoding="utf-8"
    )
    return [d.slug for d in check_all(path).diagnostics]


@pytest.mark.parametrize(
    ("term", "is_told"),
    [
        ("x * dB", False), ("sin(x) * ([[1, 2], [3, 4]] @ dB)", False), ("s * flip(dB)", False), ("0 * x + norm(x) * dB[0]", True),
        ("[x[0] * dB[0], 0.5 * sin(x[1]) * dB[1]]", False), ("concat([x[0] * dB[0]], x[1:] * dB[1:])", False),
        ("[x[0] * dB[0], x[1] * (dB[0] + dB[1])]", False), ('rearrange(x[:, None] * dB[:, None], "a b -> (b a)")', False),
        ("[x[1] * dB[0], x[0] * dB[1]]", True), ("[x[0] * dB[0], x[0] * x[1] * dB[1]]", True),
        ("flip(x) * dB", True), ("x + dB", True), ("x[0] * dB", True), ("(x * dB) @ [[1, 2], [3, 4]]", True),
    ],
)  # fmt: skip
def test_noises_that_may_not_commute_are_told(term: str, is_told: bool, tmp_path: Path) -> None:
    wanted = {"x + dB": "not-linear", "0 * x + norm(x) * dB[0]": "not-linear"}.get(term, "tangled-noise")
    assert warnings_of(tmp_path, term) == ([wanted] if is_told else [])


def test_one_number_commutes_with_itself(tmp_path: Path) -> None:
    assert warnings_of(tmp_path, "norm(x) * x[0] * [1, 2] * dB", "[]") == []


DRIVEN = """
export driven(x0: [2], steps: int = 6) -> [2] {
  x = x0
  integrate t in 0..1 using METHOD(steps) {
    noise dB: [1]
    dx = [x[1], -sin(x[0]) - 0.1 * x[1]] * dt + [0, 0.5 * FACTOR] * dB
  }
  return x
}
net walk(x: [2]) -> [2] {
  integrate t in 1..0.5 using METHOD(3) {
    noise dB: [3]
    dx = -x * dt + (FACTOR) * (dB[:2] + 0.5 * dB[2:])
  }
  return x
}
export crowd(x: [4, 2]) -> [4, 2] { return walk(x) }
"""


@pytest.mark.parametrize(
    ("method", "factors"),
    [("milstein", ("x[0]", "x")), ("sra1", ("1", "1 + t")), ("stratonovich_heun", ("x[0]", "x"))],
)
def test_numpy_torch_and_a_file_agree(method: str, factors: tuple[str, str], program: Maker, tmp_path: Path) -> None:
    """With examples, and points of a mapped call, that have noise of their own, whatever else is in the batch."""
    head, tail = DRIVEN.replace("METHOD", method).split("net walk")
    spec = program(head.replace("FACTOR", factors[0]) + "net walk" + tail.replace("FACTOR", factors[1]))
    for name, field, shape in (("driven", "x0", (5, 2)), ("crowd", "x", (3, 4, 2))):
        graph = forms.prepare(spec.exports[name])
        x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
        (by_numpy,) = evaluate(graph, {field: x}, {"seed": 7}, {})
        (by_torch,) = run(lower(graph, Weights({})), graph, {field: x}, {"seed": 7})
        model = load(export(spec, name, Trained({}), tmp_path).path, providers="cpu")
        np.testing.assert_allclose(by_torch, by_numpy, atol=1e-5)
        np.testing.assert_allclose(model(**{field: x}, seed=7), by_numpy, atol=1e-5)
        np.testing.assert_allclose(model(**{field: x[:2]}, seed=7), by_numpy[:2], atol=1e-5)
        one = np.broadcast_to(x[:1, :1] if name == "crowd" else x[:1], shape)
        (apart,) = evaluate(graph, {field: np.array(one)}, {"seed": 7}, {})
        assert len(np.unique(apart.reshape(-1, 2)[:, 1].round(9))) == apart.size // 2


def test_a_derivative_goes_through_the_steps(program: Maker) -> None:
    """Of dx = 0.3 x ds + 0.7 x dB the end is linear in the start: its derivative is their ratio."""
    text = (
        "export f(x: [2]) -> [2] {\n  y = x\n  integrate s in 0..1 using milstein(8) { dy = 0.3 * y * ds + 0.7 * y * dW }\n"
        "  return jvp(y, x, [1, 1]) - y / x\n}\n"
    )
    (apart,) = evaluate(forms.prepare(program(text).exports["f"]), {"x": np.array([[2.0, -3.0]])}, {"seed": 1}, {})
    np.testing.assert_allclose(apart, 0, atol=1e-12)


def test_examples_with_bounds_of_their_own(program: Maker) -> None:
    """The noise of a step has the variance of the step's own length."""
    text = (
        "export f(t: [], steps: int = 4) -> [] {\n  x = 0\n  integrate s in 0..t using milstein(steps) {\n    noise dB: []\n"
        "    dx = 0 * ds + dB\n  }\n  return x\n}\n"
    )
    (x,) = evaluate(forms.prepare(program(text).exports["f"]), {"t": np.repeat([0.0, 1.0, 4.0], 4000)}, {"seed": 2}, {})
    variances = x.reshape(3, -1).var(1)
    np.testing.assert_allclose(variances, [0, 1, 4], rtol=0.1)


@pytest.mark.parametrize(
    ("line", "slug"),
    [
        *[
            (f"integrate s in 0..1 using {method}(3) {{ {increment} }}", "not-linear")
            for method in ("euler_maruyama", "sra1")
            for increment in (
                "dx = -x + dW",
                "dx = x + dW",
                "dx = -x + ds",
                "dx = ds * dW",
                "dx = -x * ds + ds^2",
                "dx = dW^2",
                "dx = x * dW * dW",
                "dx = sin(dW)",
                "dx = x * sqrt(ds)",
                "dx = x * (1 - ds) + dW",
                "dx = where(x > 0, dW, x)",
                "a = -x\n dx = a + dW",
                "dx = 0 * ds + dW / ds",
                "noise dB: []\n dx/ds = -x + dB",
            )
        ],
        ("integrate s in 0..1 using rk4(3) {\n noise dB: [1]\n dx/ds = x }", "not-stochastic"),
        ("integrate s in 0..1 using milstein(3) {\n noise dB: int\n dx = x * dB }", "dtype-mismatch"),
        ("integrate s in 0..1 using milstein(3) {\n noise ds: [2]\n dx = x * ds }", "noise-name"),
        ("integrate s in 0..1 using milstein(3) {\n noise dx: [2]\n dx = x * ds }", "noise-name"),
        ("integrate s in 0..1 using milstein(3) {\n noise dB: [2]\n dx = x * ds + dB * ds }", "not-linear"),
        ("integrate s in 0..1 using sra1(3) { dx = x * ds + where(x > 0, 1, 2) * dW }", "noise-reads-state"),
        ("integrate s in 0..1 using milstein(3) { dx = x * ds + x * linear(dW, 2) }", "not-linear"),
        ("integrate s in 0..1 using euler_maruyama(3) {\n noise dB: []\n dx = x * dB } until dB > 0", "no-event"),
        ("repeat 3 {\n noise dB: [2]\n x = x + dB }", "noise-outside"),
    ],
)
def test_what_no_method_takes_is_refused(line: str, slug: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(f"export f(x: [2]) -> [2] {{\n  {line}\n  return x\n}}\n", encoding="utf-8")
    (error,) = check_all(path).diagnostics
    assert error.slug == slug and error.span is not None


def test_noise_is_a_name_elsewhere(program: Maker) -> None:
    text = "layer noise(x: [2], s: []) -> [2] { return s * x }\nexport f(x: [2]) -> [2] {\n  noise = noise(x, 3)\n  noise += 1\n  return noise\n}\n"
    (y,) = evaluate(forms.prepare(program(text).exports["f"]), {"x": np.ones((1, 2))}, {}, {})
    np.testing.assert_allclose(y, [[4, 4]])
