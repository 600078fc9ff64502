"""Nodes that are not functions of arrays: leaves, changes of type, loops. Each lowering treats them itself."""

from __future__ import annotations

from mai.compiler.ir.operation import Operation


class Structural(Operation, abstract=True):
    """An operation without lowerings of its own; `ir/graph.py`'s builder makes its nodes and gives them their types."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__(abstract=True)
        cls.name = cls.__name__.lower()


class Constant(Structural):
    """A number, or nested tuples of numbers, in `value`."""


class WeightOf(Structural):
    """A weight of the model; `weight` is its name in the graph's `weights`."""


class SizeOf(Structural):
    """A size as an integer scalar; `size` is what it is."""


class Lead(Structural):
    """Nothing in memory: the first axes of the shape become the lead axes `axes`."""


class Unlead(Structural):
    """Nothing in memory: the innermost `count` lead axes become the first axes of the shape."""


class Across(Structural):
    """Nothing in memory: the batch axis becomes the first axis of the shape (train blocks only)."""


class Spread(Structural):
    """In memory, repeated along the lead axes `axes` that it lacks: a loop's state has one type throughout."""


VIEWS = (Lead, Unlead, Spread)


class Loop(Structural):
    """A body applied a number of times.

    Inputs: the count (an integer scalar), then the first values of the states. Region: (turn, states...) ->
    (states..., kept...). Outputs: the last states, then what was kept, stacked along a new first axis of the shape.
    `count` is the number of turns as a size, or None where only the input knows it; `fresh` marks a body that owns
    weights, one set a turn, which `unroll` replaces by its turns. With `stops`, the first state is whether to go on: the
    turns end when it is false, and what they would have kept is `fill`. Where it has lead axes it is false for all then; a
    body leaves an example as it is that does not go on, so that a lowering may leave it out of the turn. A state whose type has a size that the body
    reads from it may grow from turn to turn. A loop that `incremental` made has the text's `length`, the stem of its
    sizes' names, `tokens`, how many it appends, and `limit`, how long a text the body can read, if there is a limit; one of
    `speculate` has `drafts` too, how many guesses a turn reads at most; one of an adaptive solver has its `rtol`.
    """


class Integrate(Structural):
    """A differential equation, until `discretise` makes it a loop.

    Inputs: start, stop, the number of steps (absent for an adaptive method), the states. Region:
    (time, states...) -> derivatives, of the states in the same order; that of a stochastic equation is
    (time, turn, step, states...) -> increments. Outputs: the last states, then the kept paths with `steps + 1` rows each, or
    an adaptive method's number of evaluations, negative where it did not arrive. Attributes: `method`; `steps`, the
    number as a size; `keep`, the places of the kept states; `options` of the method.
    """


class Adjoint(Structural):
    """An `Integrate` to train through by the adjoint equation: its region, and a second one that solves it.

    The second maps the inputs to the outputs.
    """


class Gradient(Structural):
    """The derivative of a scalar with respect to a value, until `differentiate` makes it code. Inputs: scalar, value."""


class Pushforward(Structural):
    """The derivative of a value along a direction of another. Inputs: the value, the other, the direction."""


DERIVATIVES = (Gradient, Pushforward)


class Extend(Structural):
    """A row of tokens that grows by one a turn (14), until `recompute` or `incremental` makes it a loop.

    Inputs: the row, how many tokens to append, and the token that ends it, if there is one. Region: (turn, row) ->
    the next token; the row's size in it is the symbol `length`. Output: the longer row. A row that has ended goes on with
    `NOTHING`, and so may a row begin, where prompts of different lengths lie side by side.
    """


NOTHING = -1
