"""The noises of an `integrate`: `noise dB: [m]`, of its own size, and dW, which every state has of its own shape.

A body reads the increments of a noise over a step; a second region draws standard normal numbers for them, which a solver scales.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mai.compiler.elaborate.bindings import Environment
from mai.compiler.elaborate.context import Context, Stop
from mai.compiler.elaborate.expressions.signatures import dims_of
from mai.compiler.elaborate.statement_rules import belongs_elsewhere
from mai.compiler.ir.graph import Region, Value
from mai.compiler.ir.rewrite import nodes_for, reading
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import DType, Type
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.random import random_numbers as rnd
from mai.compiler.solvers import Solver
from mai.spec import ast
from mai.spec.ast_walk import names_of, with_branches
from mai.spec.diagnostics.edit import put
from mai.spec.source import Span

belongs_elsewhere(
    ast.Noise,
    "noise-outside",
    "`noise dB: [m]` belongs directly in an `integrate` block, whose states it moves: elsewhere a draw is `z ~ normal([m])`",
    lambda s: put(s.span, f"{s.name.id} ~ normal({s.type.span.text})"),
    lambda s: (s.name,),
)


def step_names(integral: ast.Integrate) -> set[str]:
    """The names of increments in an integral: the step, its noises, and what is computed from these."""
    names = {"dW", f"d{integral.variable.id}"}
    for statement in with_branches(integral.body):
        if isinstance(statement, ast.Noise):
            names.add(statement.name.id)
        elif isinstance(statement, ast.Assign) and names_of(statement.value) & names:
            names.update(target.id for target in statement.targets)
    return names


def not_stochastic(e: Context, integral: ast.Integrate, problem: str, span: Span, otherwise: str = "") -> Stop:
    """The error of an equation with noise for a solver without, to be raised."""
    solver = integral.solver.function if isinstance(integral.solver, ast.Call) else integral.solver
    words = "write `using euler_maruyama(...)`, or `milstein`, `sra1` or `stratonovich_heun`"
    return e.fail("not-stochastic", span, problem, help=put(solver.span, "euler_maruyama", words + otherwise))


class Noises:
    """The noises of one integral in the order in which its body reads them: `reads` are the increments, inputs of its region."""

    def __init__(self, e: Context, solver: Solver, number: Callable[[Value], Value], length: Value | None) -> None:
        self.e, self.solver, self.number, self.length = e, solver, number, length
        self.reads: list[Value] = []
        self.region = Region([Value(Type(DType.INT), "turn")])
        self.draws: list[list[Value]] = []

    def declare(self, env: Environment, noise: ast.Noise, step: str, states: Sequence[str]) -> None:
        """Bind the name of `noise dB: [m]`.

        Raises:
            Stop: it has a mistake, which is reported.
        """
        e, name = self.e, noise.name
        if not isinstance(noise.type, ast.TensorType):
            raise e.fail("dtype-mismatch", noise.type.span, "a noise is of real numbers: `[m]`, or `[]` for one")
        if name.id[:1] != "d" or len(name.id) == 1:
            help = put(name.span, f"d{name.id}")
            raise e.fail("noise-name", name.span, f"a noise is named as an increment, `d{name.id}`", help=help)
        if name.id == step or name.id[1:] in states:
            what = "the step" if name.id == step else f"the increment of `{name.id[1:]}`"
            help = put(name.span, "dB" if "B" not in states else "dW")
            raise e.fail("noise-name", name.span, f"`{name.id}` is {what}: a noise has a name of its own", help=help)
        shape = tuple(e.signatures.dimension(env, dim) for dim in dims_of(noise.type))
        e.statements.bind_name(env, name, self.read(name.id, shape, name.span), noise.type.span)

    def read(self, name: str, shape: tuple[Size, ...], span: Span) -> Value:
        """The increments of a noise over a step, each with the variance |ds|."""
        e = self.e
        e.draws.check(span)
        outer = e.draws.turn
        with e.region(self.region):
            e.draws.turn = self.number(self.region.inputs[0])
            of_each = [e.draws.random(rnd.RandomNormal, name, shape) for _ in range(self.solver.draws)]
        e.draws.turn = outer
        increment = Value(of_each[0].type, name)
        self.reads.append(increment)
        self.draws.append(of_each)
        if self.length is None:
            return increment
        root = e.emit(el.Sqrt, e.emit(el.Absolute, self.length))
        return e.emit(el.Multiply, increment, root, name=name)

    def drawn(self) -> Region:
        """The region (turn) -> the draws: first one of each noise, then further ones."""
        self.region.outputs = [draw for row in zip(*self.draws, strict=True) for draw in row]
        return self.region

    def check_unread(self, condition: Value, span: Span) -> None:
        """Refuse a condition that reads a noise: an end lies between two steps, where there is none."""
        nodes = nodes_for(self.e.builder.region.nodes, [condition])
        if any(v in self.reads for node in nodes for v in reading(node)):
            raise self.e.fail("no-event", span, "a condition reads states and the time: a noise is of a whole step")
