"""`recompute = true`: the same steps to the bit, of which the turns' beginnings alone are kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch.turns import Turn, groups_of, region_of, runs
from mai.compiler.training.options import Options
from mai.compiler.training.trainer import Trainer

Maker = Callable[[str], Program]
NETS = {
    "plain": "h = linear(x, 8)\n  repeat 6 { h += mlp(rms_norm(h), hidden = 64) }\n  return linear(h, 2)",
    "a turn reads the number of its turn and what is before": (
        "h = linear(x, 8)\n  repeat 4 as i { h += dropout(mlp(h * (i + 1) + mean(x), hidden = 64), 0.1) }\n  return linear(h, 2)"
    ),
    "nested": "h = linear(x, 8)\n  repeat 2 { repeat 2 { h += relu(linear(h, 8)) }\n h = rms_norm(h) }\n  return linear(h, 2)",
    "shared": "h = linear(x, 8)\n  repeat 5 shared { h = tanh(linear(h, 8)) }\n  return linear(h, 2)",
    "statistics": (
        'h = linear(x, 8)\n  repeat 3 { h = relu(rearrange(batch_norm(rearrange(linear(h, 8), "k -> k 1 1")), "k 1 1 -> k")) }\n'
        "  return linear(h, 2)"
    ),
    "a recurrence in a turn": (
        "h = linear(x, 8)\n  repeat 3 {\n    k = linear(h, 8)\n    s = zeros([8])\n"
        "    repeat 20 shared as t { s = sigmoid(k) * s + h * t / 20 }\n    h += tanh(s)\n  }\n  return linear(h, 2)"
    ),
    "a derivative": "h = linear(x, 8)\n  repeat 4 { h += tanh(linear(h, 8)) }\n  return linear(h, 2)",
}
LOSSES = {"a derivative": "mean(jvp(f(x + z), z, x)^2)"}
SPEC = """data x: [2] from moons()
net f(x: [2]) -> [2] {{
  {net}
}}
train(steps = 3, batch = 16, optimizer = adamw(lr = 1e-2), recompute = {again}) {{
  z ~ normal([2])
  minimize {loss}
}}
"""


def trainer(kind: str, again: bool, program: Maker, folder: Path) -> Trainer:
    loss = LOSSES.get(kind, "mean((f(x + z) - x)^2)")
    spec = program(SPEC.format(net=NETS[kind], loss=loss, again="true" if again else "false"))
    assert spec.training is not None
    return Trainer(spec, spec.training, folder, Options(quiet=True, device="cpu"))


def kept(trainer: Trainer) -> int:
    """How many bytes a step keeps for its derivatives."""
    sizes: dict[int, int] = {}

    def see(tensor: Tensor) -> Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(see, lambda tensor: tensor):
        trainer.objectives[0].modules[0](trainer.feed.at(0), 0)
    return sum(sizes.values())


@pytest.mark.parametrize("kind", NETS)
def test_steps_are_the_same_to_the_bit(kind: str, program: Maker, tmp_path: Path) -> None:
    plain, again = (trainer(kind, each, program, tmp_path / str(each)) for each in (False, True))
    for step in range(3):
        assert plain.step(step, report=False) == again.step(step, report=False)
    for name, weight in plain.weights.state_dict().items():
        assert torch.equal(weight, again.weights.state_dict()[name]), name


def test_less_is_kept(program: Maker, tmp_path: Path) -> None:
    plain, again = (kept(trainer("plain", each, program, tmp_path / str(each))) for each in (False, True))
    assert again < plain / 3


def test_a_turn_that_moves_statistics_is_not_computed_twice(program: Maker, tmp_path: Path) -> None:
    for kind, is_again in (("plain", True), ("statistics", False)):
        (module,) = trainer(kind, True, program, tmp_path / kind).objectives[0].modules
        turns = [each for each in module.module.modules() if isinstance(each, Turn)]
        assert [turn.again for turn in turns] == [is_again] * len(turns)
        assert len(turns) in (3, 6)


def test_turns_pass_on_what_the_spec_says(program: Maker, tmp_path: Path) -> None:
    run_of_spec = trainer("plain", True, program, tmp_path)
    graph = forms.select(run_of_spec.code.graph, [0])
    groups = [run for run in runs(graph, groups_of(graph)) if run.group is not None]
    assert [run.group for run in groups] == [f"f.repeat_1.{turn}" for turn in range(6)]
    assert all(len(region_of(graph, run).outputs) == 1 for run in groups[:-1])
