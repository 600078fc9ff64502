"""A spec's weights as a torch module, for somebody else's own training loop."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from itertools import chain
from pathlib import Path
from threading import RLock
from typing import Any

import torch
from torch import Tensor, fx
from torch.func import functional_call
from torch.nn.utils.parametrize import is_parametrized

from mai.compiler.export_names import unknown_export
from mai.compiler.interface.torch_arguments import Arguments
from mai.compiler.ir.graph import Graph
from mai.compiler.passes import forms
from mai.compiler.program import Program, Training
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.training.first_values import compute_all_first_values
from mai.compiler.training.initial_weights import initial_weights, load_weights
from mai.compiler.training.step.code import minimized
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.record import record


@record
class Code:
    """The code of a graph: what it takes, how it computes, the weights that it reads, by their places in it, and the names of its results.

    The places have the weights of one call, so threads compute `one_at_a_time`.
    """

    arguments: Arguments
    module: fx.GraphModule
    weights: Mapping[str, str]
    outputs: Sequence[str]
    one_at_a_time: RLock = field(default_factory=RLock)


class SpecModule(Weights):
    """A spec's weights, which `state_dict()` and `named_parameters()` call by the spec's own names, with its exports as functions of tensors.

    `module(x=x)` is its one export, or the first; `module.export("sample")` is any. `module.loss(x=x, y=y, step=k)` is what its train
    block minimizes. All share these weights. `spec.export("sample", weights=module)` compiles what was trained.
    """

    def __init__(self, program: Program, weights: Path | None = None, seed: int = 0, data: Sequence[Path] = ()) -> None:
        """Make the module of a program, with the weights of a file, or with first values, some of which may be computed from the examples.

        Args:
            data: files in the place of the spec's own.

        Raises:
            MaiError: the weights or the data do not fit.
        """
        super().__init__(program.weights)
        self._program, self._seed, self._step = program, seed, 0
        self._lowered: dict[tuple[str, str | None, torch.device], Code] = {}
        if weights is None:
            self.load_state_dict(initial_weights(program, None, seed).state_dict())
            compute_all_first_values(program, self, seed, data)
        else:
            self.put(load_weights(program, weights)[0])

    def train(self, mode: bool = True) -> SpecModule:
        """What `loss` is from here on: of examples that are trained on, or, after `eval()`, of held-out ones."""
        vars(self)["training"] = mode  # Not as an attribute: a net may have that name.
        return self

    def forward(self, *unnamed: object, **values: Any) -> Tensor | dict[str, Tensor]:
        """The one export, or the first: inputs with the batch first, and settings, by name."""
        return self.export(next(iter(self._program.exports)))(*unnamed, **values)

    def export(self, name: str) -> Callable[..., Tensor | dict[str, Tensor]]:
        """An export as a function of tensors by name, through which gradients flow.

        Raises:
            MaiError: there is no such export; in a call: a name, a shape, a batch or a label is not as the spec says.
        """
        if name not in self._program.exports:
            raise unknown_export(self._program.name, name, self._program.exports)
        code = self._lower("export", name)

        def call(*unnamed: object, **values: Any) -> Tensor | dict[str, Tensor]:
            code.arguments.refuse_unnamed(unnamed)
            results = self._run(code, values)
            return results[0] if len(results) == 1 else dict(zip(code.outputs, results, strict=True))

        return call

    def loss(self, block: str | None = None, *, step: int | None = None, **fields: Any) -> Tensor:
        """What a train block minimizes, the sum of its objectives over a batch of fields by name, [].

        Its states are moved as training moves them. After `module.eval()` it is the loss on held-out examples: without dropout, with running
        statistics, and no state is moved; `module.train()` goes back.

        Args:
            block: the name of the block, where there are several; by default the last.
            step: draws are a function of the seed and of it. By default it is the number of calls in training so far, so that each has draws
                of its own; on held-out examples it is 0.
            fields: [batch, ...] each.

        Raises:
            MaiError: there is no such block; a field is missing, or its shape, its batch or its labels are not as the spec says.
        """
        training = self._training(block)
        code = self._lower("train" if self.training else "held-out", training.name)
        if step is None:
            step = self._step if self.training else 0
        values = {"seed": self._seed, "step": step, **fields}
        outputs = self._run(code, values)
        objectives = [output.mean() for output in outputs[: len(training.objectives)]]
        if self.training:
            self._step = int(step) + 1
            states = [output.detach() for output in outputs[len(training.objectives) :]]
            self.write(dict(zip((update.weight for update in training.updates), states, strict=True)))
        return torch.stack(objectives).sum()

    def _training(self, block: str | None) -> Training:
        blocks = self._program.trainings
        chosen = [training for training in blocks if block is None or training.name == block]
        if not chosen:
            message = f"{self._program.name} has no train block" + (f" `{block}`" if block else "")
            raise MaiError([Diagnostic("unknown-name", None, message)])
        return chosen[-1]

    def weight_values(self) -> dict[str, Tensor]:
        """The weights as they are now, by the spec's names: what a parametrization of torch makes of them, too.

        Raises:
            MaiError: one was taken away, as `torch.nn.utils.prune` does, or is not of 32 bits, as the code's own numbers are.
        """
        return {name: _checked_float(name, self._value(name)) for name in self._program.weights}

    def _value(self, name: str) -> Tensor:
        *path, last = name.split(".")
        owner: torch.nn.Module = self
        for part in path:  # Nets, and the layers of a train block, may have the name of a method.
            within = owner._modules[part] if part in owner._modules else getattr(owner, part, None)
            owner = within if isinstance(within, torch.nn.Module) else torch.nn.Module()
        value = owner._parameters.get(last, owner._buffers.get(last))
        if value is None and is_parametrized(owner, last):
            value = getattr(owner, last)
        if value is None:
            message = f"the module has no parameter `{name}` any more"
            help = "parametrizations of torch can stay; after pruning, call `torch.nn.utils.prune.remove`"
            raise MaiError([Diagnostic("weights-mismatch", None, message, help=help)])
        return value

    def _run(self, code: Code, values: Mapping[str, object]) -> Sequence[Tensor]:
        """What code computes with the weights that the module has now: a loop may put others in their places, for one call or for good."""
        tensors, weights = code.arguments.tensors(values, self._device), self.weight_values()
        placed = {place: weights[name] for place, name in code.weights.items()}
        with code.one_at_a_time:
            results: Sequence[Tensor] = functional_call(code.module, placed, tuple(tensors), tie_weights=False)
        return results

    def _lower(self, kind: str, name: str | None) -> Code:
        """The code of an export, or of a train block in training or on held-out examples, which is made once for a device."""
        key = kind, name, self._device
        if key not in self._lowered:
            graph = self._graph(kind, name)
            prepared = forms.prepare(graph, trained=True)
            with torch.device("meta"):
                places = Weights(self._program.weights)
            module = lower(prepared, places)
            weights = _places_of(places, module)
            _move_constants(module, self._device)
            self._lowered[key] = Code(Arguments(prepared, graph), module, weights, prepared.output_names)
        return self._lowered[key]

    def _graph(self, kind: str, name: str | None) -> Graph:
        if kind == "export":
            return self._program.exports[str(name)]
        training = self._training(name)
        if kind == "train":
            return minimized(training)
        return forms.select(training.evaluation, [objective.output for objective in training.objectives])

    @property
    def _device(self) -> torch.device:
        return next((t.device for t in chain(self.parameters(), self.buffers())), torch.device("cpu"))

    def __getstate__(self) -> dict[str, Any]:
        """What it is copied and pickled by: its code is made anew."""
        return {**super().__getstate__(), "_lowered": {}}  # type: ignore[no-untyped-call]


def _places_of(weights: Weights, module: fx.GraphModule) -> dict[str, str]:
    """The names of weights by the places that they have in code made from them."""
    names = {id(tensor): name for name, tensor in weights.state_dict(keep_vars=True).items()}
    tensors = chain(module.named_parameters(remove_duplicate=False), module.named_buffers(remove_duplicate=False))
    return {place: names[id(tensor)] for place, tensor in tensors if id(tensor) in names}


def _move_constants(module: fx.GraphModule, device: torch.device) -> None:
    """Put what code holds besides the places of weights on a device; `module.to` would change tensors in place, as `torch.func` forbids."""
    for part in module.modules():
        for name, tensor in part.named_buffers(recurse=False):
            part._buffers[name] = tensor if tensor.is_meta else tensor.to(device)


def _checked_float(name: str, tensor: Tensor) -> Tensor:
    if tensor.is_floating_point() and tensor.dtype is not torch.float32:
        message = f"`{name}` is {str(tensor.dtype).removeprefix('torch.')}: the code of a spec computes with float32"
        raise MaiError([Diagnostic("dtype-mismatch", None, message, help="call `module.float()`")])
    return tensor
