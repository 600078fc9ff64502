"""Objectives that training cannot bring down: no parameter that they move is behind them."""

from __future__ import annotations

from mai.compiler.ir.graph import turns_of
from mai.compiler.passes.dependence import weights_behind
from mai.compiler.program import Objective, Training
from mai.spec.diagnostics import Diagnostic


def unmoved(training: Training) -> list[Diagnostic]:
    """An error for each objective that is the same whatever the parameters are, as far as the graph alone shows."""
    graph, found = training.graph, []
    for objective in training.objectives:
        behind = weights_behind(graph, graph.outputs[objective.output])
        weights = [copy for name in behind for copy in turns_of(graph.weights[name])]
        if not any(training.moves(objective, weight) for weight in weights):
            found.append(nothing_moves(objective))
    return found


def nothing_moves(objective: Objective) -> Diagnostic:
    message = f"no parameter that is trained moves the objective `{objective.text}`"
    help = "a net has to take part in it; `stop_gradient` and `freeze` hold parameters still"
    return Diagnostic("nothing-to-train", objective.span, message, help=help)
