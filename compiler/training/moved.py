"""Which weights training moves and which it holds still; objectives that it cannot bring down, since no parameter that they move is behind them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from mai.compiler.ir.graph import Value, Weight, turns_of
from mai.compiler.ir.rewrite import reading
from mai.compiler.ir.structure import WeightOf
from mai.compiler.ir.types import DType
from mai.compiler.ops.elementwise.base import flat
from mai.compiler.program import Objective, Training
from mai.spec.diagnostics import Diagnostic
from mai.spec.diagnostics.edit import put


def unmoved(training: Training) -> list[Diagnostic]:
    """An error for each objective that is the same whatever the parameters are, as far as the graph alone shows."""
    return [
        nothing_moves(training, objective) for objective in training.objectives if not moved_by(training, objective)
    ]


def moved_by(training: Training, objective: Objective) -> set[str]:
    """The names of the weights that an objective moves, as far as the graph alone shows; of those of a `repeat`, of each turn."""
    behind = weights_reached(training.graph.outputs[objective.output])
    copies = [copy for name in behind for copy in turns_of(training.graph.weights[name])]
    return {copy.name for copy in copies if training.moves(objective, copy)}


def held_still(training: Training, weights: Mapping[str, Weight], moved: Collection[str]) -> set[str]:
    """The names of those `weights` of still nets that no objective has `moved`, and that the block does not write as a state."""
    nets = {weight.owner for name, weight in weights.items() if name in training.still}
    states = {update.weight for update in training.updates}
    return {name for name, weight in weights.items() if weight.owner in nets} - set(moved) - states


def weights_reached(value: Value) -> set[str]:
    """The names of all weights by which a value has a derivative; regions are taken whole, before any pass.

    Whole numbers, roundings and what is held still pass none on.
    """
    names: set[str] = set()
    seen, left = {value}, [value]
    while left:
        node = left.pop().producer
        if node is None or node.op.derivative is flat:
            continue
        inside = [n for region in node.regions for n in region.walk()]
        names.update(WeightOf.of(n).weight for n in (node, *inside) if n.op is WeightOf)
        fresh = [v for v in reading(node) if v not in seen and v.type.dtype is DType.REAL]
        seen.update(fresh)
        left += fresh
    return names


def nothing_moves(training: Training, objective: Objective) -> Diagnostic:
    """The error for an objective that no trained parameter moves, with the nets that would move it if earlier blocks did not hold them."""
    behind = weights_reached(training.graph.outputs[objective.output]) & training.still
    owners = [training.graph.weights[name].owner for name in sorted(behind)]
    nets = [*dict.fromkeys(owner for owner in owners if owner)]
    if not nets or objective.over or objective.only:
        message = f"no parameter that is trained moves the objective `{objective.text}`"
        help = "a net has to take part in it; `stop_gradient` and `freeze` hold parameters still, and `argmax`, `round` and comparisons have no slope"
        return Diagnostic("nothing-to-train", objective.span, message, help=help)
    message = f"what moves `{objective.text}` was trained by an earlier block, and stays as it is: {', '.join(map('`{}`'.format, nets))}"
    text = objective.span.text.replace(objective.text, f"{objective.text} over {', '.join(nets)}", 1)
    edit = put(objective.span, text, "write `{}` to train it again")
    return Diagnostic("nothing-to-train", objective.span, message, help=edit.words, edits=(edit,))
