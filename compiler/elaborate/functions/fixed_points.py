"""`fixed_point(z, g)`: a solution with the derivative that the implicit function theorem gives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mai.compiler.elaborate.bindings import Binding
from mai.compiler.elaborate.functions.builtins import Arg, builtin
from mai.compiler.elaborate.functions.independence import depends
from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Region, Value
from mai.compiler.ir.operation import ShapeError, describe
from mai.compiler.ir.rewrite import Copier, free_values, path_between
from mai.compiler.ir.signature import Section
from mai.compiler.ir.structure import Across, FixedPoint
from mai.spec.diagnostics import Change, Edit, Help

if TYPE_CHECKING:
    from mai.compiler.elaborate.elaborator import Elaborator


@builtin(Section.DERIVATIVES)
def fixed_point(e: Elaborator, z: Arg, g: Arg) -> Binding:
    """z, with the derivative of the solution of z = g, an expression in z: by the implicit function theorem."""
    solution, applied = e.real(z.value, z.span), e.real(g.value, g.span)
    if solution.type.shape != applied.type.shape:
        message = f"z = g(z) has one shape: {describe(solution.type.shape)} and {describe(applied.type.shape)}"
        raise ShapeError("shape-mismatch", message, 1, label=describe(applied.type.shape))
    if not depends(e, applied, solution):
        message = f"`{g.span.text}` does not depend on `{z.span.text}`: there is nothing to solve"
        help: Help = f"write it with `{z.span.text}` in it: `f({z.span.text})`"
        if depends(e, solution, applied):
            words = f"the solution comes first: write `fixed_point({g.span.text}, {z.span.text})`"
            help = Edit(words, (Change(z.span, g.span.text), Change(g.span, z.span.text)))
        raise e.fail("zero-derivative", g.span, message, help=help)
    if not set(applied.type.lead) <= set(solution.type.lead):
        message = f"`{z.span.text}` is one for all examples, and `{g.span.text}` differs between them"
        raise e.fail("zero-derivative", z.span, message, help="solve for each example: in a `repeat` until it holds")
    region = _application(solution, applied, e.builder.region)
    _check(e, z, g, solution, region)
    return e.builder.add(FixedPoint(), [solution], [solution.type], [region], name=solution.name).output


def _application(z: Value, applied: Value, around: Region) -> Region:
    """g as a body of its own: the code by which it depends on z, copied."""
    region = Region([Value(z.type, z.name)])
    copier = Copier(Builder(region), {z: region.inputs[0]})
    copier.nodes(path_between(around.nodes, z, applied))
    region.outputs = [copier[applied]]
    return region


def _check(e: Elaborator, z: Arg, g: Arg, solution: Value, region: Region) -> None:
    """What is between z and g must stand here, and keep examples apart."""
    if any(depends(e, value, solution) for value in free_values(region)):
        message = f"a part of `{g.span.text}` that depends on `{z.span.text}` is computed outside of this block"
        raise e.fail("not-differentiable", g.span, message, help="compute all of it here")
    if any(node.op is Across for node in region.walk()):
        message = f"`{g.span.text}` compares examples: each has a solution of its own"
        raise e.fail("not-differentiable", g.span, message)
