"""A train block's draws, made for many steps at once.

A draw depends on the seed, its place, the step and the example. So it can leave the step: it becomes an input of the
graph, and because operations are polymorphic in their lead axes, a block of steps is one call with one more lead axis.
Examples are counted through the whole batch, of which this process may have only a part.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mai.compiler.ir import sizes
from mai.compiler.ir.graph import Graph, Node, Value
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ir.structure import Lead
from mai.compiler.ir.types import BATCH_DEPTH
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.ops.shapes.indexing import Iota
from mai.compiler.passes.local.prune import prune

MAX_STEPS = 64
MAX_ELEMENTS = 1 << 15
EXAMPLES = "example numbers"  # With a space, as the draws: no field of a spec has such a name.


def lift_draws(graph: Graph) -> tuple[Graph, dict[str, Node]]:
    """The graph with its draws as inputs after the data, and the draws by input name.

    For draws that stay, in loops, the examples' numbers are an input, `EXAMPLES`.
    """
    lifted: dict[str, Node] = {}
    step = graph.settings["step"].value

    def rule(copier: Copier, node: Node) -> bool:
        if _is_example(node):
            examples.append(Value(node.output.type, EXAMPLES))
            copier.bind(node, examples[0])
            return True
        if not issubclass(node.op, Draw) or node not in top or node.inputs[1] is not step:
            return False
        if not _is_example(node.inputs[2].producer):
            return False
        value = Value(node.output.type, f"draw {len(lifted) + 1}")
        lifted[value.name] = node
        inputs.append(value)
        copier.bind(node, value)
        return True

    inputs: list[Value] = []
    examples: list[Value] = []
    top = set(graph.nodes)
    result = copy_graph(graph, rule)
    read = {value for node in result.walk() for value in node.inputs}
    result.inputs += [*(v for v in examples[:1] if v in read), *inputs]
    return prune(result), lifted


def _is_example(node: Node | None) -> bool:
    """The example's own number: 0 to batch - 1."""
    if node is None or node.op is not Lead or [axis.depth for axis in Lead.of(node).axes[:1]] != [BATCH_DEPTH]:
        return False
    source = node.inputs[0].producer
    return source is not None and source.op is Iota


class DrawSource:
    """Serves the draws of a step from blocks of steps, for a `share` of the `whole` batch's examples."""

    def __init__(self, lifted: Mapping[str, Node], seed: int, share: range, whole: int, device: torch.device) -> None:
        self.lifted, self.batch, self.whole, self.device = lifted, len(share), whole, device
        self.seed = torch.tensor(seed, device=device)
        self.examples = torch.arange(share.start, share.stop, device=device)
        largest = max((self._elements(n) for n in lifted.values()), default=1)
        self.steps = max(1, min(MAX_STEPS, MAX_ELEMENTS // max(1, largest)))
        self.block = -1
        self.rows: dict[str, Tensor] = {}

    def _elements(self, node: Node) -> int:
        return self.batch * int(torch.Size(self._shape(node)).numel())

    def _shape(self, node: Node) -> tuple[int, ...]:
        return tuple(int(sizes.evaluate(s, {"batch": self.whole})) for s in node.attributes["shape"])

    def at(self, step: int) -> dict[str, Tensor]:
        """The draws of a step, by input name."""
        block, row = divmod(step, self.steps)
        if block != self.block:
            turns = torch.arange(block * self.steps, (block + 1) * self.steps, device=self.device)[:, None]
            self.rows = {name: self._block(node, turns) for name, node in self.lifted.items()}
            self.block = block
        return {name: rows[row] for name, rows in self.rows.items()}

    def _block(self, node: Node, turns: Tensor) -> Tensor:
        lead = (self.steps, self.batch)
        attributes = {"place": node.attributes["place"], "shape": self._shape(node), "lead": lead}
        rows: Tensor = node.op.torch(torch, self.seed, turns, self.examples, **attributes)
        return rows
