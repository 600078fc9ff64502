"""One `minimize` of a run: its loss as a function of a batch and a step, the weights that it moves, their optimizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mai.compiler import program
from mai.compiler.program import Training
from mai.compiler.torch.parameters import Weights
from mai.compiler.training.moved import nothing_moves
from mai.compiler.training.optimizer import make_optimizer
from mai.compiler.training.step_function import Module
from mai.spec.diagnostics import MaiError

MakeModule = Callable[[Sequence[int]], Module]  # The outputs of the train graph with these numbers.


class Objective:
    """What one `minimize` computes and moves.

    `module` computes the loss of each example and, for the first objective of every step, what becomes of the `states` that
    the block writes; `reporting` computes the reports, too, for the last one of every step.

    Raises:
        MaiError: it moves no weight.
    """

    def __init__(self, training: Training, written: program.Objective, weights: Weights, module: MakeModule) -> None:
        self.written = written
        steady = [o for o in training.objectives if o.every == 1] or list(training.objectives)
        is_first, is_last = written is steady[0], written is steady[-1]
        reports = [r.output for r in training.reports] if is_last else []
        updates = training.updates if is_first else ()
        self.states = tuple(u.weight for u in updates)
        outputs = [written.output, *(u.output for u in updates)]
        self.module = module(outputs)
        self.reporting = module([*outputs, *reports]) if reports else self.module
        self.parameters = weights.chosen(lambda w: training.moves(written, w))
        if not self.parameters:
            raise MaiError([nothing_moves(written)])
        self.optimizer = make_optimizer(training.settings.optimizer, self.parameters.values())
        self.base = training.settings.optimizer.lr
