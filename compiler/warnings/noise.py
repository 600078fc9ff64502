"""Noises of which a method computes less than its name says, and those that are one number for all."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import describe
from mai.compiler.ir.structure import Integrate, is_noisy
from mai.compiler.ops.elementwise.arithmetic import Add, Divide, Multiply, Negative, Subtract
from mai.compiler.solvers import SOLVERS
from mai.compiler.solvers.tableaus import Milstein
from mai.compiler.warnings.probabilities import has_shape, parameters_of
from mai.compiler.warnings.subject import Subject, warning
from mai.spec import ast
from mai.spec.diagnostics import Diagnostic
from mai.spec.diagnostics.edit import put
from mai.spec.source import Span

NOISES = ("normal", "laplace", "logistic", "gumbel", "student_t")


def shared_noise(subject: Subject) -> Iterator[Diagnostic]:
    """`x + e` of a vector x and a noise e that is drawn without a shape: all numbers of x are moved alike."""
    noises = [draw for draw in subject.nodes(ast.Draw) if _is_one_noise(draw)]
    draws = {span: draw for draw in noises for span in (draw.span, draw.distribution.span)}
    for graph in subject.graphs if draws else ():
        drawn: dict[Value, ast.Draw] = {}
        for node in graph.walk():
            noise = [drawn[side] for side in node.inputs if side in drawn]
            value = node.outputs[0]
            if node.span in draws:  # What a draw is made of is no noise yet; its result may be.
                if value.type.shape == ():
                    drawn[value] = draws[node.span]
            elif len(noise) == 1 and node.op in (Add, Subtract) and any(size != 1 for size in value.type.shape):
                yield _is_shared(noise[0], node.span, describe(value.type.shape))
            elif len(noise) == 1 and node.op in (Multiply, Divide, Negative) and _scales(node, drawn):
                drawn[value] = noise[0]


def _scales(node: Node, drawn: Collection[Value]) -> bool:
    """Whether a noise is multiplied by a number, or by a scale that each example has of its own."""
    return all(side in drawn or side.type.shape == () or side.type.batched for side in node.inputs)


def _is_shared(draw: ast.Draw, span: Span | None, shape: str) -> Diagnostic:
    assert isinstance(draw.distribution, ast.Call)
    name, family = draw.name.id, draw.distribution.function.span.text
    said = f"`{name}` is one number, and is added to each number of {shape}"
    call = draw.distribution.span
    inside = call.text.partition("(")[2].removesuffix(")").strip()
    drawn = f"{family}({shape}{', ' if inside else ''}{inside})"
    help = put(call, drawn, f"`{name} ~ {drawn}` draws one for each; one for all is written `{name}[None]`")
    return warning("shared-noise", span, said, help=help)


def _is_one_noise(draw: ast.Draw) -> bool:
    """Whether a draw around 0 has no shape of its own."""
    call = draw.distribution
    if not isinstance(call, ast.Call) or call.function.span.text not in NOISES:
        return False
    around = [value for parameter, value in parameters_of(call) if parameter.name in ("mean", "location")]
    return not has_shape(call) and all(isinstance(value, ast.Number) and value.value == 0 for value in around)


def tangled_noise(subject: Subject) -> Iterator[Diagnostic]:
    """Milstein's method for noises that may not commute: their Lévy areas are left out."""
    for graph in subject.graphs:
        for node in graph.walk():
            if is_noisy(node) and isinstance(SOLVERS[Integrate.of(node).method].rule, Milstein):
                from mai.compiler.passes.loops.noises.influence import by_another_method, influence_of

                if not influence_of(node).commutes:
                    said = "these noises are not seen to commute: `milstein` leaves out their Lévy areas, and its strong order is 1/2"
                    help = by_another_method(node, "euler_maruyama", "`{}` is of the same orders, without derivatives")
                    yield warning("tangled-noise", node.span, said, help=help)
