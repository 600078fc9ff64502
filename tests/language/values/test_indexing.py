"""Several arrays of whole numbers in an index, and `...`: as numpy reads them, in numpy, torch and a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mai.compiler.check import check
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
TEXT = """
const K = 4
export f(z: [6, K], A: [K, K], x: [2, 4, 3], y: class[K][6], i: int[2], j: int[5, 1], k: int) -> ([6], [5], [6, K], [2, 5, 2], [2], [4, 1, 3], [2], [2, 3]) {
  rows = z[range(6), y]
  (a, b) = (x[0, i % 4], x[..., 0])
  (a, b) = (b, a)
  return (rows, A[y[:-1], y[1:]], grad(sum(rows^2), z), x[:, j % 4, i % 3], x[i % 2, k, i], x[1, :, None, ...], a[..., [1, 0], i], b)
}
"""


def as_numpy(
    z: np.ndarray, A: np.ndarray, x: np.ndarray, y: np.ndarray, i: np.ndarray, j: np.ndarray, k: int
) -> list[np.ndarray]:
    rows, slope = np.arange(6), np.zeros_like(z)
    slope[rows, y] = 2 * z[rows, y]
    pairs, taken = A[y[:-1], y[1:]], x[:, j % 4, i % 3]
    return [z[rows, y], pairs, slope, taken, x[i % 2, k, i], x[1, :, None, ...], x[..., 0][[1, 0], i], x[0, i % 4]]


OTHERS = """
export f(x: [4]) -> ([4, 3], [4]) {
  y = zeros([4, 3])
  repeat 4 as i { y = where(range(4)[:, None] == i, concat(x[:i], x[i + 1:]), y) }
  return (y, grad(sum(y^2), x))
}
"""


def test_all_but_one_are_taken_at_either_end(program: Maker) -> None:
    x = np.arange(1.0, 5)
    rows, slope = evaluate(forms.prepare(program(OTHERS).exports["f"]), {"x": x[None]}, {}, {})
    np.testing.assert_array_equal(rows[0], [np.delete(x, i) for i in range(4)])
    np.testing.assert_allclose(slope[0], 6 * x)


EMPTY = """
export f(x: [4]) -> [4] {
  y = zeros([4])
  repeat 4 as i { y = where(range(4) == i, sum(affine(x[:i, None], [[1], [1]], [1, 0])), y) }
  return y
}
"""


def test_a_product_of_no_rows_has_none(program: Maker, tmp_path: Path) -> None:
    file = load(export(program(EMPTY), "f", Trained({}), tmp_path).path, providers="cpu")
    np.testing.assert_allclose(file(x=np.ones((3, 4), np.float32)), [[0, 3, 6, 9]] * 3)


def test_arrays_are_read_together(program: Maker, tmp_path: Path) -> None:
    spec, rng = program(TEXT), np.random.default_rng(0)
    inputs = {
        name: rng.standard_normal((3, *shape)).astype(np.float32)
        for name, shape in {"z": (6, 4), "A": (4, 4), "x": (2, 4, 3)}.items()
    }
    inputs |= {
        "y": rng.integers(0, 4, (3, 6)),
        "i": rng.integers(-3, 3, (3, 2)),
        "j": rng.integers(0, 9, (3, 5, 1)),
        "k": rng.integers(-4, 4, 3),
    }
    graph = forms.prepare(spec.exports["f"])
    file = load(export(spec, "f", Trained({}), tmp_path).path, providers="cpu")
    for results in (
        evaluate(graph, inputs, {}, {}),
        run(lower(graph, Weights({})), graph, inputs, {}),
        file(**inputs).values(),
    ):
        for example in range(3):
            wanted = as_numpy(**{name: array[example] for name, array in inputs.items()})
            for result, want in zip(results, wanted, strict=True):
                np.testing.assert_allclose(np.asarray(result)[example], want, rtol=1e-6)


@pytest.mark.parametrize("wrong", [4, -5])
@pytest.mark.parametrize("place", ["x[range(2), i]", "x[i - 2, [0, 0]]", "x[[1, 1], i]"])
def test_a_place_beyond_the_axis_is_no_other_element(place: str, wrong: int, program: Maker) -> None:
    graph = forms.prepare(program(f"export f(x: [2, 4], i: int[2]) -> [2] {{ return {place} }}").exports["f"])
    inputs = {"x": torch.zeros(1, 2, 4), "i": np.array([[wrong, wrong]])}
    with pytest.raises((IndexError, RuntimeError)):
        run(lower(graph, Weights({})), graph, inputs, {})


def test_arrays_that_are_apart_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(
        "export f(x: [4, 2, 4], i: int[3]) -> [3, 2] { return x[i, :, i] }\nexport g(x: [2]) -> [2] { return x[..., ...] }\n"
    )
    assert [d.slug for d in check(path).diagnostics] == ["rank-mismatch"] * 2


def test_a_slice_that_steps_back_is_told_what_turns_an_axis(tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text("export f(x: [4, 3]) -> [4, 3] { return x[::-1] }\n")
    (refused,) = check(path).diagnostics
    assert refused.slug == "index-out-of-range" and "flip(x, axis = -2)" in str(refused.help)


RESULTS = """
const last = -1
layer pair(x: [d]) -> ([d], int) { return (2 * x, argmax(x)) }
export f(x: [4]) -> (int[2], [2], [], int, [4]) {
  return (top_k(x, 2)[1], split(x, 2)[last], pair(x)[0][2], pair(x)[last], jvp(pair, x, x * x)[2])
}
"""


def test_names_take_the_numbers_of_a_list(program: Maker) -> None:
    text = "export f(x: [N, 3]) -> [] {\n  (n, d) = shape(x)\n  (a, b) = [2, n]\n  return sum(x) / n + a * b * d\n}\n"
    (result,) = evaluate(forms.prepare(program(text).exports["f"]), {"x": np.ones((1, 4, 3))}, {}, {})
    assert result.tolist() == [27]


def test_a_number_takes_one_of_several_results(program: Maker) -> None:
    x = np.array([[1.0, 4, 3, 2]])
    results = evaluate(forms.prepare(program(RESULTS).exports["f"]), {"x": x}, {}, {})
    places, half, double, largest, slope = (result[0].tolist() for result in results)
    assert (places, half, double, largest, slope) == ([1, 2], [3, 2], 6, 1, [2, 32, 18, 8])


def test_parts_have_the_sizes_of_a_list(program: Maker, tmp_path: Path) -> None:
    text = "export f(x: [n, 7]) -> ([1, 7], [n - 1, 7], [n, 4]) {\n  (a, b) = split(x, [1, n - 1], axis = 0)\n  return (a, b, split(x, [2, 4, 1])[1])\n}\n"
    x = np.arange(42, dtype=np.float32).reshape(2, 3, 7)
    results = load(export(program(text), "f", Trained({}), tmp_path).path, providers="cpu")(x=x)
    for result, expected in zip(results.values(), (x[:, :1], x[:, 1:], x[:, :, 2:6]), strict=True):
        np.testing.assert_array_equal(result, expected)
    path = tmp_path / "spec.mai"
    wrong = {"[2, 4]": "parts of 2, 4 are 6 in all, and the axis has 7", "[]": "a list without sizes names no part"}
    for parts, message in wrong.items():
        path.write_text(f"export f(x: [7]) -> [2] {{ return split(x, {parts})[0] }}\n")
        assert [d.message for d in check(path).diagnostics] == [message]
    by_setting = "export f(x: [7], k: int = 2) -> [] { return sum(split(x, [k, 7 - k])[0]) }\n"
    setting = program(by_setting).exports["f"].settings["k"]
    assert (setting.minimum, setting.maximum) == (1, 6)


@pytest.mark.parametrize(
    ("index", "slug"), [("[2]", "index-out-of-range"), ("[k]", "type-mismatch"), ("[0, 0]", "type-mismatch")]
)
def test_which_result_is_known_by_its_number(index: str, slug: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(f"export f(x: [4], k: int) -> [2] {{ return k * split(x, 2){index} }}\n")
    assert [d.slug for d in check(path).diagnostics] == [slug]


def test_an_empty_list_is_a_vector_without_numbers(program: Maker, tmp_path: Path) -> None:
    """It grows by `concat` in a `repeat`, as lists elsewhere do."""
    spec = program(
        "export f(x: [3]) -> ([5], [0], int) {\n  ys = []\n  repeat 3 as i { ys = concat(ys, [x[i] * i]) }\n"
        "  return (concat(ys, [], [4, sum([])]), x[[]], sum([]) + 1)\n}\n"
    )
    file = load(export(spec, "f", Trained({}), tmp_path).path, providers="cpu")
    longer, empty, one = file(x=np.float32([[5, 6, 7], [8, 9, 10]])).values()
    assert longer.tolist() == [[0, 6, 14, 4, 0], [0, 9, 20, 4, 0]]
    assert (empty.shape, one.tolist()) == ((2, 0), [1, 1])
