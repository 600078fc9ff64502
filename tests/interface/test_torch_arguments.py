"""What a loop in torch hands in: refused in words where training would have other shapes or labels, and nothing is broadcast."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import mai
from mai.compiler.interface.torch_module import SpecModule

SPEC = """data x: [3], kind: class[4], ok: class[2], y: [] from python(rows)
net f(x: [3], kind: class[4], ok: class[2]) -> [] { return linear(x, 1)[0] + embed(kind, 1)[0] + embed(ok, 1)[0] }
train(steps = 1) { minimize (f(x, kind, ok) - y)^2 }
export g(x: [3], kind: class[4], ok: class[2], scale: real = 1) -> [] { return scale * f(x, kind, ok) }
export pair(a: [P], b: [P + 1], text: tokens[P]) -> [] { return sum(a) + sum(b) + sum(where(text >= 0, 1.0, 0.0)) }
const vocab = 5
"""
X, KIND, OK, Y = torch.ones(4, 3), torch.tensor([0, 1, 2, 3]), torch.tensor([0, 1, 1, 0]), torch.arange(4.0)
BATCH = {"x": X, "kind": KIND, "ok": OK, "y": Y}


@pytest.fixture(scope="module")
def module() -> SpecModule:
    return mai.Spec(SPEC).torch()


@pytest.mark.parametrize(
    ("change", "slug", "said"),
    [
        ({"y": Y[:, None]}, "input-shape", "`y` is [batch], this is [4, 1]"),
        ({"y": torch.tensor(1.0)}, "input-shape", "`y` is [batch], this is []"),
        ({"y": 1.0}, "input-shape", "`y` is [batch], this is []"),
        ({"y": Y[:1]}, "input-shape", "the batch is 4 in `x` and 1 in `y`"),
        ({"x": X[:, :2]}, "input-shape", "`x` is [batch, 3], this is [4, 2]"),
        ({"x": X[0]}, "input-shape", "`x` is [batch, 3], this is [3]"),
        ({"x": [[1, 2, 3], [1, 2]]}, "input-shape", "its rows differ in length"),
        ({"kind": KIND + 1}, "input-range", "`kind` is from 0 to 3, this holds 4"),
        ({"kind": KIND - 1}, "input-range", "`kind` is from 0 to 3, this holds -1"),
        ({"kind": KIND + 0.5}, "input-dtype", "`kind` is a whole number (int64), this holds 0.5"),
        ({"kind": KIND > 1}, "input-dtype", "`kind` is int64, this is bool"),
        ({"x": X * 1j}, "input-dtype", "`x` is float32, this is complex64"),
        ({"kinds": KIND}, "input-unknown", "did you mean `kind`?"),
        ({"step": torch.tensor([1, 2])}, "input-shape", "the setting `step` is one number"),
    ],
)
def test_what_does_not_fit(module: SpecModule, change: dict[str, Any], slug: str, said: str) -> None:
    with pytest.raises(mai.MaiError) as caught:
        module.loss(**{**BATCH, **change})
    assert caught.value.diagnostics[0].slug == slug and said in str(caught.value)


def test_what_an_export_takes(module: SpecModule) -> None:
    """As a compiled file, but for a batch of one, which is not repeated; tokens may be absent where the spec asks whether they are."""
    values = {"a": X, "b": torch.ones(4, 4), "text": torch.tensor([[0, 4, -1]] * 4)}
    assert module.export("pair")(**values).tolist() == [9.0] * 4
    with pytest.raises(mai.MaiError, match=r"`P \+ 1` is 4 here, and `b` has 3"):
        module.export("pair")(**{**values, "b": X})
    with pytest.raises(mai.MaiError, match="`text` is from -1 to 4, this holds 5"):
        module.export("pair")(**{**values, "text": torch.full((4, 3), 5)})
    with pytest.raises(mai.MaiError, match="`scale` is a finite number, this is nan"):
        module(x=X, kind=KIND, ok=OK, scale=float("nan"))


def test_values_of_other_kinds_and_gradients(module: SpecModule) -> None:
    """Arrays and lists, whole reals for labels, truths for a class of two."""
    plain = module.loss(**BATCH)
    others = {"x": np.ones((4, 3))[:, ::-1], "kind": KIND.double(), "ok": OK.bool(), "y": [0, 1, 2, 3]}
    assert module.loss(**others).item() == pytest.approx(plain.item())
    x, scale = X.clone().requires_grad_(), torch.tensor(2.0, requires_grad=True)
    module(x=x, kind=KIND, ok=OK, scale=scale).sum().backward()
    assert x.grad is not None and scale.grad is not None and bool(x.grad.any())


def test_weights_are_of_32_bits_whatever_torch_takes_by_default() -> None:
    torch.set_default_dtype(torch.float64)
    try:
        module = mai.Spec(SPEC).torch()
        loss = module.loss(**{**BATCH, "x": X.double()})
    finally:
        torch.set_default_dtype(torch.float32)
    assert loss.item() == mai.Spec(SPEC).torch().loss(**BATCH).item()
    with pytest.raises(mai.MaiError, match=r"is float64: the code of a spec computes with float32.*"):
        module.double().loss(**BATCH)
    assert module.float().loss(**BATCH).item() == loss.item()
