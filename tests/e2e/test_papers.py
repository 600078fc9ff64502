"""More models as their papers say them: each trains, compiles, and computes what torch or scipy compute of the same weights by hand."""

from __future__ import annotations

import itertools
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal
from torch.nn import functional

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.runtime import load

FOLDER = Path(__file__).parent / "papers"
ROWS = 64
Weights = dict[str, Tensor]
Inputs = dict[str, Tensor]
Twin = Callable[[Weights, Inputs], list[Tensor]]


def write_data(folder: Path) -> None:
    """Small data of the names and shapes that the specs ask for."""
    rng = np.random.default_rng(0)
    np.savez(folder / "seq.npz", x=rng.standard_normal((ROWS, 12, 16)), y=rng.standard_normal((ROWS, 12, 16)))
    np.savez(folder / "ctc.npz", x=rng.standard_normal((ROWS, 12, 4)), y=rng.integers(1, 6, (ROWS, 4)))
    np.savez(folder / "tags.npz", x=rng.integers(0, 50, (ROWS, 12)), y=rng.integers(0, 5, (ROWS, 12)))
    np.savez(folder / "gp.npz", x=rng.standard_normal((ROWS, 1)), y=rng.standard_normal(ROWS))
    np.savez(folder / "sines.npz", **{n: rng.standard_normal((ROWS, 10)) for n in ("xs", "ys", "xq", "yq")})


def linear(w: Weights, name: str, x: Tensor) -> Tensor:
    return functional.linear(x, w[f"{name}.weight"], w.get(f"{name}.bias"))


def s4d(w: Weights, inputs: Inputs) -> list[Tensor]:
    """The convolution as the recurrence of its complex states."""
    u = linear(w, "model.linear_1", inputs["x"])
    step = torch.exp(w["ssm.log_dt"])[:, None]
    a, c = torch.complex(-torch.exp(w["ssm.log_re"]), w["ssm.im"]), torch.complex(*w["ssm.C"])
    decay = torch.exp(a * step)
    state, rows = torch.zeros(1), []
    for t in range(u.shape[1]):
        state = decay * state + (decay - 1) / a * u[:, t, :, None]
        rows.append(2 * (c * state).sum(-1).real)
    return [linear(w, "model.linear_2", u + functional.gelu(torch.stack(rows, 1), approximate="tanh"))]


def gmm_em(w: Weights, inputs: Inputs) -> list[Tensor]:
    return [torch.stack(rows) for rows in zip(*(_em(x, m) for x, m in zip(*inputs.values(), strict=True)), strict=True)]


def _em(x: Tensor, m: Tensor) -> tuple[Tensor, ...]:
    share, cov = torch.ones(3) / 3, torch.eye(2).expand(3, 2, 2)
    for _ in range(20):
        r = (share.log() + MultivariateNormal(m, cov).log_prob(x[:, None])).softmax(1)
        n = r.sum(0)
        share, m = n / len(x), r.T @ x / n[:, None]
        d = x[:, None] - m
        cov = torch.einsum("nk,nki,nkj->kij", r, d, d) / n[:, None, None] + 1e-4 * torch.eye(2)
    return share, m, cov, torch.logsumexp(share.log() + MultivariateNormal(m, cov).log_prob(x[:, None]), 1).sum()


def ctc(w: Weights, inputs: Inputs) -> list[Tensor]:
    z = linear(w, "f.linear_2", torch.tanh(linear(w, "f.linear_1", inputs["x"]))).log_softmax(-1)
    rows, labels = (torch.full((len(z),), inputs[n].shape[1]) for n in ("x", "y"))
    return [functional.ctc_loss(z.transpose(0, 1), inputs["y"], rows, labels, reduction="none")]


def maml(w: Weights, inputs: Inputs) -> list[Tensor]:
    """Two steps of gradient descent by autograd."""
    names = ("w1", "b1", "w2", "b2", "w3", "b3")

    def net(p: list[Tensor], x: Tensor) -> Tensor:
        h = torch.relu(torch.relu(x[:, None] * p[0] + p[1]) @ p[2].T + p[3])
        return (h * p[4]).sum(-1) + p[5]

    rows = []
    for xs, ys, xq in zip(*inputs.values(), strict=True):
        p = [w[f"initial.{n}"].clone().requires_grad_() for n in names]
        for _ in range(2):
            slopes = torch.autograd.grad(((net(p, xs) - ys) ** 2).mean(), p)
            p = [a - 0.01 * g for a, g in zip(p, slopes, strict=True)]
        rows.append(net(p, xq).detach())
    return [torch.stack(rows)]


def crf(w: Weights, inputs: Inputs) -> list[Tensor]:
    """The marginals by a sum over all paths."""
    e = w["scores.embed_1.weight"][inputs["x"]]
    states = torch.cat([_lstm(w, 1, e), _lstm(w, 2, e.flip(1)).flip(1)], -1)
    u, moves = linear(w, "scores.linear_1", states), w["transitions.A"]
    paths = torch.tensor(list(itertools.product(range(5), repeat=u.shape[1])))
    places = torch.arange(u.shape[1])
    scores = u[:, places, paths].sum(-1) + moves[paths[:, :-1], paths[:, 1:]].sum(-1)
    return [torch.einsum("bn,npk->bpk", scores.softmax(-1), functional.one_hot(paths, 5).double())]


def _lstm(w: Weights, number: int, x: Tensor) -> Tensor:
    h = c = torch.zeros(len(x), 16)
    rows = []
    for t in range(x.shape[1]):
        gates = linear(w, f"scores.lstm_{number}.repeat_1.linear_1", torch.cat([x[:, t], h], -1))
        i, f, o, g = gates.chunk(4, -1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(c)
        rows.append(h)
    return torch.stack(rows, 1)


def svgp(w: Weights, inputs: Inputs) -> list[Tensor]:
    places, length = w["inducing.Z"], w["inducing.l"].exp()

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return torch.exp(-0.5 * ((a[:, None] - b) ** 2).sum(-1) / length**2)

    factor = torch.linalg.cholesky(kernel(places, places) + 1e-4 * torch.eye(len(places)))
    a = torch.linalg.solve_triangular(factor, kernel(places, inputs["x"]), upper=False)
    spread = w["inducing.S"].tril().T @ a
    return [a.T @ w["inducing.m"], 1 - (a**2).sum(0) + (spread**2).sum(0)]


def simclr(w: Weights, inputs: Inputs) -> list[Tensor]:
    h = functional.conv2d(inputs["x"], w["encode.conv_1.weight"], w["encode.conv_1.bias"], stride=2, padding=1)
    return [torch.relu(linear(w, "encode.linear_1", torch.relu(h).flatten(1)))]


def normal(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape))).float().double()


TWINS: dict[str, tuple[str, Twin, Inputs]] = {
    "s4d": ("f", s4d, {"x": normal(2, 9, 16)}),
    "gmm_em": ("fit", gmm_em, {"x": 3 * normal(2, 30, 2), "m0": normal(2, 3, 2)}),
    "ctc": ("loss", ctc, {"x": normal(3, 12, 4), "y": torch.tensor([[1, 1, 2, 3], [4, 5, 4, 4], [2, 2, 2, 2]])}),
    "maml": ("predict", maml, {"xs": normal(2, 5), "ys": normal(2, 5) ** 2, "xq": normal(2, 4)}),
    "crf": ("marginals", crf, {"x": torch.tensor([[3, 1, 4, 1], [5, 9, 2, 6]])}),
    "svgp": ("predict", svgp, {"x": normal(4, 1)}),
    "simclr": ("features", simclr, {"x": normal(3, 1, 8, 8)}),
}


def compiled(name: str, only: str, folder: Path) -> tuple[Weights, Path]:
    """The weights of a spec after two steps, and the file of one of its exports."""
    write_data(folder)
    program = check(Path(shutil.copy(FOLDER / f"{name}.mai", folder))).program
    assert program is not None
    path = None
    if program.trainings:
        result = train(program, folder / "run", Options(device="cpu", quiet=True, steps=2))
        assert math.isfinite(result.figures["loss"])
        path = result.weights
    weights, _ = load_weights(program, path)
    written = export(program, only, Trained(weights), folder)
    return {n: torch.from_numpy(np.asarray(a)).double() for n, a in weights.items()}, written.path


@pytest.mark.parametrize("name", TWINS)
def test_a_model_is_its_twin(name: str, tmp_path: Path) -> None:
    only, twin, inputs = TWINS[name]
    weights, path = compiled(name, only, tmp_path)
    arrays = {n: x.numpy().astype(np.float32) if x.is_floating_point() else x.numpy() for n, x in inputs.items()}
    results = load(path, providers="cpu")(**arrays)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        expected = twin(weights, inputs)
    finally:
        torch.set_default_dtype(before)
    outputs = list(results.values()) if isinstance(results, dict) else [results]
    for a, b in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(np.asarray(a), b.numpy(), rtol=1e-4, atol=1e-4 * float(b.abs().max()))


def test_a_spline_flow_is_a_density(tmp_path: Path) -> None:
    """It integrates to one over the square that it bends, and over the plane beyond it, where it is the normal."""
    _, path = compiled("spline_flow", "log_density", tmp_path)
    middles = np.linspace(-5, 5, 301)[:-1] + 5 / 300
    points = np.stack(np.meshgrid(middles, middles), -1).reshape(-1, 2).astype(np.float32)
    density = np.exp(np.asarray(load(path, providers="cpu")(x=points), np.float64))
    assert density.sum() * (10 / 300) ** 2 == pytest.approx(1, abs=2e-3)
