"""Draws as single calls, so that generated code says `random_normal(...)` and not two hundred integer operations."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, fx

from mai.compiler.ir.operation import Lowering, Operation
from mai.compiler.ops.random.choice import Choose
from mai.compiler.ops.random.random_numbers import Draw, RandomHalves, RandomNormal, RandomUniform

Sizes = tuple[int, ...]


def _lowering(op: type[Operation]) -> Lowering:
    """An operation's code for torch; the module torch is no `Arrays` to a type checker, which its own signature asks for."""
    return op.torch


def random_halves(seed: Tensor, turn: Tensor, example: Tensor, place: int, shape: Sizes, lead: Sizes) -> Tensor:
    """The halves of 32 random bits; see `ops/random/random_numbers.py` for what a draw depends on."""
    halves: Tensor = _lowering(RandomHalves)(torch, seed, turn, example, place=place, shape=shape, lead=lead)
    return halves


def random_uniform(seed: Tensor, turn: Tensor, example: Tensor, place: int, shape: Sizes, lead: Sizes) -> Tensor:
    """Reals strictly between 0 and 1."""
    uniform: Tensor = _lowering(RandomUniform)(torch, seed, turn, example, place=place, shape=shape, lead=lead)
    return uniform


def random_normal(seed: Tensor, turn: Tensor, example: Tensor, place: int, shape: Sizes, lead: Sizes) -> Tensor:
    """Standard normal reals."""
    normal: Tensor = _lowering(RandomNormal)(torch, seed, turn, example, place=place, shape=shape, lead=lead)
    return normal


def choose(logits: Tensor, u: Tensor, temperature: Tensor, *filters: Tensor) -> Tensor:
    """A label by its logits and a uniform number; see `ops/random/choice.py`."""
    label: Tensor = _lowering(Choose)(torch, logits, u, temperature, *filters)
    return label


DRAWS: dict[type[Draw], Callable[..., Tensor]] = {
    RandomHalves: random_halves, RandomUniform: random_uniform, RandomNormal: random_normal,
}  # fmt: skip

CALLS: dict[type[Operation], Callable[..., Tensor]] = {Choose: choose}
CALLS.update(DRAWS.items())

for _function in CALLS.values():
    fx.wrap(_function.__name__)
