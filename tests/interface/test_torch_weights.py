"""The module computes with the weights that it has when it is called, in whatever way a loop put them there."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn.utils import parametrizations, prune
from torch.optim.swa_utils import AveragedModel
from torch.utils._python_dispatch import TorchDispatchMode

import mai
from mai.compiler.interface.torch_module import SpecModule

SPEC = """data x: [3] from python(points)
net f(x: [3]) -> [2] { return linear(tanh(linear(x, 5)), 2) }
train(steps = 1) {
  noise ~ normal([3])
  minimize sum(f(x + 0 * noise)^2)
}
export g(x: [3]) -> [2] { return f(x) }
"""
X = torch.linspace(-1, 1, 12).reshape(4, 3)
POINTS = mai.Spec(SPEC, data=X)
OTHERS = POINTS.torch(seed=1).state_dict()


@pytest.fixture
def module() -> SpecModule:
    """Its code was made already, with weights that are no longer those of the test."""
    module = POINTS.torch()
    module(x=X), module.loss(x=X)
    return module


def wanted(weights: Mapping[str, Tensor]) -> Tensor:
    w = {name.removeprefix("f."): value for name, value in weights.items()}
    return torch.tanh(X @ w["linear_1.weight"].T + w["linear_1.bias"]) @ w["linear_2.weight"].T + w["linear_2.bias"]


def _assigned(module: SpecModule) -> SpecModule:
    module.load_state_dict(OTHERS, assign=True)
    return module


def _replaced(module: SpecModule) -> SpecModule:
    module.get_submodule("f.linear_1").weight = nn.Parameter(torch.ones(5, 3))
    return module


def _averaged(module: SpecModule) -> SpecModule:
    average = AveragedModel(module)
    average.update_parameters(_assigned(module))
    assert isinstance(average.module, SpecModule)
    return average.module


def _parametrized(module: SpecModule) -> SpecModule:
    layer = parametrizations.weight_norm(module.get_submodule("f.linear_1"), "weight")
    layer.get_parameter("parametrizations.weight.original0").data.mul_(2)
    return module


def _pruned(module: SpecModule) -> SpecModule:
    layer = module.get_submodule("f.linear_1")
    return prune.remove(prune.l1_unstructured(layer, "weight", amount=0.5), "weight") and module


class Passing(nn.Module):
    """Stands around a module and passes on what is asked of it, as `torch.compile` and the wrappers of torch.distributed do."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        inner = self._modules["inner"]
        return inner if name == "inner" else getattr(inner, name)


def _wrapped(module: SpecModule) -> SpecModule:
    module.add_module("f", Passing(module.get_submodule("f")))
    return module


WAYS = [
    _assigned,
    _replaced,
    _averaged,
    _parametrized,
    _pruned,
    _wrapped,
    copy.deepcopy,
    lambda m: pickle.loads(pickle.dumps(m)),
]


@pytest.mark.parametrize("change", WAYS)
def test_weights_that_were_put_there(module: SpecModule, change: Callable[[SpecModule], SpecModule]) -> None:
    changed = change(module)
    right = wanted(changed.weight_values()).detach()
    torch.testing.assert_close(changed(x=X).detach(), right)
    torch.testing.assert_close(changed.loss(x=X).detach(), (right**2).sum(1).mean())
    np.testing.assert_allclose(POINTS.export("g", weights=changed)(x=X), right, atol=1e-6)


def test_weights_for_one_call(module: SpecModule) -> None:
    """Those of `torch.func`: one set, and several at once; the module's own are as they were."""
    before = module(x=X)
    torch.testing.assert_close(functional_call(module, OTHERS, (), {"x": X}), wanted(OTHERS))
    stacked, _ = stack_module_state([module, POINTS.torch(seed=1)])
    both = vmap(lambda weights: functional_call(module, weights, (), {"x": X}))(stacked)
    torch.testing.assert_close(both, torch.stack([before, wanted(OTHERS)]))
    assert torch.equal(module(x=X), before) and copy.deepcopy(module)(x=X).equal(before)


class AtTanh(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Does something in the middle of a call, at its `tanh`."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.act = act

    def __torch_dispatch__(self, func: Any, types: object, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.tanh.default:
            self.act()
        return func(*args, **(kwargs or {}))


def test_two_threads_call_at_once(module: SpecModule) -> None:
    """The second call begins within the first, and would go on after its end; neither computes with the other's weights."""
    right, is_over, is_within, others = module(x=X), Event(), Event(), []

    def wait() -> None:
        is_within.set()
        is_over.wait(5)

    def call() -> object:
        with AtTanh(wait):
            return functional_call(module, OTHERS, (), {"x": X})

    def begin_another() -> None:
        others.append(pool.submit(call))
        is_within.wait(0.03)

    with ThreadPoolExecutor(1) as pool:
        with AtTanh(begin_another):
            first = module(x=X)
        is_over.set()
        torch.testing.assert_close(others[0].result(), wanted(OTHERS))
    assert first.equal(right)


def test_derivatives_by_weights_of_torch_func() -> None:
    """The code may be made inside of the transformation."""
    module = POINTS.torch()
    slopes = grad(lambda weights: functional_call(module, weights, (), {"x": X}).sum())(OTHERS)
    leaves = {name: value.clone().requires_grad_() for name, value in OTHERS.items()}
    wanted(leaves).sum().backward()
    for name, leaf in leaves.items():
        torch.testing.assert_close(slopes[name], leaf.grad)


@pytest.mark.parametrize("name", ["train", "forward", "loss"])
def test_nets_and_layers_of_a_train_block_have_names_of_methods(name: str) -> None:
    net = f"net {name}(x: [3]) -> [3] {{ return linear(x, 3) }}\n"
    block = f"train(steps = 1) {{ minimize sum(linear({name}(x), 2)^2) }}\n"
    module = mai.Spec("data x: [3] from python(points)\n" + net + block, data=X).torch()
    a, b, c, d = module.parameters()
    torch.testing.assert_close(module.loss(x=X), (X @ a.T + b).matmul(c.T).add(d).square().sum(-1).mean())


def test_weights_that_are_not_there(module: SpecModule) -> None:
    prune.l1_unstructured(module.get_submodule("f.linear_1"), "weight", amount=0.5)
    with pytest.raises(mai.MaiError, match=r"no parameter `f.linear_1.weight` any more.*prune.remove"):
        module(x=X)


def test_draws_are_made_where_the_weights_are(module: SpecModule) -> None:
    assert module.to("meta").loss(x=X).is_meta
    assert not module.to_empty(device="cpu").loss(x=X).is_meta


@pytest.mark.parametrize("wrap", [AveragedModel, nn.Sequential, lambda m: torch.compile(m, backend="eager")])
def test_a_module_in_one_of_torch_is_taken_back(wrap: Callable[[SpecModule], nn.Module]) -> None:
    module = POINTS.torch(seed=1)
    np.testing.assert_allclose(POINTS.export("g", weights=wrap(module))(x=X), wanted(OTHERS), atol=1e-6)


def test_no_weights_at_all_are_not_those_of_before() -> None:
    with pytest.raises(mai.MaiError, match=r"there is no `f.linear_1.weight`"):
        POINTS.export("g", weights={})


def test_weights_of_16_bits_are_taken_back() -> None:
    halves = {name: value.bfloat16() for name, value in OTHERS.items()}
    np.testing.assert_allclose(
        POINTS.export("g", weights=halves)(x=X), wanted({n: v.float() for n, v in halves.items()}), atol=1e-6
    )
