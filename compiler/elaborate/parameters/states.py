"""States that training writes: moving statistics, the vectors of spectral normalisation, codebooks.

What a train block assigns to the name of a `state` is its value from then on, in the same step and, once the step is taken, in
the next one. In an export, and in a net's own body outside of training, it is an assignment like any other.
"""

from __future__ import annotations

from mai.compiler.elaborate.bindings import Binding, Environment
from mai.compiler.elaborate.context import Context
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import describe
from mai.compiler.ir.sizes import Dim
from mai.spec import ast
from mai.spec.diagnostics import Help
from mai.spec.diagnostics.edit import put
from mai.spec.source import Span


def current_state(e: Context, weight: str, stored: Value) -> Value:
    """What a state is here: what this step has written to it, or what is stored."""
    return e.train.states.get(weight, stored) if e.train is not None else stored


def write_state(e: Context, env: Environment, target: ast.Identifier, value: Binding, span: Span) -> None:
    """Keep what a train block assigns to the name of a state; any other name is left alone.

    Raises:
        Stop: `state-not-kept` was reported: it has another shape, depends on the example, or is made inside a loop.
    """
    name = env.states.get(target.id)
    if name is None or e.train is None:
        return
    new, shape = e.real(value, span), e.weights[name].shape
    help: Help = None
    if e.builder.region is not e.graph:
        problem = "inside a loop it would be written several times a step"
        help = "write it before or after the loop"
    elif new.type.shape != shape:
        problem = f"it is {describe(shape)}, and this is {describe(new.type.shape)}"
        first, *rest = *new.type.shape, 0
        is_queue = isinstance(first, Dim) and (*rest,) == (*shape[1:], 0)
        help = f"the first {shape[0]} rows of a queue are `[:{shape[0]}]` of it" if is_queue else None
    elif new.type.lead:
        problem = "it is one for all examples, and this differs between them"
        words = "take the mean over the batch: `mean(across(x), axis = 0)`"
        help = put(span, f"mean(across({span.text}), axis = 0)", words)
    else:
        e.train.states[name] = new
        return
    raise e.fail("state-not-kept", target.span, f"the state `{target.id}` cannot take this: {problem}", help=help)
