"""Mixtures of experts, the families of layers that they are made of, and the losses that keep them in balance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import Graph
from mai.compiler.onnx.export import export
from mai.compiler.ops.products.chosen import ChosenAffine
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.python_file import source
from mai.runtime import load
from mai.runtime.arrays import Array

Maker = Callable[[str], Program]
BLOCK = """
# A block of Mixtral.
net block(x: [P, 12]) -> [P, 12] { return experts(x, 6, top = 2, expert = gated_mlp(hidden = 10, bias = false)) }
export mixed(x: [P, 12]) -> [P, 12] { return block(x) }
"""
EACH = """
# A family whose member each example says.
layer odd(x: [8]) -> [8] {{ {body} }}
net f(x: [8], y: class[3]) -> ([8], [8], [8], [8]) {{
  each = family(odd, 3)
  return (each[y](x), each[0](x), each[1](x), each[2](x))
}}
export chosen(x: [8], y: class[3]) -> [8] {{
  (c, a, b, d) = f(x, y)
  return c
}}
export all(x: [8], y: class[3]) -> [3, 8] {{
  (c, a, b, d) = f(x, y)
  return [a, b, d]
}}
"""
# What an expert may be; the second of each: whether only the chosen one is computed.
BODIES = {
    "a product": ("return linear(x, 8)", True),
    "products, a norm": ("return rms_norm(mlp(layer_norm(x), 5))", True),
    "a matrix of its own": ("param W: [8, 8] ~ normal(0, 1)\n  return tanh(W @ x)", True),
    "a matrix on the right": ("param W: [8, 8] ~ normal(0, 1)\n  return tanh(x @ W)", True),
    "products in turns": ("repeat 2 { x += linear(tanh(linear(x, 8, bias = false)), 8) }\n  return x", True),
    "rows": ('return rearrange(linear(rearrange(x, "(r c) -> r c", r = 4), 2), "r c -> (r c)")', True),
    "windows": ("return conv1d(x[None], 1, 3)[0]", False),
    "experts of its own": ("return experts(x, 3, top = 2, expert = mlp(hidden = 5), renormalise = false)", False),
}


def weights_of(program: Program, name: str, seed: int = 3) -> tuple[Graph, Weights]:
    graph = forms.prepare(program.exports[name])
    return graph, Weights(graph.weights).initialise(seed)


def arrays(weights: Weights) -> dict[str, Array]:
    return {name: tensor.detach().numpy() for name, tensor in weights.state_dict().items()}


def by_file(program: Program, name: str, weights: Weights, folder: Path, **inputs: Array) -> Array:
    path = export(program, name, Trained(arrays(weights)), folder).path
    result = load(path, providers="cpu")(**inputs)
    assert isinstance(result, np.ndarray)
    return result


def mixtral(weights: Weights) -> Any:
    """transformers' block with the weights of `block`."""
    from transformers import MixtralConfig
    from transformers.models.mixtral.modeling_mixtral import MixtralSparseMoeBlock

    config = MixtralConfig(hidden_size=12, intermediate_size=10, num_local_experts=6, num_experts_per_tok=2)
    block, state = MixtralSparseMoeBlock(config), weights.state_dict()
    own = "block.experts_1.gated_mlp_1.{}.linear_{}.weight"
    with torch.no_grad():
        block.gate.weight.copy_(state["block.experts_1.router_1.linear_1.weight"])
        for i in range(6):
            gate, up, down = (state[own.format(i, k)] for k in (1, 2, 3))
            block.experts.gate_up_proj[i].copy_(torch.cat([gate, up]))
            block.experts.down_proj[i].copy_(down)
    return block


@pytest.mark.slow  # transformers takes seconds to import
def test_a_block_is_that_of_transformers(program: Maker, tmp_path: Path) -> None:
    spec = program(BLOCK)
    graph, weights = weights_of(spec, "mixed")
    x = torch.randn(2, 7, 12, generator=torch.Generator().manual_seed(0))
    block = mixtral(weights)
    wanted = block(x.clone())
    torch.testing.assert_close(lower(graph, weights)(x)[0], wanted, rtol=1e-5, atol=1e-6)
    inputs = {"x": x.numpy()}
    np.testing.assert_allclose(
        evaluate(graph, inputs, None, arrays(weights))[0], wanted.detach().numpy(), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(
        by_file(spec, "mixed", weights, tmp_path, **inputs), wanted.detach().numpy(), rtol=1e-4, atol=1e-6
    )


@pytest.mark.slow  # transformers takes seconds to import
def test_gradients_are_those_of_transformers(program: Maker) -> None:
    graph, weights = weights_of(program(BLOCK), "mixed")
    block = mixtral(weights)
    mine = torch.randn(2, 7, 12, generator=torch.Generator().manual_seed(1), requires_grad=True)
    theirs = mine.detach().clone().requires_grad_()
    (lower(graph, weights)(mine)[0] ** 2).sum().backward()
    (block(theirs) ** 2).sum().backward()
    grads = {name: p.grad for name, p in weights.named_parameters()}
    pairs = [(mine.grad, theirs.grad), (grads["block.experts_1.router_1.linear_1.weight"], block.gate.weight.grad)]
    for i in range(6):
        gate, up, down = (grads[f"block.experts_1.gated_mlp_1.{i}.linear_{k}.weight"] for k in (1, 2, 3))
        assert gate is not None and up is not None
        pairs += [(torch.cat([gate, up]), block.experts.gate_up_proj.grad[i]), (down, block.experts.down_proj.grad[i])]
    for a, b in pairs:
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_the_written_module_computes_the_same(program: Maker) -> None:
    spec = program(BLOCK)
    graph, weights = weights_of(spec, "mixed")
    text = source(spec, ["mixed"])
    module = ModuleType("written")
    exec(compile(text, "written.py", "exec"), module.__dict__)
    model = module.__dict__["Mixed"]()
    model.load_state_dict(weights.state_dict())
    x = torch.randn(3, 5, 12, generator=torch.Generator().manual_seed(2))
    torch.testing.assert_close(model(x), lower(graph, weights)(x)[0], rtol=0, atol=0)


def test_only_chosen_experts_are_computed(program: Maker) -> None:
    graph, _ = weights_of(program(BLOCK), "mixed")
    products = [node for node in graph.walk() if node.op is ChosenAffine]
    assert [len(node.inputs) - 2 for node in products] == [6, 6, 6]
    rows = [axis.size for axis in products[0].output.type.lead]
    assert [str(size) for size in rows] == ["batch", "P", "2"]


def test_probabilities_may_stay_as_they_are(program: Maker, tmp_path: Path) -> None:
    """By a plain loop over tokens, of experts that are a family of nets."""
    spec = program("""
# Experts that are nets.
net e[3](x: [4]) -> [5] { return linear(x, 5) }
net mixed(x: [P, 4]) -> [P, 5] { return experts(x, 3, top = 2, expert = e, renormalise = false) }
export f(x: [P, 4]) -> [P, 5] { return mixed(x) }
""")
    _, weights = weights_of(spec, "f")
    w = {name: array.astype(np.float64) for name, array in arrays(weights).items()}
    x = np.random.default_rng(0).standard_normal((1, 6, 4)).astype(np.float32)
    rows = []
    for token in x[0].astype(np.float64):
        scores = np.exp(w["mixed.experts_1.router_1.linear_1.weight"] @ token)
        p = scores / scores.sum()
        best = np.argsort(-p)[:2]
        rows.append(sum(p[i] * (w[f"e.{i}.linear_1.weight"] @ token + w[f"e.{i}.linear_1.bias"]) for i in best))
    np.testing.assert_allclose(by_file(spec, "f", weights, tmp_path, x=x)[0], rows, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", BODIES)
def test_each_example_has_its_own_member(name: str, program: Maker, tmp_path: Path) -> None:
    """A member that the run time chooses is the one of that number, whatever is in it."""
    body, alone = BODIES[name]
    spec = program(EACH.format(body=body))
    graph, weights = weights_of(spec, "chosen")
    assert any(node.op is ChosenAffine for node in graph.walk()) == (alone or "experts" in name)
    rng = np.random.default_rng(0)
    inputs = {"x": rng.standard_normal((9, 8)).astype(np.float32), "y": rng.integers(0, 3, 9)}
    each = evaluate(forms.prepare(spec.exports["all"]), inputs, None, arrays(weights))[0]
    wanted = each[np.arange(9), inputs["y"]]
    assert np.abs(each[:, 0] - each[:, 1]).max() > 1e-2
    np.testing.assert_allclose(evaluate(graph, inputs, None, arrays(weights))[0], wanted, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(by_file(spec, "chosen", weights, tmp_path, **inputs), wanted, rtol=1e-4, atol=1e-5)


def test_weights_may_be_of_the_example(program: Maker, tmp_path: Path) -> None:
    """A product with a matrix that a net computes of each example."""
    spec = program("""
# Weights that are computed.
export f(x: [4], w: [3, 4], b: [3]) -> [3] { return affine(x, w, b) }
""")
    rng = np.random.default_rng(0)
    x, w, b = (rng.standard_normal((5, *shape)).astype(np.float32) for shape in ((4,), (3, 4), (3,)))
    _, weights = weights_of(spec, "f")
    result = by_file(spec, "f", weights, tmp_path, x=x, w=w, b=b)
    np.testing.assert_allclose(result, np.einsum("bd,bnd->bn", x, w) + b, rtol=1e-4, atol=1e-5)


@pytest.mark.slow  # transformers takes seconds to import
def test_balance_is_that_of_transformers(program: Maker) -> None:
    from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func

    spec = program("""
# Losses of scores.
export f(z: [N, 6]) -> ([], [], []) {
  even = 0 * z
  return (balance_loss(z, top = 2), router_z_loss(z), balance_loss(even))
}
""")
    z = np.random.default_rng(0).standard_normal((1, 40, 6)) * 2
    balance, small, even = evaluate(forms.prepare(spec.exports["f"]), {"z": z}, None, {})
    wanted = load_balancing_loss_func((torch.tensor(z[0]),), num_experts=6, top_k=2)
    np.testing.assert_allclose(2 * balance[0], float(wanted), rtol=1e-6)
    np.testing.assert_allclose(small[0], float((torch.tensor(z[0]).logsumexp(-1) ** 2).mean()), rtol=1e-9)
    np.testing.assert_allclose(even, 1.0, rtol=1e-9)


def test_a_train_block_adds_the_balance(program: Maker) -> None:
    """Scores are handed to the experts and kept, a row a layer; the loss is of the whole batch, and moves the routers."""
    spec = program("""
# A text model whose experts are kept in balance.
const vocab = 11
data x: tokens[9] from npz("x.npz")
net logits(x: tokens[P]) -> ([P, vocab], [2, P, 4]) {
  h = embed(x, 8)
  repeat 2 {
    z = router(h, 4)
    h += experts(h, 4, top = 2, expert = gated_mlp(hidden = 6), scores = z)
  } keep z as zs
  return (linear(h, vocab), zs)
}
train(steps = 3, batch = 4) {
  (y, zs) = logits(x[:-1])
  all = rearrange(across(zs), "b l p n -> l (b p) n")
  minimize mean(cross_entropy(y, x[1:])) + 0.01 * mean(balance_loss(all, top = 2)) + 0.001 * mean(router_z_loss(all))
}
export f(x: tokens[P]) -> [P, vocab] {
  (y, zs) = logits(x)
  return y
}
""")
    graph = forms.select(forms.prepare(spec.training.graph), [0])  # type: ignore[union-attr]
    weights = Weights(spec.weights).initialise(0)
    x = torch.randint(0, 11, (4, 9), generator=torch.Generator().manual_seed(0))
    inputs = [x if v.type.shape else torch.arange(4) for v in graph.inputs] + [torch.tensor(0)] * len(graph.settings)
    lower(graph, weights)(*inputs)[0].mean().backward()
    routers = [p.grad for name, p in weights.named_parameters() if "router" in name]
    assert len(routers) == 2
    assert all(g is not None and bool(g.abs().sum() > 0) for g in routers)


@pytest.mark.parametrize(
    ("call", "slug"),
    [
        ("experts(x, 4, top = 5, expert = mlp(hidden = 3))", "index-out-of-range"),
        ("experts(x, 4, top = 2, expert = one)", "family-member"),
        ("experts(x, 4, top = 2, expert = two)", "family-member"),
        ("experts(x, 4, top = 2, expert = 3)", "family-member"),
        ("experts(x, 4, top = 2, expert = tanh)", "family-member"),
        ("experts(x, 4, top = 2)", "missing-argument"),
    ],
)
def test_what_is_no_mixture_is_told(call: str, slug: str, tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    nets = "net one(x: [2]) -> [2] { return linear(x, 2) }\nnet two[3](x: [2]) -> [2] { return linear(x, 2) }\n"
    path.write_text(
        f"# A call.\n{nets}export e(x: [2]) -> [2] {{ return {call} + one(two[0](x)) + two[1](two[2](x)) }}\n"
    )
    errors = [d for d in check(path).diagnostics if d.severity == "error"]
    assert [d.slug for d in errors] == [slug]
    assert errors[0].span is not None and errors[0].span.source.path == str(path)
