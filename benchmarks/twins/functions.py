"""Nets that answer what they are asked: an operator, a Gaussian process, a limit of layers."""

from __future__ import annotations

import math

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchmarks.runs import ROOT
from benchmarks.twins.twin import Map, Twin, step
from mai.compiler.data.splitting.splits import usual_parts
from mai.runtime.arrays import Array


def arrays(name: str) -> dict[str, Array]:
    """The arrays beside the examples."""
    with np.load(ROOT / "examples" / name) as archive:
        return dict(archive)


def kept_rows(count: int) -> Array:
    """Whether mai trains on each of so many rows, and holds it out otherwise: [count]."""
    rows = np.zeros(count, bool)
    rows[usual_parts(count).train] = True
    return rows


# --------------------------------------------------------------- Fourier operator

WIDTH, MODES = 32, 12


class Spectral(nn.Module):
    """Products of the lowest frequencies (Li et al. 2021)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(MODES, WIDTH, WIDTH, dtype=torch.cfloat) * math.sqrt(2) / WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        low = torch.fft.rfft(x, dim=1)[:, :MODES]
        return torch.fft.irfft(torch.einsum("bmk,mkj->bmj", low, self.weight), x.shape[1], dim=1)


class Operator(nn.Module):
    """gelu(spectral(h) + W h), four times."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(2, WIDTH), nn.Sequential(nn.Linear(WIDTH, 128), nn.GELU(), nn.Linear(128, 1))
        self.spectral = nn.ModuleList(Spectral() for _ in range(4))
        self.local = nn.ModuleList(nn.Linear(WIDTH, WIDTH) for _ in range(4))

    def forward(self, a: Tensor) -> Tensor:
        places = torch.linspace(0, 1, a.shape[1])[:, None].expand_as(a)
        h = self.first(torch.cat([a, places], 2))
        for spectral, local in zip(self.spectral, self.local, strict=True):
            h = F.gelu(spectral(h) + local(h))
        output: Tensor = self.last(h)
        return output


def relative(predicted: Tensor, wanted: Tensor) -> Tensor:
    """The mean of |made - wanted| / |wanted| over examples."""
    return ((predicted - wanted).flatten(1).norm(dim=1) / wanted.flatten(1).norm(dim=1)).mean()


def fourier_operator(epochs: int = 50) -> Map:
    torch.manual_seed(0)
    a, u = (torch.from_numpy(arrays("burgers.npz")[name]) for name in "au")
    rows = torch.arange(len(a))[torch.from_numpy(kept_rows(len(a)))]
    net = Operator()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs * (len(rows) // 16))
    for _ in range(epochs):
        for chosen in rows[torch.randperm(len(rows))].split(16)[: len(rows) // 16]:
            step(relative(net(a[chosen]), u[chosen]), optimizer)
            schedule.step()
    return lambda a: net(torch.from_numpy(a)).detach().numpy()


def error_of_solutions(solve: Map) -> float:
    archive = arrays("burgers.npz")
    rows = ~kept_rows(len(archive["a"]))
    return float(relative(torch.from_numpy(solve(a=archive["a"][rows])), torch.from_numpy(archive["u"][rows])))


# --------------------------------------------------------------- Gaussian process


def gaussian_process(steps: int = 500) -> Map:
    """The kernel's three numbers by the likelihood of the data; then predictions."""
    torch.manual_seed(0)
    archive = arrays("functions.npz")
    rows = kept_rows(len(archive["x"]))
    x, y = (torch.from_numpy(archive[name][rows]) for name in "xy")
    logs = torch.tensor([0.0, 0.0, -2.0], requires_grad=True)
    optimizer = torch.optim.Adam([logs], lr=2e-2)

    def kernel(a: Tensor, b: Tensor) -> Tensor:
        return logs[1].exp() ** 2 * torch.exp(
            -0.5 * (a[..., :, None, 0] - b[..., None, :, 0]) ** 2 / logs[0].exp() ** 2
        )

    def factor(x: Tensor) -> Tensor:
        factor: Tensor = torch.linalg.cholesky(kernel(x, x) + logs[2].exp() ** 2 * torch.eye(x.shape[-2]))
        return factor

    for _ in range(steps):
        chosen = torch.randint(len(x), (16,))
        lower = factor(x[chosen])
        w = torch.linalg.solve_triangular(lower, y[chosen][..., None], upper=False)
        loss = 0.5 * w.square().sum((1, 2)) + lower.diagonal(dim1=1, dim2=2).log().sum(1)
        step(loss.mean(), optimizer)

    def predict(x: Array, y: Array, asked: Array) -> tuple[Array, Array]:
        with torch.no_grad():
            x_seen, values, places = map(torch.from_numpy, (x, y, asked))
            lower = factor(x_seen)
            a = torch.linalg.solve_triangular(lower, kernel(x_seen, places), upper=False)
            w = torch.linalg.solve_triangular(lower, values[..., None], upper=False)
            mean = (a.mT @ w)[..., 0]
            scale = (logs[1].exp() ** 2 + logs[2].exp() ** 2 - a.square().sum(1)).sqrt()
        return mean.numpy(), scale.numpy()

    return predict


def unlikeliness(predict: Map) -> float:
    """Minus the mean log-density of the last 8 values of functions, of which the first 24 are known."""
    archive = arrays("functions.npz")
    rows = ~kept_rows(len(archive["x"]))
    x, y = archive["x"][rows], archive["y"][rows]
    predicted = predict(x=x[:, :24], y=y[:, :24], asked=x[:, 24:])
    mean, scale = predicted.values() if isinstance(predicted, dict) else predicted
    return float((0.5 * ((y[:, 24:] - mean) / scale) ** 2 + np.log(scale) + 0.5 * math.log(2 * math.pi)).mean())


# ------------------------------------------------------------- limit of layers


class Limit(nn.Module):
    """z = tanh(W z / 2 + V x), with the derivative of the solution (Bai et al. 2019)."""

    def __init__(self) -> None:
        super().__init__()
        self.w, self.v, self.head = nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 10)

    def layer(self, z: Tensor, x: Tensor) -> Tensor:
        return torch.tanh(0.5 * self.w(z) + self.v(x))

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            z = torch.zeros(len(x), 64)
            for _ in range(60):
                before, z = z, self.layer(z, x)
                if (z - before).norm(dim=1).max() < 1e-4:
                    break
        z = self.layer(z, x)
        if z.requires_grad:
            at = z.detach().requires_grad_()
            again = self.layer(at, x)

            def solved(gradient: Tensor) -> Tensor:
                """g with g = gradient + J' g."""
                g = gradient
                for _ in range(60):
                    before, g = g, gradient + torch.autograd.grad(again, at, g, retain_graph=True)[0]
                    if (g - before).norm() < 1e-5 * g.norm():
                        break
                return g

            z.register_hook(solved)  # type: ignore[no-untyped-call]
        output: Tensor = self.head(z)
        return output


def digits() -> list[Array]:
    """The digits as mai splits them: pixels and labels to train on, then those held out."""
    pixels, labels = load_digits(return_X_y=True)
    x, y = (pixels / 8 - 1).astype(np.float32), labels.astype(np.int64)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.2, random_state=0, stratify=y)
    return [x_train, y_train, x_test, y_test]


def deep_equilibrium(epochs: int = 30) -> Map:
    torch.manual_seed(0)
    x, y = map(torch.from_numpy, digits()[:2])
    net = Limit()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(epochs):
        for chosen in torch.randperm(len(x)).split(64):
            step(F.cross_entropy(net(x[chosen]), y[chosen]), optimizer)
    return lambda x: net(torch.from_numpy(x)).detach().softmax(1).numpy()


def accuracy(classify: Map) -> float:
    *_, x, y = digits()
    return float((classify(x=x).argmax(1) == y).mean())


TWINS = (
    Twin("deep_equilibrium", "classify", "accuracy on held-out digits", deep_equilibrium, accuracy),
    Twin(
        "fourier_operator",
        "solve_to_one",
        "mean relative error of held-out solutions",
        fourier_operator,
        error_of_solutions,
    ),
    Twin(
        "gaussian_process",
        "predict",
        "minus the mean log-density of values that it has not seen",
        gaussian_process,
        unlikeliness,
    ),
)
