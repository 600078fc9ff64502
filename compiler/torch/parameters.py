"""The model's weights as a torch module, named as the spec names them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence

import numpy as np
import torch
from torch import nn

from mai.compiler.ir.evaluate import evaluate
from mai.compiler.ir.graph import COMPUTED, Weight
from mai.compiler.passes import forms
from mai.compiler.torch.processes.parts import whole
from mai.runtime.arrays import Array


class Weights(nn.Module):
    """Nested modules, so that the keys of `state_dict()` are the weights' names: `velocity.linear_1.weight`.

    Trained weights are parameters, running statistics buffers. They hold zeros until `initialise` or `load_state_dict`, or else what
    `arrays` has under their names, without a copy: whoever gives them only reads what the module is.
    A net may have a name that modules have, `train` say: members stand in torch's own dictionaries, where names are free.
    """

    def __init__(self, weights: Mapping[str, Weight], arrays: Mapping[str, Array] | None = None) -> None:
        super().__init__()
        self.weights = dict(weights)
        for name, weight in self.weights.items():
            *path, last = name.split(".")
            tensor = torch.zeros(weight.shape, dtype=torch.float32) if arrays is None else _shared(arrays[name])
            owner = self._owner(path)
            if weight.trained:
                owner._parameters[last] = nn.Parameter(tensor)
            else:
                owner._buffers[last] = tensor
        self._followers = [w for w in self.weights.values() if w.follows is not None and w.follows.keep < 1]

    def _owner(self, path: list[str]) -> nn.Module:
        module: nn.Module = self
        for part in path:
            if part not in module._modules:
                module._modules[part] = nn.Module()
            child = module._modules[part]
            assert child is not None
            module = child
        return module

    def train(self, mode: bool = True) -> Weights:
        """Weights are the same in training and outside of it, and a net may be called `training`."""
        return self

    def initialise(self, seed: int = 0) -> Weights:
        """First values, a function of the seed and each weight's name alone."""
        state = self.state_dict()
        for name, weight in self.weights.items():
            state[name].copy_(torch.from_numpy(first_value(weight, seed)))
        return self

    def chosen(self, moves: Callable[[Weight], bool]) -> dict[str, nn.Parameter]:
        """The trained weights that a rule chooses, by name."""
        return {name: p for name, p in self.named_parameters() if moves(self.weights[name])}

    def replace(self, name: str, parameter: nn.Parameter) -> None:
        """Put another parameter in the place of a trained weight."""
        *path, last = name.split(".")
        self._owner(path)._parameters[last] = parameter

    def write(self, states: Mapping[str, torch.Tensor]) -> None:
        """New values of states, by name; each has the state's shape."""
        buffers = dict(self.named_buffers()) if states else {}
        for name, value in states.items():
            buffers[name].copy_(value.detach())

    def put(self, arrays: Mapping[str, Array]) -> None:
        """Give some weights these values, by name."""
        state = self.state_dict()
        for name, array in arrays.items():
            state[name].copy_(torch.from_numpy(array))

    @torch.no_grad()
    def begin_copies(self, names: Collection[str]) -> None:
        """Make those of some weights that are copies equal to what they are copies of."""
        state = self.state_dict()
        for weight in (self.weights[name] for name in names):
            if weight.follows is not None and weight.follows.keep == 1:
                state[weight.name].copy_(state[weight.follows.source])

    @torch.no_grad()
    def begin_as_sources(self, sources: Collection[str]) -> None:
        """Make second sets of parameters equal to what they follow, for some of what they follow."""
        state = self.state_dict()
        for weight in self.weights.values():
            if weight.follows is not None and weight.follows.source in sources:
                state[weight.name].copy_(state[weight.follows.source])

    def follow(self, still: Collection[str] = ()) -> None:
        """Move each second set of parameters towards the first, as after a step; those of what is held `still` stay."""
        moving = [w for w in self._followers if w.follows is not None and w.follows.source not in still]
        if moving:
            self._follow(moving)

    @torch.no_grad()
    def _follow(self, moving: Sequence[Weight]) -> None:
        state = self.state_dict()
        for weight in moving:
            assert weight.follows is not None
            state[weight.name].lerp_(whole(state[weight.follows.source]), 1 - weight.follows.keep)

    def numpy(self) -> dict[str, Array]:
        """A copy of every weight as a numpy array, by name."""
        return {name: whole(tensor).detach().cpu().numpy().copy() for name, tensor in self.state_dict().items()}


def _shared(array: Array) -> torch.Tensor:
    """An array as a tensor in the same place in memory, in float32; one that may not be written, as of a mapped file, is copied."""
    return torch.from_numpy(np.require(array, np.float32, ("C", "W")))


def first_value(weight: Weight, seed: int) -> Array:
    """What a weight starts from, in float32: its own Philox stream, keyed by the seed and the name, or that of what it follows."""
    numbers = weight.init.numbers
    if weight.init.kind == "identity":
        return np.eye(*weight.shape, dtype=np.float32)
    if weight.init.graph is not None:
        (table,) = evaluate(forms.prepare(weight.init.graph), {}, None, {})
        return np.ascontiguousarray(table, np.float32)
    if weight.init.kind in ("constant", COMPUTED):
        return np.full(weight.shape, numbers[0], np.float32)
    name = weight.name if weight.follows is None else weight.follows.source
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    generator = np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
    if weight.init.kind == "normal":
        shift, scale = numbers
        values = generator.standard_normal(weight.shape, np.float32)
    else:
        shift, scale = numbers[0], numbers[1] - numbers[0]
        values = generator.random(weight.shape, np.float32)
    values *= scale  # In place: a large array is made once, and not for each operation.
    values += shift
    return values
