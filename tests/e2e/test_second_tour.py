"""Models as their papers say them: each spec of the folder is sound, trains, and passes the gate."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.runtime import load
from mai.spec import ast

EXAMPLES = Path(__file__).parents[2] / "examples"
PAPERS = EXAMPLES / "papers"
EQUATIONS = PAPERS / "pendulum.mai"  # Which have nothing to train.
SHOWN = [EXAMPLES / f"{name}.mai" for name in ("deep_equilibrium", "realnvp")]
FIRST = sorted((Path(__file__).parent / "second_tour").glob("*.mai"))
SPECS = [*FIRST, *sorted(set(PAPERS.glob("*.mai")) - {EQUATIONS}), *SHOWN]
POINTS, ROWS = 32, 40


def write_data(folder: Path) -> None:
    """Small data of the names and shapes that the specs ask for: functions of a line, a flow's fields, series, a signal."""
    rng = np.random.default_rng(0)
    x = np.sort(rng.uniform(-1, 1, (ROWS, POINTS, 1)), axis=1)
    waves = np.sin(3 * x[..., 0] + rng.uniform(0, 6, (ROWS, 1)))
    np.savez(folder / "functions.npz", x=x, y=waves + 0.1 * rng.standard_normal((ROWS, POINTS)))
    np.savez(folder / "burgers.npz", a=waves[..., None], u=np.roll(waves, 1, axis=1)[..., None])
    seen = (rng.uniform(size=(ROWS, POINTS)) < 0.7).astype(float)
    np.savez(folder / "series.npz", times=(x[..., 0] + 1) / 2, x=waves[..., None], seen=seen)
    ramp = np.arange(1024) / 20 + rng.uniform(0, 6, (ROWS, 1))
    np.savez(folder / "waves.npz", x=(127.5 + 127 * np.sin(ramp)).astype(np.int64))


@pytest.mark.slow
@pytest.mark.parametrize("path", SPECS, ids=lambda p: p.stem)
def test_a_spec_trains_and_compiles(path: Path, tmp_path: Path) -> None:
    write_data(tmp_path)
    copied = Path(shutil.copy(path, tmp_path))
    checked = check(copied)
    assert checked.program is not None and not checked.diagnostics
    result = train(checked.program, tmp_path / "run", Options(device="cpu", quiet=True, steps=5))
    assert math.isfinite(result.figures["loss"])
    weights, steps = load_weights(checked.program, result.weights)
    assert steps == 5 * sum(isinstance(d, ast.Train) for d in checked.program.file.declarations)
    for name in checked.program.exports:
        assert export(checked.program, name, Trained(weights), tmp_path).error < 1e-4


@pytest.mark.slow
def test_a_routed_text_is_that_of_whole_rows(tmp_path: Path) -> None:
    """Windows, experts, several ends and a search, with a cache and without, for prompts of different lengths."""
    program = check(PAPERS / "routed.mai").program
    assert program is not None
    weights = load_weights(program, None)[0]
    rng = np.random.default_rng(0)
    prompt = rng.integers(2, 512, (3, 40))
    prompt[1, :17] = -1
    growing = [name for name, graph in program.exports.items() if "prompt" in {v.name for v in graph.inputs}]
    assert len(growing) > 1
    for name in growing:
        texts, seeded = [], {"seed": 1} if name == "generate" else {}
        for cache in ("concat", "none"):
            path = export(program, name, Trained(weights), tmp_path, CompileOptions(cache=cache)).path
            texts.append(load(path, providers="cpu")(prompt=prompt, count=20, **seeded))
        np.testing.assert_array_equal(*texts)


@pytest.mark.slow
def test_a_stiff_equation_an_event_and_noise(tmp_path: Path) -> None:
    """Beside scipy's Radau, the closed form of a fall, and the moments of noise."""
    checked = check(EQUATIONS)
    assert checked.program is not None and not checked.diagnostics
    files = {name: load(export(checked.program, name, Trained({}), tmp_path).path) for name in checked.program.exports}
    starts, horizon = np.array([[2, 0], [0.5, 1]], np.float32), np.array([100, 300], np.float32)
    paths = files["van_der_pol"](x0=starts, horizon=horizon)
    for i, (start, end) in enumerate(zip(starts.tolist(), horizon.tolist(), strict=True)):
        exact = solve_ivp(
            lambda t, x: [x[1], 200 * (1 - x[0] ** 2) * x[1] - x[0]], (0, end), start, "Radau", rtol=1e-9, atol=1e-11
        )
        np.testing.assert_allclose(paths[i], exact.y[:, -1], rtol=2e-4, atol=2e-4)
    height, speed = np.array([1, 20, 0.1], np.float32), np.array([0, 5, -3], np.float32)
    falls = files["bounce"](height=height, speed=speed)
    root = np.sqrt(speed**2 + 2 * 9.81 * height)
    np.testing.assert_allclose(falls["hit"], (speed + root) / 9.81, rtol=2e-6)
    np.testing.assert_allclose(falls["v"], -root, rtol=2e-6)
    ended = files["driven"](x0=np.tile(np.float32([0, 0]), (4, 1)), seed=3)
    np.testing.assert_array_equal(ended, 0)  # The pendulum rests, and so does the noise, which is proportional to it.
