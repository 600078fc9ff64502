"""Linear algebra in whole programs: numpy = torch = ONNX Runtime = LAPACK, for examples of which one has no solution."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export
from mai.compiler.passes.forms import prepare
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.runtime.arrays import Array

Maker = Callable[[str], Program]
SPEC = """
# Every function of matrices, of a fixed size and of a free one, with axes before the matrix, and as a derivative.
export solved(A: [3, 3], B: [3, 2], b: [3]) -> ([3, 2], [3], [3], [3], [3, 3]) {
  return (solve(A, B), solve(A, b), solve_triangular(A, b), solve_triangular(A, b, lower = false), inverse(A))
}
export numbers(A: [n, n]) -> ([], [], [], [n, n]) { return (det(A), logdet(A @ A'), trace(A), expm(A)) }
export many(A: [5, 3, 3], b: [3], B: [5, 3]) -> ([5, 3], [5, 3], [5]) { return (solve(A, b), solve(A, B), logdet(A @ A' + identity(3))) }
export cofactors(A: [3, 3]) -> ([3, 3], [], [3, 3]) {
  slope = grad(det(A), A)
  return (slope, jvp(det(A), A, outer(range(3), range(3) + 1)), grad(sum(slope * outer(range(3), range(3) + 1)), A))
}
export slope(A: [3, 3]) -> [3, 3] {
  return grad(logdet(A @ A' + identity(3)) + sum(expm(A) * outer(range(3), range(3) + 1)) + trace(cholesky(A @ A' + identity(3))), A)
}
"""

FACTORS = """
# Orthogonal factors.
export tall(A: [m, n]) -> ([m, n], [n, n]) {
  (Q, R) = qr(A)
  return (Q, R)
}
export spectrum(A: [n, n]) -> ([n], [n, n]) {
  (values, vectors) = eigh(A)
  return (values, vectors)
}
export slope(A: [4, 4]) -> ([4, 4], [4, 4], [4, 4]) {
  (values, vectors) = eigh(A)
  (Q, R) = qr(A)
  weights = outer(range(4), range(4) + 1)
  bent = grad(sum(sin(vectors) * weights) + sum(values^3), A)
  return (bent, grad(sum(sin(Q) * weights) + sum(sin(R) * weights), A), grad(sum(sin(bent)), A))
}
export equal(A: [3, 3]) -> [3, 3] {
  (values, vectors) = eigh(A)
  return grad(sum(exp(values)), A)
}
"""


def everywhere(program: Program, name: str, folder: Path, feed: dict[str, Array]) -> list[Array]:
    """What an export gives in numpy, which torch and its file give too."""
    graph = prepare(program.exports[name])
    ours = evaluate(graph, feed, None, {})
    path = export(program, name, Trained(load_weights(program, None)[0]), folder).path
    in_onnx = load(path, providers="cpu")(**feed)
    results = {"torch": run(lower(graph, Weights(graph.weights)), graph, feed, {})}
    results["onnx"] = list(in_onnx.values()) if isinstance(in_onnx, dict) else [in_onnx]
    for spec, values in results.items():
        for value, wanted in zip(values, ours, strict=True):
            np.testing.assert_allclose(value, wanted, rtol=2e-4, atol=2e-4, err_msg=spec)
    return ours


def examples(*shape: int) -> Array:
    return np.asarray(np.random.default_rng(4).standard_normal(shape), np.float32)


def test_equations(program: Maker, tmp_path: Path) -> None:
    a, right, b = examples(4, 3, 3), examples(4, 3, 2), examples(4, 3)
    a[1] = [[1, 2, 3], [2, 4, 6], [0, 1, 1]]
    a[2, 0, 0] = 0  # Elimination has to exchange rows; the triangles have no inverse.
    solutions = everywhere(program(SPEC), "solved", tmp_path, {"A": a, "B": right, "b": b})
    for value in (solutions[0], solutions[1], solutions[4]):
        assert np.isnan(value[1]).all()
    assert np.isnan(solutions[2][2]).all() and np.isnan(solutions[3][2]).all()
    for i in (0, 2, 3):
        np.testing.assert_allclose(solutions[0][i], np.linalg.solve(a[i], right[i]), rtol=1e-4)
        np.testing.assert_allclose(solutions[1][i], np.linalg.solve(a[i], b[i]), rtol=1e-4)
        np.testing.assert_allclose(solutions[4][i], np.linalg.inv(a[i]), rtol=1e-4)
    np.testing.assert_allclose(solutions[3][0], np.linalg.solve(np.triu(a[0]), b[0]), rtol=1e-4)


@pytest.mark.parametrize("size", [1, 2, 12])
def test_numbers_of_a_matrix_of_free_size(program: Maker, tmp_path: Path, size: int) -> None:
    a = examples(3, size, size)
    a[1] *= 9 / np.abs(a[1]).sum(0).max()
    a[2] = 0
    det, log, trace, exponential = everywhere(program(SPEC), "numbers", tmp_path, {"A": a})
    np.testing.assert_allclose(det, np.linalg.det(a), rtol=1e-4)
    np.testing.assert_allclose(log[:2], np.linalg.slogdet(a[:2] @ a[:2].swapaxes(1, 2))[1], rtol=1e-4)
    assert np.isneginf(log[2])
    np.testing.assert_allclose(trace, np.trace(a, axis1=1, axis2=2), rtol=1e-5)
    np.testing.assert_allclose(exponential, torch.matrix_exp(torch.from_numpy(a).double()), rtol=1e-6, atol=1e-6)


def test_axes_before_the_matrix(program: Maker, tmp_path: Path) -> None:
    a, b, right = examples(2, 5, 3, 3), examples(2, 3), examples(2, 5, 3)
    one, each, log = everywhere(program(SPEC), "many", tmp_path, {"A": a, "b": b, "B": right})
    np.testing.assert_allclose(one, np.linalg.solve(a, b[:, None, :, None])[..., 0], rtol=1e-4)
    np.testing.assert_allclose(each, np.linalg.solve(a, right[..., None])[..., 0], rtol=1e-4)
    np.testing.assert_allclose(log, np.linalg.slogdet(a @ a.swapaxes(-1, -2) + np.eye(3))[1], rtol=1e-5)


def test_a_derivative_is_that_of_torch(program: Maker, tmp_path: Path) -> None:
    a = examples(4, 3, 3)
    (result,) = everywhere(program(SPEC), "slope", tmp_path, {"A": a})
    x = torch.from_numpy(a).double().requires_grad_(True)
    gram = x @ x.mT + torch.eye(3, dtype=torch.float64)
    weights = torch.arange(3.0)[:, None] * torch.arange(1.0, 4.0)
    total = torch.logdet(gram).sum() + (torch.matrix_exp(x) * weights).sum()
    (total + torch.linalg.cholesky(gram).diagonal(dim1=-2, dim2=-1).sum()).backward()
    np.testing.assert_allclose(result, x.grad, rtol=1e-6)


def cofactors(a: Array) -> Array:
    """det(U) det(V) U diag(the product of all other singular values) V', which is the adjugate's transpose."""
    u, s, v = np.linalg.svd(a.astype(np.float64))
    others = np.stack([np.prod(np.delete(s, i, -1), -1) for i in range(s.shape[-1])], -1)
    return (np.linalg.det(u) * np.linalg.det(v))[:, None, None] * (u * others[:, None]) @ v


def test_the_derivative_of_a_determinant_is_its_cofactors_also_where_it_is_0(program: Maker, tmp_path: Path) -> None:
    a = examples(4, 3, 3)
    a[1, 2] = a[1, 0] - a[1, 1]  # Of rank two, of rank one, of zeros.
    a[2] = np.outer(a[2, 0], a[2, 1])
    a[3] = 0
    slope, along, bend = everywhere(program(SPEC), "cofactors", tmp_path, {"A": a})
    weights = np.outer(range(3), range(1, 4))
    np.testing.assert_allclose(slope, cofactors(a), atol=1e-5)
    np.testing.assert_allclose(along, (cofactors(a) * weights).sum((1, 2)), atol=1e-5)
    for place in np.ndindex(3, 3):  # Cofactors of three rows are of the second degree: this difference is exact.
        step = np.zeros((3, 3))
        step[place] = 0.5
        change = (cofactors(a + step) - cofactors(a - step)) * weights
        np.testing.assert_allclose(bend[:, *place], change.sum((1, 2)), atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (5, 3), (20, 12)])
def test_orthogonal_factors_are_those_of_lapack(program: Maker, tmp_path: Path, height: int, width: int) -> None:
    a = examples(3, height, width)
    a[1] = 1  # Of rank one.
    q, r = everywhere(program(FACTORS), "tall", tmp_path, {"A": a[[0, 2]]})
    wanted = np.linalg.qr(a[[0, 2]])
    np.testing.assert_allclose(q, wanted.Q, atol=1e-5)
    np.testing.assert_allclose(r, wanted.R, atol=1e-5)
    result = load(tmp_path / "spec.tall.onnx", providers="cpu")(A=a)
    q, r = result.values()
    np.testing.assert_allclose(q @ r, a, atol=1e-5)
    np.testing.assert_allclose(q.swapaxes(1, 2) @ q, np.broadcast_to(np.eye(width), (3, width, width)), atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 3, 12])
def test_spectra_of_symmetric_matrices(program: Maker, tmp_path: Path, size: int) -> None:
    a = examples(3, size, size)
    a = (a + a.swapaxes(1, 2)) / 2
    values, vectors = everywhere(program(FACTORS), "spectrum", tmp_path, {"A": a})
    np.testing.assert_allclose(values, np.linalg.eigvalsh(a), atol=1e-6)
    ties = np.stack([np.eye(size), np.ones((size, size)), np.zeros((size, size)), np.full((size, size), np.nan)])
    values, vectors = load(tmp_path / "spec.spectrum.onnx", providers="cpu")(A=ties.astype(np.float32)).values()
    assert np.isnan(values[3]).all() and np.isnan(vectors[3]).all()
    np.testing.assert_allclose(values[:3], np.linalg.eigvalsh(ties[:3]), atol=1e-5)
    np.testing.assert_allclose((vectors * values[:, None])[:3] @ vectors[:3].swapaxes(1, 2), ties[:3], atol=1e-5)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_training_goes_back_through_eigenvectors(program: Maker, count: int) -> None:
    """f(A) = V diag(f(w)) V' has no signs; torch's own derivative is the reference. It was NaN: a vector turned towards itself."""
    spec = program(
        f"export f(A: [2, {count}, {count}]) -> [2, {count}, {count}] {{\n  (w, v) = eigh(A)\n"
        "  return (v * sqrt(1 + w^2)[:, None, :]) @ v'\n}\n"
    )
    x = torch.from_numpy(examples(3, 2 * count, count).reshape(3, 2, count, count)).float().requires_grad_()
    graph = prepare(spec.exports["f"])
    (ours,) = lower(graph, Weights(graph.weights))(x)
    values, vectors = torch.linalg.eigh(((x + x.mT) / 2).double())
    wanted = (vectors * torch.sqrt(1 + values**2)[..., None, :]) @ vectors.mT
    slopes = [torch.autograd.grad(torch.sin(y).sum(), x, retain_graph=True)[0] for y in (ours, wanted)]
    torch.testing.assert_close(ours.double(), wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(*slopes, rtol=1e-3, atol=1e-4)


def _objective(a: torch.Tensor) -> torch.Tensor:
    values, vectors = torch.linalg.eigh((a + a.mT) / 2)
    signs = torch.sign((vectors * torch.cos(1 + 2.399963 * torch.arange(4.0))[:, None]).sum(-2, keepdim=True))
    weights = torch.arange(4.0)[:, None] * torch.arange(1.0, 5.0)
    return (torch.sin(vectors * signs) * weights).sum() + (values**3).sum()


def test_derivatives_of_factors_are_those_of_torch(program: Maker, tmp_path: Path) -> None:
    a = examples(3, 4, 4)
    bent, turned, twice = everywhere(program(FACTORS), "slope", tmp_path, {"A": a})
    x = torch.from_numpy(a).double().requires_grad_(True)
    (first,) = torch.autograd.grad(_objective(x), x, create_graph=True)
    (second,) = torch.autograd.grad(torch.sin(first).sum(), x)
    np.testing.assert_allclose(bent, first.detach(), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(twice, second, rtol=1e-6, atol=1e-8)
    q, r = torch.linalg.qr(x)
    weights = torch.arange(4.0)[:, None] * torch.arange(1.0, 5.0)
    (wanted,) = torch.autograd.grad(((torch.sin(q) + torch.sin(r)) * weights).sum(), x)
    np.testing.assert_allclose(turned, wanted, rtol=1e-6, atol=1e-8)


def test_equal_eigenvalues_have_derivatives(program: Maker, tmp_path: Path) -> None:
    a = np.stack([np.eye(3), 2 * np.eye(3)]).astype(np.float32)
    (result,) = everywhere(program(FACTORS), "equal", tmp_path, {"A": a})
    np.testing.assert_allclose(result, np.exp(a) * np.eye(3), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("line", "slug", "says"),
    [
        ("solve(A, b)", "shape-mismatch", "square"),
        ("cholesky(A)", "shape-mismatch", "square"),
        ("det(b)", "rank-mismatch", "a matrix"),
        ("solve(A @ A', b)", "shape-mismatch", "as many rows"),
        ("solve(A @ A', 2.0)", "shape-mismatch", "as many rows"),
        ("solve(A, zeros([4]))", "shape-mismatch", "square"),
        ("solve_triangular(2.0, b)", "rank-mismatch", "a matrix"),
        ("identity()", "missing-argument", "identity(n)"),
        ("inverse(A)", "shape-mismatch", ""),
    ],
)
def test_what_is_refused(program: Maker, line: str, slug: str, says: str) -> None:
    with pytest.raises(AssertionError) as refused:
        program(f"export f(A: [3, 2], b: [2]) -> [] {{ return sum({line}) }}")
    assert slug in str(refused.value) and says in str(refused.value)


@pytest.mark.parametrize("size", [5, 12, 48])
def test_equal_eigenvalues_have_orthogonal_vectors(program: Maker, tmp_path: Path, size: int) -> None:
    """Of projections and matrices of low rank, what is left beside the diagonal is roundings: no rotation may grow by them."""
    rng = np.random.default_rng(size)
    spectra = (np.arange(size) < size // 2, np.arange(size) < 2, 1 + (np.arange(size) % 3), 10.0 ** -np.arange(size))
    bases = [np.linalg.qr(rng.standard_normal((size, size)))[0] for _ in spectra]
    a = np.stack([(q * values) @ q.T for q, values in zip(bases, spectra, strict=True)])
    a = np.asarray((a + a.swapaxes(1, 2)) / 2, np.float32)
    checked = program(FACTORS)
    path = export(checked, "spectrum", Trained(load_weights(checked, None)[0]), tmp_path).path
    values, vectors = load(path, providers="cpu")(A=a).values()
    np.testing.assert_allclose(values, np.linalg.eigvalsh(a.astype(float)), atol=5e-6)
    np.testing.assert_allclose(vectors.swapaxes(1, 2) @ vectors, np.broadcast_to(np.eye(size), a.shape), atol=5e-6)
    np.testing.assert_allclose(a @ vectors, vectors * values[:, None], atol=1e-5)
