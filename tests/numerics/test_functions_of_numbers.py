"""Functions of the language against torch's, through the compiled file: of single numbers, over axes, of matrices, of places."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mai.compiler.check import check, check_text
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.runtime import load
from mai.runtime.arrays import Array

Make = Callable[[str], Program]
Tensor = torch.Tensor
X = torch.from_numpy(np.random.default_rng(1).standard_normal((2, 4, 4)).astype(np.float32))
SAME_SHAPE: dict[str, Callable[[Tensor], Tensor]] = {
    "mish(x)": torch.nn.functional.mish,
    "hard_swish(4 * x)": lambda x: torch.nn.functional.hardswish(4 * x),
    "log_sigmoid(40 * x)": lambda x: torch.nn.functional.logsigmoid(40 * x),
    "sort(x)": lambda x: torch.sort(x, -1).values,
    "sort(x, axis = 0)": lambda x: torch.sort(x, 1).values,
    "arcsinh(x^3 * 1e9) + arcsinh(x / 1e6)": lambda x: torch.asinh(x**3 * 1e9) + torch.asinh(x / 1e6),
    "arccosh(1 + abs(x))": lambda x: torch.acosh((1 + x.abs()).double()).float(),
    "arccosh(1 + abs(x) * 1e30)": lambda x: torch.acosh(1 + x.abs().double() * 1e30).float(),
    "arctanh(tanh(x))": torch.clone,
    "softsign(x)": torch.nn.functional.softsign,
    "elu(x, alpha = 0.5)": lambda x: torch.nn.functional.elu(x, 0.5),
    "clip(x, -0.5, high = 1)": lambda x: torch.clamp(x, -0.5, 1),
    "tril(x)": torch.tril,
    "tril(x, 1)": lambda x: torch.tril(x, 1),
    "triu(x)": torch.triu,
    "triu(x, k = -1)": lambda x: torch.triu(x, -1),
    "flip(x, axis = 0)": lambda x: torch.flip(x, (1,)),
    "roll(x, 1)": lambda x: torch.roll(x, 1, 2),
    "roll(x, -5, axis = 0)": lambda x: torch.roll(x, -5, 1),
    "roll(x, 4)": lambda x: x,
    "gather(x, argsort(x))": lambda x: torch.sort(x, -1).values,
    "diag(x[0]) + 0 * x": lambda x: torch.diag_embed(x[:, 0]),
    "one_hot([3, 0, 1, 2], 4) @ x": lambda x: x[:, [3, 0, 1, 2]],
    "x - var(x) - std(x, axis = 0)": lambda x: (
        x - x.var((1, 2), correction=0)[:, None, None] - x.std(1, correction=0, keepdim=True)
    ),
    "x / norm(x, axis = -1, keep = true)": lambda x: torch.nn.functional.normalize(x, dim=-1),
    "x * prod(x[0]) * prod(x, axis = [0], keep = true)": lambda x: (
        x * x[:, 0].prod(-1)[:, None, None] * x.prod(1, keepdim=True)
    ),
    "where(any(x > 1, axis = 1, keep = true), x, 0.0)": lambda x: torch.where((x > 1).any(-1, keepdim=True), x, 0.0),
    "where(all(x < 2), x, 0.0)": lambda x: torch.where((x < 2).flatten(1).all(-1)[:, None, None], x, 0.0),
    "x + tan(0.5) + arctan2(1, -2) + round(2.5) + clip(3, 0, 2) + log1p(0.1)": lambda x: (
        x + float(np.tan(0.5) + np.arctan2(1, -2) + 2 + 2 + np.log1p(0.1))
    ),
}


def computed(program: Program, folder: Path, **inputs: Array) -> Array:
    return np.asarray(load(export(program, "f", Trained({}), folder).path, providers="cpu")(**inputs))


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Array]:
    """What one file computes of every line of `SAME_SHAPE`."""
    types, lines = ", ".join(["[4, 4]"] * len(SAME_SHAPE)), ", ".join(SAME_SHAPE)
    program = check_text(Path("f.mai"), f"export f(x: [4, 4]) -> ({types}) {{ return ({lines}) }}\n").program
    assert program is not None
    file = export(program, "f", Trained({}), tmp_path_factory.mktemp("f")).path
    return dict(zip(SAME_SHAPE, load(file, providers="cpu")(x=X.numpy()).values(), strict=True))


@pytest.mark.parametrize("line", SAME_SHAPE)
def test_functions_are_those_of_torch(line: str, results: dict[str, Array]) -> None:
    np.testing.assert_allclose(results[line], SAME_SHAPE[line](X).numpy(), rtol=1e-5, atol=1e-6)


def test_the_slope_of_arcsinh_at_0(program: Make, tmp_path: Path) -> None:
    text = "export f(x: [3]) -> [3] { return grad(sum(arcsinh(x)), x) }\n"
    x = np.array([[0, -2, 1e12]], np.float32)
    np.testing.assert_allclose(computed(program(text), tmp_path, x=x), 1 / np.sqrt(1 + x**2), rtol=1e-5)


def test_the_largest_and_their_places(program: Make, tmp_path: Path) -> None:
    text = "export f(x: [4, 4]) -> ([4, 2], [4, 2]) {\n  (v, i) = top_k(x, 2)\n  return (v, 1.0 * i)\n}\n"
    result = load(export(program(text), "f", Trained({}), tmp_path).path, providers="cpu")(x=X.numpy())
    values, places = result.values() if isinstance(result, dict) else result
    theirs = torch.topk(X, 2)
    np.testing.assert_array_equal(values, theirs.values)
    np.testing.assert_array_equal(places, theirs.indices)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_an_axis_of_any_size_is_rolled_around(count: int, program: Make, tmp_path: Path) -> None:
    x = np.arange(2.0 * count * 3, dtype=np.float32).reshape(2, count, 3)
    result = computed(program("export f(x: [P, 3]) -> [P, 3] { return roll(x, 3, axis = 0) }\n"), tmp_path, x=x)
    np.testing.assert_array_equal(result, np.roll(x, 3, axis=1))


@pytest.mark.parametrize("rows", ["P", "4"])
@pytest.mark.parametrize("function", ["prod(x, axis = 0)", "cumprod(x, axis = 1)"])
def test_products_with_zeros_have_their_derivative(rows: str, function: str, program: Make, tmp_path: Path) -> None:
    x = np.array([[[1, 0, 2], [3, 4, 0], [0, 0, 5], [2, -1, 3]]], np.float32)
    text = f"export f(x: [{rows}, 3]) -> [{rows}, 3] {{ return grad(sum({function} * {function} + {function}), x) }}\n"
    result = computed(program(text), tmp_path, x=x)
    moving = torch.from_numpy(x).requires_grad_(True)
    value = moving.prod(1) if function.startswith("prod") else moving.cumprod(2)
    (value * value + value).sum().backward()
    np.testing.assert_allclose(result, moving.grad, rtol=1e-6)


@pytest.mark.parametrize("function", ["log1p", "expm1", "sinh", "tan", "arctan", "arcsin"])
def test_results_near_zero_have_all_digits(function: str, program: Make, tmp_path: Path) -> None:
    x = np.array([[-1e-3, -1e-7, 1e-12, 1e-5, 0.1]], np.float32)
    result = computed(program(f"export f(x: [5]) -> [5] {{ return {function}(x) }}\n"), tmp_path, x=x)
    np.testing.assert_allclose(result, getattr(np, function)(x.astype(np.float64)), rtol=5e-7)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("clip(x, 0)", "`clip` lacks its argument `high`"),
        ("normalise_layer(x, bias = x)", "`normalise_layer` lacks its argument `weight`"),
        ("top_k(x, 5)", "there are 4 elements, not 5, along axis -1"),
        ("tile(x, [2, 2])", "2 numbers for a tensor with 1 axis"),
        ("tile(x, 0)", "a whole number of at least 1 is needed here, this is 0"),
        ("one_hot(x, 4)", "`one_hot` takes whole numbers, this is real"),
        ("gather(x, x)", "`gather` takes whole numbers, this is real"),
        ("masked(x > 0, x)", "scores are numbers, these are true or false"),
        ("all(x)", "true or false is needed here, this is a number"),
        ("arcsin(2)", "arcsin(2) is not a real number"),
    ],
)
def test_what_is_wrong_is_told(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(f"export f(x: [4]) -> [4] {{ return {line} }}\n")
    assert [d.message for d in check(path).diagnostics] == [message]
