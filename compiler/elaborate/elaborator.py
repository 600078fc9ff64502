"""The elaborator of one graph: all parts over one state."""

from __future__ import annotations

from mai.compiler.elaborate.bindings import WeightScope
from mai.compiler.elaborate.blocks.extend import Growing
from mai.compiler.elaborate.blocks.integrate import Integrals
from mai.compiler.elaborate.calls import Calls
from mai.compiler.elaborate.core import Draws
from mai.compiler.elaborate.expressions import Expressions
from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Setting, Value, Weight
from mai.compiler.ir.sizes import Size, symbol
from mai.compiler.ir.types import BATCH_DEPTH, Axis, DType, Type
from mai.compiler.ops.shapes.indexing import Iota
from mai.spec.diagnostics import Reporter

BATCH = Axis("batch", symbol("batch"), BATCH_DEPTH)


class Elaborator(Expressions, Calls, Growing, Integrals):
    """Elaborates one export, train block or net into `graph`."""

    def __init__(
        self, report: Reporter, name: str, weights: dict[str, Weight], *, training: bool, in_train: bool = False
    ) -> None:
        self.report, self.training, self.in_train_block = report, training, in_train
        self.graph = Graph(name=name)
        self.builder = Builder(self.graph)
        self.scope = WeightScope(name, name)
        self.weights = weights
        self.lets, self.calls, self.callee, self.named, self.inlined, self.uses_draws = {}, [], "", None, 0, False
        self.opening, self.can_draw = set(), False
        self.transposes, self.origins, self.made_by, self.axes = {}, {}, {}, ()
        self.batch_axis, self.directions, self.evaluations = BATCH, 0, []

    def direction(self, count: Size) -> Axis:
        """A lead axis for directions to differentiate along, inside those of the calls around and outside all others.

        The later derivative may be of the earlier one, so its axis goes outside.
        """
        self.directions += 1
        return Axis(f"direction_{self.directions}", count, len(self.axes) + 0.5**self.directions)

    def start_draws(self, turn: Value | None = None) -> None:
        """Make the values that draws depend on: the seed, the turn and the example."""
        seed = Value(Type(DType.INT), "seed")
        self.graph.settings["seed"] = Setting(seed, 0, 0)
        example = self.emit(Iota, count=BATCH.size, name="example")
        turn = turn or self.builder.constant(0)
        self._first_turn, self.can_draw = turn, True
        self.draws = Draws(seed, self.builder.lead(example, (BATCH,)), turn)

    def finish_draws(self) -> None:
        """Without a draw there is no seed."""
        if not self.uses_draws:
            del self.graph.settings["seed"]

    @property
    def first_turn(self) -> Value:
        return self._first_turn
