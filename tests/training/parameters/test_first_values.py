"""First values that the training examples say: of states, params and `let`s; normalisation and what is missing."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file

from mai.compiler.check import check, check_text
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.runtime import Model, load

Maker = Callable[[str], Program]
Weights = dict[str, np.ndarray]
DATA = 'data x: [2], price: [] from npz("data.npz")\n'
TRAIN = "train(steps = {0}, batch = 10) {{ minimize (f(x) - price)^2 }}\n"
NET = "net f(x: [2]) -> [] {{ return linear({0}, 1)[0] }}\n"


def weights(program: Program, out: Path, **options: object) -> Weights:
    train(program, out, Options(quiet=True, device="cpu", **options))  # type: ignore[arg-type]
    return {name: tensor.numpy() for name, tensor in load_file(out / "weights.safetensors").items()}


def rows(tmp_path: Path, count: int = 15) -> tuple[np.ndarray, np.ndarray]:
    """Examples whose numbers are of unlike sizes; of 15 none is held out."""
    generator = np.random.default_rng(0)
    x = (generator.normal(0, 1, (count, 2)) * [10, 0.1] + [100, -5]).astype(np.float32)
    price = generator.gamma(2, 1e5, count).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, price=price)
    return x, price


def test_values_of_all_examples(program: Maker, tmp_path: Path) -> None:
    """A later one reads an earlier one; each is over all examples, though a batch has ten."""
    x, price = rows(tmp_path)
    text = DATA + "let m = mean(across(price), axis = 0)\nlet s = sqrt(mean((across(price) - m)^2, axis = 0))\n"
    text += "net f(x: [2]) -> [] {\n  state low = min(across(x), axis = 0)\n  state range = max(across(x - low), axis = 0)\n"
    text += "  return m + s * linear((x - low) / range, 1)[0]\n}\n"
    parameters = weights(program(text + TRAIN.format(3)), tmp_path / "run")
    expected = {"m": price.mean(), "s": price.std(), "f.low": x.min(0), "f.range": x.max(0) - x.min(0)}
    for name, value in expected.items():
        assert np.allclose(parameters[name], value, rtol=1e-5), name


def test_what_is_held_out_says_nothing(program: Maker, tmp_path: Path) -> None:
    x, _ = rows(tmp_path, 40)
    before = weights(program(DATA + NET.format("normalise(x)") + TRAIN.format(1)), tmp_path / "run")
    everything = x.mean(0)
    assert not np.allclose(before["f.normalise_1.mean_of"], everything, rtol=1e-5)
    assert np.allclose(before["f.normalise_1.mean_of"], everything, rtol=0.05)


def test_a_weight_that_training_moves_begins_so(program: Maker, tmp_path: Path) -> None:
    """Glow's normalisation of activations: in every turn by what the turn before gives (Kingma and Dhariwal 2018)."""
    x, _ = rows(tmp_path)
    text = DATA + (
        "layer actnorm(x: [d]) -> [d] {\n  param s: [d] = 1 / std(across(x), axis = 0)\n"
        "  param b: [d] = -mean(across(x), axis = 0) * s\n  return s * x + b\n}\n"
        "net f(x: [2]) -> [] {\n  repeat 2 { x = exp(actnorm(x)) }\n  return sum(x)\n}\n"
    )
    moved = weights(
        program(text + "train(steps = 1, batch = 10, optimizer = sgd(lr = 1e-12)) { minimize f(x)^2 }"), tmp_path / "r"
    )
    h = x
    for turn in range(2):
        assert np.allclose(moved[f"f.repeat_1.{turn}.actnorm_1.s"], 1 / h.std(0), rtol=1e-4)
        h = np.exp((h - h.mean(0)) / h.std(0))


def test_a_second_set_of_parameters_begins_as_the_first(program: Maker, tmp_path: Path) -> None:
    rows(tmp_path)
    text = DATA + NET.format("normalise(x)") + "net slow = average(f, 0.9)\n" + TRAIN.format(1)
    text += "export g(x: [2]) -> [] { return slow(x) }\n"
    parameters = weights(program(text), tmp_path / "run")
    assert np.array_equal(parameters["f.normalise_1.deviation"], parameters["slow.normalise_1.deviation"])


def test_other_data_leave_what_a_run_has_found(program: Maker, tmp_path: Path) -> None:
    """Of weights that are trained on, and of a run that is resumed."""
    rows(tmp_path)
    spec = program(DATA + NET.format("normalise(x)") + TRAIN.format(4))
    first = weights(spec, tmp_path / "first")
    x = np.zeros((30, 2), np.float32) + np.arange(30, dtype=np.float32)[:, None]
    np.savez(tmp_path / "data.npz", x=x, price=x[:, 0])
    more = weights(spec, tmp_path / "more", weights=tmp_path / "first" / "weights.safetensors")
    assert np.array_equal(first["f.normalise_1.mean_of"], more["f.normalise_1.mean_of"])
    rows(tmp_path)
    weights(spec, tmp_path / "parts", steps=2)
    parts = weights(spec, tmp_path / "parts", steps=4, resume=True)
    assert all(np.array_equal(first[name], parts[name]) for name in first)


def test_a_file_takes_raw_values(program: Maker, tmp_path: Path) -> None:
    x, _ = rows(tmp_path)
    text = DATA + "net h(x: [2]) -> [2] { return normalise(x) }\n" + NET.format("h(x)") + TRAIN.format(2)
    spec = program(text + "export g(x: [2]) -> [2] { return h(x) }\n")
    parameters = weights(spec, tmp_path / "run")
    model = load(export(spec, "g", Trained(parameters), tmp_path).path, providers="cpu")
    assert np.allclose(model(x=x), (x - x.mean(0)) / x.std(0), atol=1e-4)


def test_a_number_that_all_examples_share_says_nothing(program: Maker, tmp_path: Path) -> None:
    """Their mean in float32 is not 0.1, by which they would seem to lie 7e-9 from it, and 0.2 some ten million deviations."""
    x, price = rows(tmp_path)
    x[:, 1] = 0.1
    np.savez(tmp_path / "data.npz", x=x, price=price)
    text = DATA + "net h(x: [2]) -> [2] { return normalise(x) }\n" + NET.format("h(x)") + TRAIN.format(1)
    spec = program(text + "export g(x: [2]) -> [2] { return h(x) }\n")
    model = load(export(spec, "g", Trained(weights(spec, tmp_path / "run")), tmp_path).path, providers="cpu")
    answers = model(x=[[0.0, 0.1], [0.0, 0.2], [0.0, np.nan]])
    assert np.array_equal(answers[:, 1], [0, 0, np.nan], equal_nan=True)


def test_a_file_takes_raw_values_by_quantiles(program: Maker, tmp_path: Path) -> None:
    """An outlier moves neither the middle nor the spread."""
    x, _ = rows(tmp_path)
    text = (
        DATA
        + "net h(x: [2]) -> [2] { return normalise_quantiles(x, 0.1, 0.9) }\n"
        + NET.format("h(x)")
        + TRAIN.format(2)
    )
    spec = program(text + "export g(x: [2]) -> [2] { return h(x) }\n")
    model = load(export(spec, "g", Trained(weights(spec, tmp_path / "run")), tmp_path).path, providers="cpu")
    low, middle, high = np.quantile(x, [0.1, 0.5, 0.9], axis=0)
    assert np.allclose(model(x=np.append(x, [[1e6, -1e6]], 0))[:-1], (x - middle) / (high - low), atol=1e-4)


QUANTILES = (0, 0.25, 0.5, 0.9, 1)


@pytest.fixture(scope="module")
def quantiles(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A file that takes the `QUANTILES` of a row of any size."""
    types, parts = ", ".join(["[]"] * len(QUANTILES)), ", ".join(f"quantile(x, {q})" for q in QUANTILES)
    program = check_text(Path("q.mai"), f"export quantiles(x: [N]) -> ({types}) {{ return ({parts}) }}\n").program
    assert program is not None
    return load(export(program, "quantiles", Trained({}), tmp_path_factory.mktemp("q")).path, providers="cpu")


@pytest.mark.parametrize("count", [1, 2, 7, 8])
def test_quantiles_of_what_is_there(quantiles: Model, count: int) -> None:
    """As numpy's, in a file too; of what is missing altogether there is none."""
    x = np.random.default_rng(count).normal(0, 1, (6, count)).astype(np.float32)
    x[1:, 0], x[2, -1], x[3] = np.nan, np.nan, np.nan
    for q, results in zip(QUANTILES, quantiles(x=x).values(), strict=True):
        with np.errstate(all="ignore"):
            expected = [np.nanquantile(row, q) if not np.isnan(row).all() else np.nan for row in x]
        assert np.allclose(results, expected, atol=1e-6, equal_nan=True), q


def test_dates(program: Maker, tmp_path: Path) -> None:
    """As Python's calendar has them, from the year 1500 on."""
    days = np.concatenate([np.random.default_rng(0).integers(-170_000, 200_000, 500), np.arange(700)])
    spec = program("export parts(t: []) -> ([], [], [], [], []) { return date(t) }\n")
    model = load(export(spec, "parts", Trained({}), tmp_path).path, providers="cpu")
    parts = np.stack(list(model(t=days.astype(np.float32) + 0.25).values()), 1)
    dates = [datetime.date(1970, 1, 1) + datetime.timedelta(int(day)) for day in days]
    assert parts.tolist() == [[d.year, d.month, d.day, d.weekday(), 6] for d in dates]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("state m = x", "differs between them"),
        ("state m: [3] = mean(across(x), axis = 0)", "is [3], and its first value is [2]"),
        ("repeat 3 shared { state m = mean(across(x), axis = 0)\nx = x - m }", "inside a loop"),
        ("state m = zeros", "needs a shape"),
        ("state m = mean(across(x), axis = 1)", "a first value has a fixed shape"),
    ],
)
def test_what_a_first_value_cannot_be(tmp_path: Path, line: str, problem: str) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(DATA + f"net f(x: [2]) -> [] {{\n  {line}\n  return linear(x, 1)[0]\n}}\n" + TRAIN.format(1))
    assert any(problem in diagnostic.message for diagnostic in check(path).diagnostics)
