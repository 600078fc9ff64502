"""What a step saw whose loss or gradient is not finite: the operation, the examples of the batch, the gradients and the weights."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from mai.compiler.torch.finite import Origin, Trace, Watched, in_words, origin_of_gradient, origin_of_value
from mai.compiler.torch.processes.parts import reading_whole
from mai.compiler.training.run.folder import FAILURE
from mai.compiler.training.step.objective import Objective, rows_of
from mai.compiler.training.step.step_function import Module
from mai.runtime.files import write_atomically
from mai.runtime.inputs.cells import few_of
from mai.spec.diagnostics import Diagnostic, MaiError

SHOWN, NUMBERS = 3, 4


@dataclass(frozen=True)
class Seen:
    """One step: its number from 0, the fields of its batch, [batch, ...] each, and the names of labels by field.

    `parts` are the places of these examples in the whole batch, those of each part that is computed at a time.
    """

    step: int
    fields: Mapping[str, Tensor]
    labels: Mapping[str, tuple[str, ...]]
    parts: Sequence[range]


def with_findings(error: MaiError, objective: Objective, seen: Seen, out: Path | None) -> MaiError:
    """An error of a step with notes of what it saw, its weights being those before it; written into the folder `out`, too, where it is given."""
    (main,) = error.diagnostics
    looks = list[tuple[Origin | None, list[str]]]()
    for part, module in zip(seen.parts, objective.modules, strict=True):
        own = replace(seen, fields=rows_of(seen.fields, seen.parts, part), parts=(part,))
        looks.append(_look(module, objective.parameters, own))
    origin, notes = next((each for each in looks if each[0] is not None), looks[0])
    if out is not None:
        values = {"step": seen.step + 1, "message": main.message, "notes": notes}
        write_atomically(out / FAILURE, (json.dumps(values, indent=2) + "\n").encode())
    findings = [Diagnostic(main.slug, None, text, severity="note") for text in notes]
    if findings and origin is not None:
        findings[0] = replace(findings[0], span=origin.span)
    return MaiError([main, *findings])


def _look(module: Module, parameters: Mapping[str, torch.nn.Parameter], seen: Seen) -> tuple[Origin | None, list[str]]:
    """Where a part of a step goes wrong, if it does, and notes of it."""
    trace, code = Trace(), module.of_examples()
    with reading_whole(code, parameters) as weights:
        with module.context():
            losses = Watched(code, trace).run(*module.arguments(seen.fields, seen.step))[0]
        origin = origin_of_value(code, trace)
        gradients = _gradients(losses, weights)
        if origin is None:
            origin = origin_of_gradient(trace)
        return origin, [*_operation(origin), *_examples(losses.detach(), seen), *_weights(weights, gradients)]


def _gradients(losses: Tensor, parameters: Mapping[str, torch.nn.Parameter]) -> dict[str, Tensor]:
    """The gradient of the mean loss of those examples that have one, by parameter; of all, where none has one or it is one for all."""
    finite = torch.isfinite(losses)
    chosen = losses[finite] if bool(finite.any()) else losses
    gradients = torch.autograd.grad(chosen.float().mean(), list(parameters.values()), allow_unused=True)
    return {name: g.detach() for name, g in zip(parameters, gradients, strict=True) if g is not None}


def _operation(origin: Origin | None) -> Iterator[str]:
    if origin is None:
        return
    if origin.weight is not None:
        yield f"the weight `{origin.weight}` is {origin.state} before this step: an earlier gradient was, which --debug-nan tells"
        return
    yield in_words(origin)


def _examples(losses: Tensor, seen: Seen) -> Iterator[str]:
    """The examples without a finite loss, and what the first of them is."""
    if losses.ndim == 0 or not seen.fields:
        return
    wrong = torch.nonzero(~torch.isfinite(losses.reshape(len(losses), -1).sum(1))).reshape(-1).tolist()
    if not wrong:
        return
    places = ", ".join(str(seen.parts[0].start + place + 1) for place in wrong[:SHOWN]) + (
        ", ..." if len(wrong) > SHOWN else ""
    )
    first = ", ".join(
        f"{name} = {_value(tensor[wrong[0]], seen.labels.get(name, ()))}" for name, tensor in seen.fields.items()
    )
    which = f"example {places}" if len(wrong) == 1 else f"examples {places}"
    yield f"of the {len(losses):,} examples of the batch, the loss of {which} is not finite; there {first}"


def _value(tensor: Tensor, names: tuple[str, ...]) -> str:
    numbers = tensor.reshape(-1)
    if numbers.numel() == 1 and not tensor.is_floating_point() and names:
        number = int(numbers[0])
        return names[number] if number < len(names) else str(number)
    shown = ", ".join(f"{number:.4g}" for number in numbers[:NUMBERS].tolist())
    if numbers.numel() == 1:
        return shown
    reach = f" ... (from {float(numbers.min()):.4g} to {float(numbers.max()):.4g})" if numbers.numel() > NUMBERS else ""
    return f"[{shown}{reach}]"


def _weights(parameters: Mapping[str, torch.nn.Parameter], gradients: Mapping[str, Tensor]) -> Iterator[str]:
    """The largest gradient and weight, with their parameters; the gradients that are not finite."""
    sizes = {name: float(gradient.abs().max()) for name, gradient in gradients.items() if gradient.numel()}
    finite = {name: size for name, size in sizes.items() if torch.isfinite(torch.tensor(size))}
    wrong = [name for name in sizes if name not in finite]
    text = ""
    if finite:
        largest = max(finite, key=finite.__getitem__)
        text = f"the largest gradient is {finite[largest]:.4g}, of `{largest}`"
    if wrong:
        none = f"those of {few_of([f'`{name}`' for name in wrong], SHOWN)} are not finite"
        text = f"{text}; {none}" if text else f"of the gradients, {none}"
    weights = {name: float(p.detach().abs().max()) for name, p in parameters.items() if p.numel()}
    if weights:
        heaviest = max(weights, key=weights.__getitem__)
        text += f"{'; ' if text else ''}the largest weight is {weights[heaviest]:.4g}, of `{heaviest}`"
    if text:
        yield text
