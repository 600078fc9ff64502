"""Nodes that are not functions of arrays: leaves, changes of type, loops. Each lowering treats them itself.

The class of a structural operation declares its attributes, and a node holds an instance: `node.op` is the class, and
`Loop.of(node).stops` is an attribute, with its type.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, ClassVar, Self

from mai.compiler.ir.operation import Operation
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import Axis, DType, Type
from mai.spec.record import open_record, record

if TYPE_CHECKING:
    from mai.compiler.ir.graph import Node

Nested = bool | int | float | tuple["Nested", ...]  # A number, or an array as nested tuples.

STRUCTURES: dict[str, type[Structural]] = {}


@open_record
class Structural(Operation, abstract=True):
    """An operation without lowerings of its own; an instance has the attributes of one node.

    `ir/builder.py` makes its nodes and gives them their types.
    """

    name: ClassVar[str]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__(abstract=True)
        cls.name = cls.__name__.lower()
        STRUCTURES[cls.name] = cls

    @classmethod
    def of(cls, node: Node) -> Self:
        """The attributes of a node of this operation."""
        structure = node.structure
        assert isinstance(structure, cls), f"`{node.op.name}` is no `{cls.name}`"
        return structure

    def items(self) -> list[tuple[str, object]]:
        """The attributes by name, those left out that are as they usually are."""
        pairs = [(field, getattr(self, field.name)) for field in fields(self)]
        return [(field.name, value) for field, value in pairs if field.default is MISSING or value != field.default]


@open_record
class Constant(Structural):
    """A number, or nested tuples of numbers."""

    value: Nested


@open_record
class WeightOf(Structural):
    """A weight of the model, by its name in the graph's `weights`."""

    weight: str


@open_record
class SizeOf(Structural):
    """A size as an integer scalar."""

    size: Size


@open_record
class Lead(Structural):
    """Nothing in memory: the first axes of the shape become the lead axes `axes`."""

    axes: tuple[Axis, ...]


@open_record
class Unlead(Structural):
    """Nothing in memory: the innermost `count` lead axes become the first axes of the shape."""

    count: int


@open_record
class Across(Structural):
    """Nothing in memory: the batch axis becomes the first axis of the shape (train blocks only)."""


@open_record
class Spread(Structural):
    """In memory, repeated along the lead axes `axes` that it lacks: a loop's state has one type throughout."""

    axes: tuple[Axis, ...]


VIEWS = (Lead, Unlead, Spread)


CONTROL = (
    4  # The first states of a loop that chooses its steps: whether an example goes on, its way, step, evaluations.
)
LENGTH = 2  # Of them, that of the step.


@record
class StepControl:
    """How a loop chooses its steps, by an embedded pair of methods.

    Its states are `CONTROL` ones, each of them possibly one per example: whether it goes on; the share of the way that it has gone;
    the length of its next step; how often its velocity was evaluated. Then `states` of the equation, as many velocities of
    them, what is asked for along the way, and directions of these where a derivative was taken. Who ends by an `event` stays
    before the step that it lies in, whose length is said, with a share of the way below 1.

    rtol, atol: the error of a step may be atol + rtol |y|.
    order: of the method.
    weights: the sum of the absolute weights that the velocities have in the error.
    stages: new velocities a step.
    max_steps: how many steps there may be.
    event: a condition of the text may end the way.
    """

    rtol: float
    atol: float
    order: int
    weights: float
    stages: int
    states: int
    max_steps: int
    event: bool = False


@open_record
class Loop(Structural):
    """A body applied a number of times.

    Inputs: the count (an integer scalar), then the first values of the states. Region: (turn, states...) ->
    (states..., kept...). Outputs: the last states, then what was kept, stacked along a new first axis of the shape.
    A state whose type has a size that the body reads from it may grow from turn to turn.

    count: the number of turns as a size, or None where only the input knows it.
    fresh: the body owns weights, one set a turn; `unroll` replaces such a loop by its turns.
    stops: state 0 is the boolean `continue`, possibly one per example. The loop ends when it is false for all; a body returns a
        finished example unchanged, so a backend may skip it.
    fill: what the turns that were not taken keep; None where they keep nothing, and there are as many rows as turns were taken.
    length, limit, tokens: of a text that `incremental` or `speculate` grows, the stem of its sizes' names; how long a text the
        body can read, if there is a limit; how many tokens it appends.
    drafts: how many guesses a turn of `speculate` reads at most.
    control: of an adaptive solver.
    until: a condition of the text ends it for each example. A rounding may decide in which turn.
    """

    count: Size | None
    fresh: bool
    stops: bool = False
    fill: int | None = None
    length: str | None = None
    limit: int | None = None
    tokens: Size | None = None
    drafts: int | None = None
    control: StepControl | None = None
    until: bool = False

    @property
    def decides(self) -> bool:
        """Whether a condition of the text ends it for an example, as its first state says."""
        return self.control.event if self.control is not None else self.until

    @property
    def ends_early(self) -> bool:
        """Whether examples stop in turns of their own, of which roundings may decide."""
        return self.control is not None or self.until


@open_record
class Integrate(Structural):
    """A differential equation, until `discretise` makes it a loop.

    Inputs: start, stop, the number of steps (absent for an adaptive method), with `grid` the times between which these are
    taken, [steps + 1], the shares of the way at which states are asked for, the states. Region: (time, states...) -> derivatives, of the states in the same order; that of a stochastic equation is
    (time, turn, step, noises..., states...) -> increments, and where there are noises a second one is (turn) -> standard normal
    draws, one of each noise, then further ones of each if the method takes several. Outputs: the last states, then the kept paths with `steps + 1` rows each, or
    an adaptive method's number of evaluations, negative where it did not arrive; then the states asked for, each
    [*shares, *state], not a number at a share that is not within 0 and 1. With `until` the region has one more output, whether
    an example ends here, and after the last states comes the time at which it ended, `stop` where nothing ended it.

    method: a solver's name.
    steps: their number as a size, None for an adaptive method.
    keep: the places of the states whose paths are kept.
    options: of the method, by name.
    asked: the places of the states that are asked for, one for each input of shares.
    until: a condition ends it for each example.
    noises: how many there are.
    grid: the steps are between times of their own; else of one length.
    reuse: what is `Reusable` in the velocity is computed at every so many-th step, from the first on.
    """

    method: str
    steps: Size | None
    keep: tuple[int, ...]
    options: Mapping[str, float]
    asked: tuple[int, ...] = ()
    until: bool = False
    noises: int = 0
    grid: bool = False
    reuse: Size = 1

    @property
    def before_states(self) -> int:
        """How many inputs stand before the states."""
        return 2 + (self.steps is not None) + self.grid + len(self.asked)


def is_noisy(node: Node) -> bool:
    """Whether a node is an integral with noise."""
    return node.op is Integrate and Integrate.of(node).noises > 0


@open_record
class Adjoint(Integrate):
    """An `Integrate` to train through by the adjoint equation: its region, and a second one that solves it.

    The second maps the inputs to the outputs.
    """


@open_record
class Gradient(Structural):
    """The derivative of a scalar with respect to a value, until `differentiate` makes it code.

    Inputs: scalar, value; or what is no scalar, value, and the cotangent that it is weighted with.
    """


@open_record
class Pushforward(Structural):
    """The derivative of a value along directions of others. Inputs: the value, the others, a direction for each."""


DERIVATIVES = (Gradient, Pushforward)


@open_record
class FixedPoint(Structural):
    """A solution z of z = g(z), with the derivative that the implicit function theorem gives it, until `implicit`.

    Input: z, found by whatever means. Region: (z) -> g(z), which also reads what z depends on. Output: z.
    """


@open_record
class Implicit(Structural):
    """What `implicit` makes of a `FixedPoint` to be trained through.

    Inputs: z, held still, and g(z). Region: a derivative with respect to z -> that with respect to g(z). Output: z.
    """


@open_record
class Extend(Structural):
    """A row of tokens that grows by one a turn (14), until `recompute` or `incremental` makes it a loop.

    Inputs: the row, how many tokens to append, the tokens that end it, if there are any, and of a search the length penalty.
    Region: (turn, row) -> the next token and what is kept of the turn, or of a search the score of each token; the row's size in it is the symbol
    `length`. Outputs: the longer row and the rows of what is kept, [count, ...], 0 where no token was appended;
    of a search, beside its best text, what all its texts appended, [width, count], and their scores, [width], the best first. A row that has ended goes on with
    `NOTHING`, and so may a row begin, where prompts of different lengths lie side by side.

    length: the name of the row's size in the region.
    count: how many tokens to append.
    width: how many beams a search has; 0 where there is none.
    early: whether a search is done as soon as so many texts have ended.
    """

    length: str
    count: Size
    width: int = 0
    early: bool = False

    def results_of_search(self, row: Type) -> list[Type]:
        """The types of what a search of a row gives beside its best text."""
        if not self.width:
            return []
        return [row.with_shape((self.width, self.count)), Type(DType.REAL, (self.width,), row.lead)]

    def rows_of(self, kept: Type) -> Type:
        """The type of what is kept of all turns, of what one turn keeps."""
        return kept.with_shape((self.count, *kept.shape))


NOTHING = -1
