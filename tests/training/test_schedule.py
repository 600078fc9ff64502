"""Learning rates over a run, and the optimizers that take them, against their formulas."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as some

from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.optimizers.adam import Adam
from mai.compiler.training.optimizers.adamw import AdamW
from mai.compiler.training.optimizers.lion import Lion
from mai.compiler.training.optimizers.muon import Muon, orthogonalised
from mai.compiler.training.optimizers.nadam import NAdam
from mai.compiler.training.optimizers.rmsprop import RmsProp
from mai.compiler.training.optimizers.sgd import Sgd
from mai.compiler.training.options import Options
from mai.compiler.training.schedules.constant import Constant
from mai.compiler.training.schedules.cosine import Cosine
from mai.compiler.training.schedules.linear import Linear
from mai.compiler.training.schedules.one_cycle import OneCycle
from mai.compiler.training.schedules.plateau import Plateau
from mai.compiler.training.schedules.step import Step
from mai.compiler.training.settings import Optimizer, Schedule, WarmedUp
from mai.compiler.training.step.optimizer import make_optimizer, set_rate
from mai.compiler.training.trainer import Trainer

Maker = Callable[..., Program]

schedules = some.builds(
    lambda kind, warmup, final: kind(warmup=warmup) if kind is Constant else kind(warmup=warmup, final=final),
    some.sampled_from([Constant, Cosine, Linear]),
    some.integers(0, 50),
    some.floats(0, 1),
)


def rates(schedule: Schedule, steps: int) -> list[float]:
    return [schedule.factor(step, steps) for step in range(steps)]


@given(schedules, some.integers(1, 200))
def test_a_rate_rises_over_the_warmup_then_falls_to_no_less_than_its_end(schedule: WarmedUp, steps: int) -> None:
    factors = rates(schedule, steps)
    up, down = factors[: schedule.warmup], factors[schedule.warmup :]
    assert up == sorted(up)
    assert all(0 < r <= 1 for r in up)
    assert all(a >= b - 1e-12 for a, b in pairwise(down))
    assert all(getattr(schedule, "final", 1.0) - 1e-12 <= r <= 1 + 1e-12 for r in down)
    assert not down or down[0] == pytest.approx(1.0)


@given(some.integers(0, 20), some.floats(0, 1))
def test_the_middle_of_a_fall_is_half_way(warmup: int, final: float) -> None:
    steps = warmup + 100
    for kind in (Cosine, Linear):
        assert rates(kind(warmup=warmup, final=final), steps)[warmup + 50] == pytest.approx((1 + final) / 2)


def test_a_quarter_of_a_fall_tells_the_shapes_apart() -> None:
    assert rates(Linear(), 100)[25] == pytest.approx(0.75)
    assert rates(Cosine(), 100)[25] == pytest.approx((1 + math.cos(math.pi / 4)) / 2)
    assert rates(Constant(), 100)[25] == 1.0


def test_steps_down() -> None:
    expected = [0.5, 1.0, *[1.0] * 3, *[0.2] * 3, *[0.04] * 2]
    assert rates(Step(warmup=2, every=3, by=0.2), 10) == pytest.approx(expected)


@pytest.mark.parametrize(("steps", "rise"), [(23, 0.3), (101, 0.2), (2, 0.3), (5, 0.1), (10, 0.9)])
def test_one_cycle_is_torchs(steps: int, rise: float) -> None:
    """A share of `steps`, as there, not of the way between the first and the last: its top may lie before the first step."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], 1.0)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, total_steps=steps, pct_start=rise, div_factor=10, final_div_factor=100, cycle_momentum=False
    )
    expected = []
    for _ in range(steps):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates(OneCycle(rise=rise, start=0.1, final=1e-3), steps) == pytest.approx(expected)


@pytest.mark.parametrize("patience", [0, 2])
def test_a_plateau_is_torchs(patience: int) -> None:
    """Told the same losses, some of them hardly lower than the best."""
    settings = Plateau(patience=patience, by=0.3, least=0.02, final=0.01)
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], 1.0)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.3, patience=patience, threshold=0.02, min_lr=0.01, eps=0.0
    )
    watcher = settings.watcher()
    for loss in [3.0, 2.0, 1.99, 1.9, 2.5, 2.5, 2.5, 2.5, 1.0, 0.99, 0.985, 0.99, 0.5, *[0.6] * 20]:
        watcher.see(loss)
        scheduler.step(loss)
        assert watcher.factor == pytest.approx(optimizer.param_groups[0]["lr"])
    assert watcher.factor == 0.01


PLATEAU = """data x: [], y: [] from function("x0", count = 100)
net f() -> [] {
  param w: [] = 1
  return w
}
train(steps = 40, batch = 10, optimizer = sgd(lr = 1e-9), schedule = plateau(every = 5, patience = 1, by = 0.5)) {
  minimize (f() - 2)^2
}
"""


def test_a_plateau_goes_on_bit_for_bit(program: Maker, tmp_path: Path) -> None:
    """The loss never falls: seven looks after the best, one of every two halves the rate. A run stops between two looks."""
    spec = program(PLATEAU.replace("x: []", "x: [1]"))
    train(spec, tmp_path / "whole", Options(quiet=True, device="cpu"))
    for end in (8, 13, 40):
        train(spec, tmp_path / "parts", Options(quiet=True, device="cpu", steps=end, resume=end > 8))
    whole, parts = (
        [json.loads(line)["lr"] for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("whole", "parts")
    )
    assert whole[-1] == 1e-9 / 8 and whole == parts


def test_without_held_out_examples_a_plateau_watches_the_training_loss(program: Maker, tmp_path: Path) -> None:
    data = "x: [2] from moons()"
    spec = program(PLATEAU.replace('x: [], y: [] from function("x0", count = 100)', data))
    assert spec.training is not None
    trainer = Trainer(spec, spec.training, tmp_path, Options(quiet=True, device="cpu"))
    for step in range(15):
        trainer.step(step, report=False)
    assert trainer.rate.factor(15) == 0.5
    again = Trainer(spec, spec.training, tmp_path, Options(quiet=True, device="cpu"))
    again.rate.restore(trainer.rate.saved())
    assert again.rate.factor(15) == 0.5
    torch.testing.assert_close(again.rate.saved(), trainer.rate.saved(), rtol=0, atol=0)


def test_a_run_shorter_than_its_warmup_only_rises() -> None:
    assert rates(Cosine(warmup=10), 4) == pytest.approx([0.1, 0.2, 0.3, 0.4])


def _moved(settings: Optimizer, gradients: list[float], factors: list[float]) -> float:
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = make_optimizer([(settings, [weight])])
    for gradient, factor in zip(gradients, factors, strict=True):
        weight.grad = torch.full_like(weight, gradient)
        set_rate(optimizer, factor)
        optimizer.step()
    return float(weight.detach())


def _sgd(s: Sgd, gradients: list[float], factors: list[float]) -> float:
    w, velocity = 1.0, 0.0
    for g, factor in zip(gradients, factors, strict=True):
        g += s.weight_decay * w
        velocity = s.momentum * velocity + g
        w -= s.lr * factor * (g + s.momentum * velocity if s.nesterov else velocity)
    return w


def _adam(s: Adam, gradients: list[float], factors: list[float]) -> float:
    """Kingma and Ba (2015), algorithm 1; with decoupled decay, Loshchilov and Hutter (2019), algorithm 2."""
    w, mean, square = 1.0, 0.0, 0.0
    (b1, b2), decoupled = s.betas, isinstance(s, AdamW)
    for t, (g, factor) in enumerate(zip(gradients, factors, strict=True), 1):
        g += 0.0 if decoupled else s.weight_decay * w
        w -= s.lr * factor * s.weight_decay * w if decoupled else 0.0
        mean, square = b1 * mean + (1 - b1) * g, b2 * square + (1 - b2) * g * g
        w -= s.lr * factor * (mean / (1 - b1**t)) / (math.sqrt(square / (1 - b2**t)) + s.eps)
    return w


GRADIENTS = [0.3, -1.2, 2.0, 0.1, -0.4]
FACTORS = [0.5, 1.0, 1.0, 0.6, 0.2]


@pytest.mark.parametrize(
    "settings",
    [
        Sgd(lr=0.1),
        Sgd(lr=0.1, momentum=0.9, weight_decay=0.1),
        Sgd(lr=0.1, momentum=0.9, nesterov=True),
        Adam(lr=0.05, weight_decay=0.1),
        Adam(lr=0.05, betas=(0.5, 0.8), eps=1e-3),
        AdamW(lr=0.05, weight_decay=0.1),
    ],
    ids=repr,
)
def test_optimizers_are_their_formulas(settings: Optimizer) -> None:
    formula = _sgd if isinstance(settings, Sgd) else _adam
    expected = formula(settings, GRADIENTS, FACTORS)  # type: ignore[operator]
    assert _moved(settings, GRADIENTS, FACTORS) == pytest.approx(expected, rel=1e-5)


def test_lion_is_its_formula() -> None:
    """Chen et al. (2023), algorithm 2."""
    settings = Lion(lr=0.05, betas=(0.8, 0.95), weight_decay=0.1)
    (b1, b2), w, m = settings.betas, 1.0, 0.0
    for g, factor in zip(GRADIENTS, FACTORS, strict=True):
        update = math.copysign(1.0, b1 * m + (1 - b1) * g)
        m = b2 * m + (1 - b2) * g
        w -= settings.lr * factor * (update + settings.weight_decay * w)
    assert _moved(settings, GRADIENTS, FACTORS) == pytest.approx(w, rel=1e-6)


def _newton_schulz(matrix: np.ndarray) -> np.ndarray:
    """Jordan et al. (2024), by the singular values alone: each goes through the polynomial five times."""
    u, values, v = np.linalg.svd(matrix, full_matrices=False)
    values /= np.linalg.norm(values) + 1e-7
    for _ in range(5):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    return (u * values) @ v


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (4,), ()])
def test_muon_is_its_formula(shape: tuple[int, ...]) -> None:
    settings, rng = (
        Muon(lr=0.1, momentum=0.9, weight_decay=0.2, adam_lr=0.02, betas=(0.8, 0.9), eps=1e-4),
        np.random.default_rng(0),
    )
    w = rng.normal(size=shape)
    weight = torch.nn.Parameter(torch.tensor(w))
    optimizer, m, v = make_optimizer([(settings, [weight])]), np.zeros(shape), np.zeros(shape)
    for t, factor in enumerate(FACTORS, 1):
        g = rng.normal(size=shape)
        weight.grad = torch.tensor(g)
        set_rate(optimizer, factor)
        optimizer.step()
        if len(shape) == 2:
            m = 0.9 * m + 0.1 * g
            lr, move = 0.1 * factor, _newton_schulz(0.1 * g + 0.9 * m) * max(1, shape[0] / shape[1]) ** 0.5
        else:
            m, v = 0.8 * m + 0.2 * g, 0.9 * v + 0.1 * g * g
            lr, move = 0.02 * factor, m / (1 - 0.8**t) / (np.sqrt(v / (1 - 0.9**t)) + 1e-4)
        w = w - lr * (move + 0.2 * w)
        np.testing.assert_allclose(weight.detach().numpy(), w, rtol=1e-6)


def test_a_step_of_muon_is_nearly_orthogonal() -> None:
    matrix = torch.randn(40, 30, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalised(matrix))
    assert values.min() > 0.6 and values.max() < 1.3


# Settings, and torch's own class with the same, one weight at a time.
TORCHS: list[tuple[Optimizer, Callable[..., torch.optim.Optimizer]]] = [
    (
        NAdam(lr=0.05, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1, momentum_decay=0.01),
        partial(torch.optim.NAdam, betas=(0.8, 0.99), eps=1e-6, weight_decay=0.1, momentum_decay=0.01),
    ),
    (
        RmsProp(lr=0.05, alpha=0.9, eps=1e-6, momentum=0.5, centered=True, weight_decay=0.1),
        partial(torch.optim.RMSprop, alpha=0.9, eps=1e-6, momentum=0.5, centered=True, weight_decay=0.1),
    ),
]


@pytest.mark.parametrize(("settings", "make"), TORCHS, ids=[settings.name for settings, _ in TORCHS])
def test_other_optimizers_are_torchs(settings: Optimizer, make: Callable[..., torch.optim.Optimizer]) -> None:
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer = make([weight], foreach=False)
    for gradient, factor in zip(GRADIENTS, FACTORS, strict=True):
        weight.grad = torch.full_like(weight, gradient)
        optimizer.param_groups[0]["lr"] = settings.lr * factor
        optimizer.step()
    assert _moved(settings, GRADIENTS, FACTORS) == pytest.approx(float(weight.detach()), rel=1e-6)


def test_each_step_of_a_run_takes_its_own_rate(program: Maker, tmp_path: Path) -> None:
    """The loss `w` has gradient 1, so that a step of plain descent moves the weight by the learning rate itself."""
    spec = program(
        "data x: [2] from moons()\nnet f() -> [] {\n  param w: [] = 1\n  return w\n}\n"
        "train(steps = 10, optimizer = sgd(lr = 0.5), schedule = linear(warmup = 4, final = 0.2)) { minimize f() }\n"
    )
    assert spec.training is not None
    trainer = Trainer(spec, spec.training, tmp_path, Options(quiet=True, device="cpu"))
    (weight,) = trainer.weights.parameters()
    path = [float(weight.detach())]
    for step in range(10):
        trainer.step(step, report=False)
        path.append(float(weight.detach()))
    expected = [0.5 * r for r in rates(Linear(warmup=4, final=0.2), 10)]
    np.testing.assert_allclose(-np.diff(path), expected, rtol=1e-4)


def test_clipping_bounds_the_length_of_the_step(program: Maker, tmp_path: Path) -> None:
    spec = program(
        "data x: [2] from moons()\nnet f() -> [2] {\n  param w: [2] = 1\n  return w\n}\n"
        "train(steps = 1, optimizer = sgd(lr = 1), clip = 0.5) { minimize 30 * f()[0] + 40 * f()[1] }\n"
    )
    assert spec.training is not None
    trainer = Trainer(spec, spec.training, tmp_path, Options(quiet=True, device="cpu"))
    trainer.step(0, report=False)
    (weight,) = trainer.weights.parameters()
    np.testing.assert_allclose(1 - weight.detach().numpy(), [0.3, 0.4], rtol=1e-4)
