"""A step of training reads no number off the device: its kernels wait behind one another, and the program never for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from mai.compiler.program import Program
from mai.compiler.training.options import Options
from mai.compiler.training.trainer import Trainer

WAITING = (
    "aten::_local_scalar_dense",
    "aten::nonzero",
    "aten::equal",
    "aten::masked_select",
)  # item(), int(), bool(), and what has a size of its own


class Reads(TorchDispatchMode):
    """Counts the operations that have a number or a size read off a tensor."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += str(operation.name()).split(".")[0] in WAITING
        return operation(*args, **(kwargs or {}))


def reads_of_a_step(spec: Program, out: Path) -> int:
    """How often a step reads, other than what it is asked for: figures are read together, every half second."""
    assert spec.training is not None
    run = Trainer(spec, spec.training, out, Options(quiet=True, device="cpu", batch=2))
    run.readings.are_free = False  # As on a device.
    fields = run.feed.at(0)
    run.minimize(run.objectives[0], fields, 0, 1.0, False)
    with Reads() as reads:
        run.minimize(run.objectives[0], fields, 1, 1.0, False)
        run.weights.follow(run.still)
    return reads.count


LOOPS = {
    "a loop": "repeat 5 { x += 0.1 * tanh(A @ x) }",
    "a loop that keeps its turns": "repeat 5 as i { x += 0.1 * i * tanh(A @ x) }",
    "a solver": "integrate t in 0..1 using rk4(7) { dx/dt = tanh(A @ x) }",
}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_with_a_known_number_of_turns_reads_nothing(
    loop: str, program: Callable[[str], Program], tmp_path: Path
) -> None:
    spec = program(
        "train(steps = 3, batch = 4, optimizer = adamw(lr = 1e-3), clip = 1) {\n  x ~ normal([4])\n  minimize sum(f(x)^2)\n}\n"
        f"net f(x: [4]) -> [4] {{\n  param A: [4, 4] ~ normal(0, 1)\n  {LOOPS[loop]}\n  return x\n}}\n"
    )
    assert reads_of_a_step(spec, tmp_path) == 0


@pytest.mark.parametrize("name", ["papers/gru_lm", "papers/burgers", "moons_flow", "gan"])
def test_examples_read_nothing(name: str, example: Callable[[str], Program], tmp_path: Path) -> None:
    assert reads_of_a_step(example(name), tmp_path) == 0


def test_what_is_read_is_counted() -> None:
    with Reads() as reads:
        int(torch.ones(()))
        bool(torch.ones(3).all())
        torch.ones(3).nonzero()
    assert reads.count == 3
