"""What `where` does not take has no part in a derivative: numbers that are missing, roots and logarithms of none, what overflows."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch

import mai
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.run import run

Maker = Callable[[str], Program]
Meaning = Callable[[torch.Tensor], torch.Tensor]
X = np.float32([[0, -2, 3], [1, 0.5, 2], [0, 100, -100]])
LAYERS = """layer logarithm(u: []) -> [] { return log(u) }
layer share(u: [], n: []) -> [] { return where(n > 0, u / n, 0) }
layer pick(u: [], t: []) -> [] { return where(u > 0, t, 0) }
layer product(v: [3]) -> [] { return sum(log(v)) }
"""


def chosen(condition: torch.Tensor, f: Meaning, g: Meaning, x: torch.Tensor) -> torch.Tensor:
    """f of the elements where the condition holds, g of the others, each of nothing else."""
    y = torch.zeros_like(x)
    y = y.masked_scatter(condition, f(x[condition]))
    return y.masked_scatter(~condition, g(x[~condition]))


def zero(x: torch.Tensor) -> torch.Tensor:
    return 0 * x


def turned(x: torch.Tensor) -> torch.Tensor:
    for _ in range(3):
        x = chosen(x > 0, torch.sqrt, torch.neg, x) + chosen(x < 1, zero, torch.reciprocal, x)
    return x


def whole_rows(x: torch.Tensor) -> torch.Tensor:
    """Of each row a number, where all of it is above -1.5, and 1 elsewhere."""
    numbers = [torch.log(row + 1).sum() + row.norm() / row.sum() if row.min() > -1.5 else 0 * row[0] + 1 for row in x]
    return x * torch.stack(numbers)[:, None]


def logdet_of_row(row: torch.Tensor) -> torch.Tensor:
    return torch.logdet(row[0] * torch.eye(3) + torch.outer(row, row)) if row[0] > 0 else 0 * row[0] + 1


CASES: list[tuple[str, Meaning]] = [
    ("y = where(x > 0, log(x), 0)", lambda x: chosen(x > 0, torch.log, zero, x)),
    ("y = where(x <= 0, 0, logarithm(x))", lambda x: chosen(x > 0, torch.log, zero, x)),
    ("y = where(x == 0, 1, sin(x) / x)", lambda x: chosen(x == 0, lambda u: 0 * u + 1, lambda u: torch.sin(u) / u, x)),
    ("y = where(x > 20, x, log(1 + exp(x)))", lambda x: chosen(x > 20, lambda u: u, torch.nn.functional.softplus, x)),
    ("y = where(x > 1, log(x), 0) + where(x > 0, log(x), 0)",
     lambda x: chosen(x > 1, torch.log, zero, x) + chosen(x > 0, torch.log, zero, x)),
    ("r = sqrt(x)\n  y = where(x > 0, r, 0) + where(x > 0, x * r, 0)", lambda x: chosen(x > 0, lambda u: u**0.5 + u**1.5, zero, x)),
    ("y = where(x > 0, x * log(x), where(x < -1, sqrt(-x - 1), 0))",
     lambda x: chosen(x > 0, lambda u: u * torch.log(u), lambda u: chosen(u < -1, lambda v: torch.sqrt(-v - 1), zero, u), x)),
    ("y = where(x > 0, where(x > 0, log(x), x), 0)", lambda x: chosen(x > 0, torch.log, zero, x)),
    ("s = where(exp(x) > 1, sqrt(x), 0)\n  t = where(exp(x) > 1, log(x), 0)\n  y = where(t > 0.5, s, 0)",
     lambda x: chosen(x > math.exp(0.5), torch.sqrt, zero, x)),
    ("y = where(exp(x) > 1, where(log(x) > 0.5, where(exp(x) > 1, 1 / x, 0), 0), 0)",
     lambda x: chosen(x > math.exp(0.5), torch.reciprocal, zero, x)),
    ("y = where(x[0] > 0, where(exp(x) > 5, 1, x), where(exp(x) > 5, x * 2, 3))",
     lambda x: torch.where(x[:, :1] > 0, torch.where(x > math.log(5), 1, x), torch.where(x > math.log(5), x * 2, 3))),
    ("y = share(x, x^2) + where(x <= 1, 0, arccosh(x))",
     lambda x: chosen(x == 0, zero, torch.reciprocal, x) + chosen(x > 1, torch.acosh, zero, x)),
    ("y = x * where(min(x) > -1.5, sum(log(x + 1)) + norm(x) / sum(x), 1)", whole_rows),
    ("z = 2 * x\n  y = where(z > 0, 7 % z, 0)", lambda x: chosen(x > 0, lambda u: torch.remainder(torch.tensor(7.0), 2 * u), zero, x)),
    ("z = 2 * x\n  y = where(z^2 < 40, z^20, 0)", lambda x: chosen(x**2 < 10, lambda u: (2 * u) ** 20, zero, x)),
    ("y = pick(x, sum(logarithm(x^2 + 1)))", lambda x: torch.where(x > 0, torch.log(x**2 + 1).sum(-1, keepdim=True), 0)),
    ("z = x[:, None] * x\n  y = where(x > 0, product(z^2 + 1), 0)",
     lambda x: torch.where(x > 0, torch.log((x[:, :, None] * x[:, None]) ** 2 + 1).sum(-1), 0)),
    ("z = 2 * x\n  y = z * where(z[0] > 0, logdet(z[0] * identity(3) + z[:, None] * z), 1)",
     lambda x: 2 * x * torch.stack([*map(logdet_of_row, 2 * x)])[:, None]),
    ("y = x\n  repeat 3 shared { y = where(y > 0, sqrt(y), -y) + where(y < 1, 0, 1 / y) }", turned),
]  # fmt: skip


@pytest.mark.parametrize(("text", "meaning"), CASES, ids=[text for text, _ in CASES])
def test_a_branch_that_is_not_taken_has_no_derivative(program: Maker, text: str, meaning: Meaning) -> None:
    body = f"{text}\n  return (grad(sum(y), x), grad(sum(x * grad(sum(y), x)), x), y)\n"
    graph = program(f"{LAYERS}export f(x: [3]) -> ([3], [3], [3]) {{\n  {body}}}\n").exports["f"]
    x = torch.tensor(X).double().requires_grad_()
    y = meaning(x)
    (slope,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad((x * slope).sum(), x)
    wanted = [v.detach().numpy() for v in (slope, second, y)]
    prepared, inputs = forms.prepare(graph), {"x": X}
    for results in (evaluate(prepared, inputs, {}, {}), run(lower(prepared, Weights({})), prepared, inputs, {})):
        for result, right in zip(results, wanted, strict=True):
            np.testing.assert_allclose(np.asarray(result), right, rtol=2e-5, atol=1e-6)


def test_examples_that_are_left_out_train_nothing() -> None:
    spec = mai.Spec(
        "data x: [2], y: [] from python(rows)\nnet f(x: [2]) -> [] { return linear(layer_norm(linear(x, 3)), 1)[0] }\n"
        "train(steps = 1) { minimize where(missing(sum(x)) == 1, 0, (f(x) - y)^2) }\nexport g(x: [2]) -> [] { return f(x) }\n"
    )
    module, grads = spec.torch(), []
    for first in (torch.nan, 0.0):
        x, y = torch.tensor([[first, 2], [3, 4]]), torch.tensor([first, 1])
        module.zero_grad()
        (module.loss(x=x, y=y) if first != 0 else module.loss(x=x[1:], y=y[1:]) / 2).backward()
        grads.append([p.grad for p in module.parameters()])
    torch.testing.assert_close(*grads)


def test_examples_that_are_left_out_count_in_what_is_of_all() -> None:
    spec = mai.Spec(
        "data x: [1, 2, 2], n: [] from python(rows)\nnet f(x: [1, 2, 2]) -> [1, 2, 2] { return batch_norm(x) }\n"
        "train(steps = 1) { minimize where(n > 0, sum(f(x^2)^3), 0) }\nexport g(x: [1, 2, 2]) -> [1, 2, 2] { return f(x) }\n"
    )
    x = torch.arange(12.0).reshape(3, 1, 2, 2)
    of_all = torch.nn.functional.batch_norm(x**2, None, None, training=True) ** 3
    wanted = (of_all[0].sum() + of_all[2].sum()) / 3
    torch.testing.assert_close(spec.torch().loss(x=x, n=torch.tensor([1.0, -1, 1])), wanted)


def test_answers_that_are_missing_train_nothing() -> None:
    spec = mai.Spec(
        "data x: [2], y: [2], n: [] from python(rows)\nnet f(x: [2]) -> [2] { return linear(x, 2) }\n"
        "train(steps = 1) {\n  z = f(x)\n  minimize sum(where(missing(y) == 1, 0, (z - y)^2)) + where(n > 0, sum(z) / n, 0)\n}\n"
        "export g(x: [2]) -> [2] { return f(x) }\n"
    )
    module = spec.torch()
    x, y = torch.tensor([[1.0, 2], [3, 4]]), torch.tensor([[torch.nan, 5], [torch.nan, torch.nan]])
    module.loss(x=x, y=y, n=torch.tensor([0.0, 4])).backward()
    weights = dict(module.named_parameters())
    weight, bias = (weights[f"f.linear_1.{name}"] for name in ("weight", "bias"))
    moved = (2 * (x[0] @ weight[1] + bias[1] - 5)).item() / 2
    by_bias = torch.tensor([0.125, moved + 0.125])
    torch.testing.assert_close(bias.grad, by_bias)
    torch.testing.assert_close(weight.grad, torch.stack([x[1] / 8, moved * x[0] + x[1] / 8]))
