"""Weights cut between processes, for models that do not fit one: by torch's FSDP2 (Zhao et al. 2023; `fully_shard`).

A turn of a `repeat` is a unit: its weights are whole while it runs, forwards or backwards, those of the next are fetched meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import cast

import torch
from torch import Tensor, fx, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard

from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.turns import Turn, computed_again

Results = tuple[Tensor, ...]
Code = Callable[..., Results]


class Unit(nn.Module):
    """Weights that are whole together, while code runs that reads them."""

    def __init__(self, weights: Mapping[str, nn.Parameter]) -> None:
        super().__init__()
        self.members = {name: f"weight_{place}" for place, name in enumerate(weights)}
        self.turns = nn.ModuleList()
        for name, parameter in weights.items():
            self.register_parameter(self.members[name], parameter)

    def forward(self, code: Code, *arguments: Tensor) -> Results:
        """What some code gives."""
        return code(*arguments)

    def weights(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The weights by name: whole while code runs, this process's part of them otherwise."""
        for name, member in self.members.items():
            parameter = self._parameters[member]
            assert parameter is not None
            yield name, parameter


class Sharded:
    """The weights of a model in units, a turn's in `groups` together. Numbers of no axis, which cannot be cut, stay whole."""

    def __init__(self, weights: Weights, groups: Mapping[str, str], count: int, device: torch.device) -> None:
        parameters = {name: p for name, p in weights.named_parameters() if p.ndim}
        of_turns: dict[str, dict[str, nn.Parameter]] = {}
        for name, parameter in parameters.items():
            if name in groups:
                of_turns.setdefault(groups[name], {})[name] = parameter
        self.root = Unit({name: p for name, p in parameters.items() if name not in groups})
        self.units = {group: Unit(members) for group, members in of_turns.items()}
        self.root.turns.extend(self.units.values())
        mesh = init_device_mesh(device.type, (count,))
        for unit in (*self.units.values(), self.root):
            fully_shard(unit, mesh=mesh)
            for name, part in unit.weights():
                weights.replace(name, part)
        self.names = {id(p): name for name, p in weights.named_parameters()}

    def run(self, code: fx.GraphModule) -> Code:
        """Code that reads the weights, run with them whole, a turn's for as long as the turn."""
        turns = [module for module in code.modules() if isinstance(module, Turn)]
        for turn in turns:
            turn.around = self._around_turn(turn)
        inside = {id(module) for turn in turns for module in turn.modules()}
        bound = self._bound(self.root, code, [m for m in code.modules() if id(m) not in inside])

        def whole(*arguments: Tensor) -> Results:
            results: Results = self.root(bound, *arguments)
            if not torch.is_grad_enabled():  # Nothing goes back and takes them apart; the next run may have others.
                cast(FSDPModule, self.root).reshard()
            return results

        return whole

    def _around_turn(self, turn: Turn) -> Code:
        unit = self.units.get(turn.group)
        bound: Code = turn.body if unit is None else self._bound(unit, turn.body, list(turn.body.modules()))

        def code(*arguments: Tensor) -> Results:
            return computed_again(bound, *arguments) if turn.again else bound(*arguments)

        return code if unit is None else lambda *arguments: unit(code, *arguments)

    def _bound(self, unit: Unit, code: nn.Module, modules: list[nn.Module]) -> Code:
        """Code whose modules read the weights of a unit as they are when it runs."""
        places = [
            (module, key, self.names[id(parameter)])
            for module in modules
            for key, parameter in module._parameters.items()
            if id(parameter) in self.names and self.names[id(parameter)] in unit.members
        ]

        def run(*arguments: Tensor) -> Results:
            weights = dict(unit.weights())
            for module, key, name in places:
                module._parameters[key] = weights[name]
            results: Results = code(*arguments)
            return results

        return run
