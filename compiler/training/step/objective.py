"""One `minimize` of a run: its loss as a function of a batch and a step, the weights that it moves, their optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

import torch
from torch import Tensor

from mai.compiler import program
from mai.compiler.program import Training
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.processes.parts import is_in_parts
from mai.compiler.training.moved import nothing_moves
from mai.compiler.training.step.compiled import Compiled
from mai.compiler.training.step.optimizer import make_optimizer
from mai.compiler.training.step.scaling import Scaling
from mai.compiler.training.step.step_function import Module
from mai.compiler.training.step.together import Together
from mai.runtime.run_folders.files import checkpoints
from mai.spec.diagnostics import Diagnostic, MaiError

MakeModules = Callable[[Sequence[int]], list[Module]]
"""Of the outputs with these numbers, one module for each part of a batch."""
HELP = "a smaller learning rate or `clip = 1.0` often helps"
OF_FIRST_STEP = "no weight has moved yet, so no learning rate is the cause: the notes say what is computed of what"


class Objective:
    """What one `minimize` computes and moves.

    `modules` compute the loss of each example and, for the first objective of every step, what becomes of the `states` that
    the block writes; `reporting` compute the reports, too, for the last one of every step.

    Raises:
        MaiError: it moves no weight.
    """

    def __init__(
        self,
        training: Training,
        written: program.Objective,
        weights: Weights,
        modules: MakeModules,
        processes: int = 1,
        sharded: bool = False,
    ) -> None:
        self.training, self.written = training, written
        steady = [o for o in training.objectives if o.every == 1] or list(training.objectives)
        is_first, is_last = written is steady[0], written is steady[-1]
        reports = [r.output for r in training.reports] if is_last else []
        updates = training.updates if is_first else ()
        self.states = tuple(u.weight for u in updates)
        outputs = [written.output, *(u.output for u in updates)]
        self.modules = modules(outputs)
        self.reporting = modules([*outputs, *reports]) if reports else self.modules
        chosen = weights.chosen(lambda w: training.moves(written, w))
        kinds = {name: (not is_in_parts(p), training.group_of(name)) for name, p in chosen.items()}
        self.parameters = {name: chosen[name] for name in sorted(chosen, key=kinds.__getitem__)}
        self.is_only = len(training.objectives) == 1
        self.others = [p for name, p in weights.named_parameters() if sharded and name not in self.parameters]
        self.sharded, self.processes = sharded, processes
        averaged = {n: p for n, p in self.parameters.items() if not (sharded and p.ndim)}
        self.together = Together(averaged, processes, any(module.turns_vary for module in self.modules))
        alike = [
            (training.settings.optimizer_of(group), [chosen[n] for n in names])
            for (_, group), names in groupby(self.parameters, kinds.__getitem__)
        ]
        self.optimizer = make_optimizer(alike)

    def gradients(
        self,
        scaling: Scaling,
        parts: Sequence[range],
        batch: int,
        fields: Mapping[str, Tensor],
        step: int,
        report: bool,
    ) -> tuple[Tensor, Sequence[Tensor], Sequence[Tensor]]:
        """Add up the gradients of a batch, of whose examples this process has some.

        Args:
            parts: the places of each part's examples in the whole `batch`; `fields` has those of all parts, [examples, ...].

        Returns:
            This process's share of the mean loss, what becomes of the states, and its shares of the means of what is reported.

        Raises:
            MaiError: the loss depends on no weight.
        """
        states: Sequence[Tensor] = ()
        figures: list[list[Tensor]] = []
        for part, module in zip(parts, self.reporting if report else self.modules, strict=True):
            own, share = rows_of(fields, parts, part), len(part) / batch
            loss, *rest = self._part(scaling, module, own, step, share, part is parts[-1])
            states, reported = rest[: len(self.states)], rest[len(self.states) :]
            means = [loss, *(each.detach().float().mean() for each in reported)]
            figures.append(means if share == 1 else [share * mean for mean in means])
        loss, *means = [sum(of_parts[1:], of_parts[0]) for of_parts in zip(*figures, strict=True)]
        return loss, states, means

    def _part(
        self,
        scaling: Scaling,
        module: Module,
        fields: Mapping[str, Tensor],
        step: int,
        share: float,
        is_last: bool,
    ) -> tuple[Tensor, ...]:
        """The mean loss of a part of a batch, and what the module gives besides; its gradients are added.

        Several processes' are averaged, so each counts as many times.
        """
        weight = share * self.processes

        def backward(loss: Tensor) -> None:
            if not loss.requires_grad:
                raise MaiError([nothing_moves(self.training, self.written)])
            self._backward(scaling, loss if weight == 1 else weight * loss)

        loss, *others = self.together.run(lambda: module(fields, step), is_last, backward)
        return loss.detach(), *others

    def _backward(self, scaling: Scaling, loss: Tensor) -> None:
        """Add the gradients of a loss to those of the parameters."""
        if not self.sharded:
            scaling.backward(loss, None if self.is_only else [*self.parameters.values()])
            return
        scaling.backward(loss)  # The whole forms of weights are what the code reads; gradients come back in parts.
        for other in self.others:
            other.grad = None

    def compile(self) -> None:
        """Have torch make code of what a step runs; those that report, of which there are few, run as they are."""
        run = Compiled(self.modules[0].module)
        for module in self.modules:
            module.forward = run

    def forget(self) -> None:
        """Have no gradients, as before a step."""
        for parameter in self.parameters.values():
            parameter.grad = None

    def wrong(self, step: int, loss: float, out: Path, debug: bool = False) -> MaiError | None:
        """The error of a step, from 0, of a run in the folder `out`, whose loss is no finite number, or whose gradient is not, where it is to be looked at."""
        if not math.isfinite(loss):
            return self._not_finite(step, loss, checkpoints(out))
        if not debug:
            return None
        gradients = ((n, p.grad) for n, p in self.parameters.items() if p.grad is not None)
        name = next((n for n, gradient in gradients if not bool(torch.isfinite(gradient).all())), None)
        if name is None:
            return None
        message = f"at step {step + 1:,}{self._of} the gradient of `{name}` is not finite, while `{self.written.text}` is {loss:.4g}"
        return MaiError([Diagnostic("loss-not-finite", self.written.span, message, help=HELP)])

    @property
    def _of(self) -> str:
        return f" of `{self.training.name}`" if self.training.name else ""

    def _not_finite(self, step: int, loss: float, kept: Sequence[Path]) -> MaiError:
        where = f"the last good checkpoint is {kept[-1]}" if kept else "there is no checkpoint yet"
        shown = "infinite" if math.isinf(loss) else "not a number"
        message = f"at step {step + 1:,}{self._of} the objective `{self.written.text}` is {shown}; {where}"
        help = HELP if step else OF_FIRST_STEP
        return MaiError([Diagnostic("loss-not-finite", self.written.span, message, help=help)])


def rows_of(fields: Mapping[str, Tensor], parts: Sequence[range], part: range) -> Mapping[str, Tensor]:
    """The fields of one part of those that all `parts` of a process have, [examples, ...] each."""
    if len(parts) == 1:
        return fields
    first = parts[0].start
    return {name: tensor[part.start - first : part.stop - first] for name, tensor in fields.items()}
