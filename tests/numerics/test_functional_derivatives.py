"""Derivatives of functions at places, and of values, against torch.func, through the compiled file; and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import func

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load

Make = Callable[[str], Program]
NETS = """
net u(x: [3], t: []) -> [2] { return linear(tanh(linear(concat(x, [t]), 8)), 2) }
net p(x: [3], t: []) -> [] { return linear(tanh(linear(concat(x, [t]), 8)), 1)[0] }
layer both(x: [3], t: []) -> ([2], []) { return (u(x, t), p(x, t)) }
layer curve(t: []) -> [2] { return [t^3, sin(t)] }
"""
Net = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Reference = Callable[[Net, Net, torch.Tensor, torch.Tensor], Any]
CASES: dict[str, tuple[str, str, Reference]] = {
    "a place that was computed from another": (
        "[2]", "z = x * t\n  (y, dy) = jvp(u, (z, t), (x, 1))\n  return dy",
        lambda u, p, x, t: func.jvp(u, (x * t, t), (x, torch.ones(())))[1],
    ),
    "one place moves": (
        "[2]", "z = x * t\n  (y, dy) = jvp(u, (z, t), (0, 2 * t))\n  return y + dy",
        lambda u, p, x, t: u(x * t, t) + func.jvp(lambda s: u(x * t, s), (t,), (2 * t,))[1],
    ),
    "none moves": ("[2]", "(y, dy) = jvp(u, (x, t), (0, 0))\n  return dy", lambda u, p, x, t: torch.zeros(2)),
    "one value at two places": (
        "[]", "(y, dy) = jvp(p, (x, x[0]), (0, 1))\n  return dy",
        lambda u, p, x, t: func.grad(lambda s: p(x, s))(x[0]),
    ),
    "two results": (
        "[2]", "(y, q, dy, dq) = jvp(both, (x, t), (x, 1))\n  return dy * dq + q * y",
        lambda u, p, x, t: func.jvp(u, (x, t), (x, torch.ones(())))[1] * func.jvp(p, (x, t), (x, torch.ones(())))[1]
        + p(x, t) * u(x, t),
    ),
    "back": (
        "[3]", "(y, g, h) = vjp(u, (x, t), [1, t])\n  return g * h",
        lambda u, p, x, t: torch.mul(*func.vjp(u, x, t)[1](torch.stack([torch.ones(()), t]))),
    ),
    "back from a value": ("[3]", "y = u(x, t)\n  return vjp(y, x, y)", lambda u, p, x, t: func.vjp(lambda z: u(z, t), x)[1](u(x, t))[0]),
    "a Jacobian": ("[2, 3]", "return jacobian(u, (x, t))", lambda u, p, x, t: func.jacfwd(u)(x, t)),
    "a Jacobian of a value": ("[2, 3]", "y = u(x, t)^2\n  return jacobian(y, x)", lambda u, p, x, t: func.jacrev(lambda z: u(z, t) ** 2)(x)),
    "of more numbers than it is by": (
        "[2, 3, 3]", "y = u(x, t)[:, None] * x\n  return jacobian(y, x)",
        lambda u, p, x, t: func.jacrev(lambda z: u(z, t)[:, None] * z)(x),
    ),
    "by one number": ("[2]", "return jacobian(curve, t)", lambda u, p, x, t: torch.stack([3 * t**2, torch.cos(t)])),
    "of a standard function": ("[3, 3]", "return jacobian(softmax, x)", lambda u, p, x, t: func.jacrev(lambda z: z.softmax(0))(x)),
    "a Hessian": ("[3, 3]", "return hessian(p, (x, t))", lambda u, p, x, t: func.hessian(p)(x, t)),
    "a Laplacian": ("[]", "return laplacian(p, (x, t))", lambda u, p, x, t: func.hessian(p)(x, t).trace()),
    "a Laplacian of a value": ("[]", "e = p(x, t)^2\n  return laplacian(e, x)", lambda u, p, x, t: func.hessian(lambda z: p(z, t) ** 2)(x).trace()),
    "a derivative of a Laplacian": (
        "[3]", "e = laplacian(p, (x, t))\n  return grad(e, x)", lambda u, p, x, t: func.grad(lambda z: func.hessian(p)(z, t).trace())(x),
    ),
    "of derivatives": (
        "[]", "(y, dy) = jvp(p, (x, t), (0, 1))\n  return grad(dy, t)",
        lambda u, p, x, t: func.grad(func.grad(lambda s: p(x, s)))(t),
    ),
    "for each row": (
        "[4, 2, 3]", "rows = range(4)[:, None] * x\n  return each(rows, t)",
        lambda u, p, x, t: torch.stack([func.jacrev(u)(i * x, t) for i in range(4)]),
    ),
}  # fmt: skip


def reference_net(weights: dict[str, Any], name: str) -> Net:
    parts = [
        torch.from_numpy(np.asarray(weights[f"{name}.linear_{k}.{w}"], np.float64))
        for k in (1, 2)
        for w in ("weight", "bias")
    ]

    def net(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        y = parts[2] @ torch.tanh(parts[0] @ torch.cat([x, t[None]]) + parts[1]) + parts[3]
        return y if name == "u" else y[0]

    return net


@pytest.mark.parametrize("case", CASES)
def test_derivatives_are_torchs(case: str, program: Make, tmp_path: Path) -> None:
    shape, body, reference = CASES[case]
    each = "layer each(x: [3], t: []) -> [2, 3] { return jacobian(u, (x, t)) }\n"
    text = f"{NETS}{each}export f(x: [3], t: []) -> {shape} {{\n  {body}\n}}\nexport g(x: [3], t: []) -> [] {{ return p(x, t) + sum(u(x, t)) }}\n"
    spec = program(text)
    weights, _ = load_weights(spec, None)
    rng = np.random.default_rng(3)
    x, t = rng.standard_normal((2, 3)).astype(np.float32), rng.standard_normal(2).astype(np.float32)
    result = load(export(spec, "f", Trained(weights), tmp_path).path, providers="cpu")(x=x, t=t)
    u, p = (reference_net(weights, name) for name in ("u", "p"))
    for row in range(2):
        expected = reference(u, p, torch.from_numpy(x[row]).double(), torch.tensor(float(t[row]), dtype=torch.float64))
        np.testing.assert_allclose(result[row], expected, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("(y, dy) = jvp(u, (x, t), (x, 1, 2))\n  return dy", "one direction for each place is needed, 2, here are 3"),
        ("(y, dy) = jvp(u, (x, t), (1, 1))\n  return dy", "a direction of this place is [3], this is []"),
        ("(y, dy) = jvp(u, x, x)\n  return dy", "`u` lacks its argument `t`"),
        ("return laplacian(u, (x, t)) * [1, 2]", "`laplacian` differentiates a scalar, this is [2]"),
        ("return sum(jacobian(both, (x, t))) * [1, 2]", "`both` has 2"),
        ("return sum(jacobian(linear, x)) * [1, 2]", "`linear` lacks its argument `n`"),
        ("return linear((x, t), 2)", "this is several values"),
    ],
)
def test_what_is_no_derivative_is_refused(body: str, said: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text(f"{NETS}export f(x: [3], t: []) -> [2] {{\n  {body}\n}}\n")
    (only,) = check(path).diagnostics
    assert said in only.message
