"""One `minimize` of a run: its loss as a function of a batch and a step, the weights that it moves, their optimizer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from mai.compiler import program
from mai.compiler.program import Training
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.processes.parts import is_in_parts
from mai.compiler.training.moved import nothing_moves
from mai.compiler.training.step.optimizer import make_optimizer
from mai.compiler.training.step.step_function import Module
from mai.compiler.training.step.together import Together
from mai.spec.diagnostics import Diagnostic, MaiError

MakeModules = Callable[
    [Sequence[int]], list[Module]
]  # Of the outputs with these numbers, one for each part of a batch.
HELP = "a smaller learning rate or `clip = 1.0` often helps"


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
        self.written, self.block = written, training.name
        steady = [o for o in training.objectives if o.every == 1] or list(training.objectives)
        is_first, is_last = written is steady[0], written is steady[-1]
        reports = [r.output for r in training.reports] if is_last else []
        updates = training.updates if is_first else ()
        self.states = tuple(u.weight for u in updates)
        outputs = [written.output, *(u.output for u in updates)]
        self.modules = modules(outputs)
        self.reporting = modules([*outputs, *reports]) if reports else self.modules
        chosen = weights.chosen(lambda w: training.moves(written, w))
        self.parameters = dict(sorted(chosen.items(), key=lambda item: not is_in_parts(item[1])))
        if not self.parameters:
            raise MaiError([nothing_moves(written)])
        self.others = [p for name, p in weights.named_parameters() if sharded and name not in self.parameters]
        self.sharded = sharded
        self.processes, self.together = (
            processes,
            Together(
                {n: p for n, p in self.parameters.items() if not (sharded and p.ndim)},
                processes,
                any(module.turns_vary for module in self.modules),
            ),
        )
        self.optimizer = make_optimizer(training.settings.optimizer, self.parameters.values())
        self.base = training.settings.optimizer.lr

    def gradients(
        self,
        accelerator: Accelerator,
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
        figures: list[Tensor] = []
        for part, module in zip(parts, self.reporting if report else self.modules, strict=True):
            rows, share = slice(part.start - parts[0].start, part.stop - parts[0].start), len(part) / batch
            losses, *rest = self._part(
                accelerator, module, {n: t[rows] for n, t in fields.items()}, step, share, part is parts[-1]
            )
            states, reported = rest[: len(self.states)], rest[len(self.states) :]
            figures.append(share * torch.stack([each.detach().float().mean() for each in (losses, *reported)]))
        loss, *means = torch.stack(figures).sum(0)
        return loss, states, means

    def _part(
        self,
        accelerator: Accelerator,
        module: Module,
        fields: Mapping[str, Tensor],
        step: int,
        share: float,
        is_last: bool,
    ) -> tuple[Tensor, ...]:
        """What a part of a batch gives; its gradients are added. Several processes' are averaged, so each counts as many times."""
        weight, parameters = share * self.processes, list(self.parameters.values())

        def code() -> tuple[Tensor, ...]:
            with accelerator.autocast():
                return module(fields, step)

        def backward(losses: Tensor) -> None:
            loss = losses.mean()
            if not loss.requires_grad:
                raise MaiError([nothing_moves(self.written)])
            scaled = loss if weight == 1 else weight * loss
            if not self.sharded:
                accelerator.backward(scaled, inputs=parameters)
                return
            accelerator.backward(scaled)  # Their whole forms are what the code reads; gradients come back in parts.
            for other in self.others:
                other.grad = None

        return self.together.run(code, is_last, backward)

    def wrong(self, step: int, loss: float, checkpoints: Sequence[Path], debug: bool = False) -> MaiError | None:
        """The error of a step, from 0, whose loss is no finite number, or whose gradient is not, where it is to be looked at."""
        if not math.isfinite(loss):
            return self._not_finite(step, loss, checkpoints)
        gradients = ((n, p.grad) for n, p in self.parameters.items() if p.grad is not None) if debug else ()
        name = next((n for n, gradient in gradients if not bool(torch.isfinite(gradient).all())), None)
        if name is None:
            return None
        message = f"at step {step + 1:,}{self._of} the gradient of `{name}` is not finite, while `{self.written.text}` is {loss:.4g}"
        return MaiError([Diagnostic("loss-not-finite", self.written.span, message, help=HELP)])

    @property
    def _of(self) -> str:
        return f" of `{self.block}`" if self.block else ""

    def _not_finite(self, step: int, loss: float, checkpoints: Sequence[Path]) -> MaiError:
        where = f"the last good checkpoint is {checkpoints[-1]}" if checkpoints else "there is no checkpoint yet"
        shown = "infinite" if math.isinf(loss) else "not a number"
        message = f"at step {step + 1:,}{self._of} the objective `{self.written.text}` is {shown}; {where}"
        return MaiError([Diagnostic("loss-not-finite", self.written.span, message, help=HELP)])
