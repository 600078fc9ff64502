"""Arithmetic: numbers stay numbers, sizes stay sizes, tensors become nodes."""

from __future__ import annotations

from collections.abc import Sequence

from mai.compiler.elaborate.bindings import (
    ABSENT,
    POISON,
    Binding,
    Callables,
    Environment,
    Poison,
    is_number,
)
from mai.compiler.elaborate.context import Context
from mai.compiler.elaborate.errors.repairs import factors, sizes_of_params, untransposed
from mai.compiler.elaborate.expressions.static import apply, apply_sizes
from mai.compiler.ir.graph import Value
from mai.compiler.ir.operation import Operation, describe
from mai.compiler.ir.sizes import Dim
from mai.compiler.ops import elementwise as el
from mai.compiler.ops.elementwise import logic
from mai.compiler.ops.products import product as pr
from mai.compiler.ops.products.chosen import is_chosen
from mai.compiler.ops.shapes import shape as sh
from mai.spec import ast
from mai.spec.diagnostics import Help
from mai.spec.diagnostics.edit import put
from mai.spec.source import Span

ARITHMETIC: dict[str, type[Operation]] = {
    "+": el.Add, "-": el.Subtract, "*": el.Multiply, "//": el.FloorDivide, "%": el.Modulo,
    "==": logic.Equal, "!=": logic.NotEqual, "<": logic.Less, "<=": logic.LessEqual, ">": logic.Greater,
    ">=": logic.GreaterEqual,
}  # fmt: skip
CHOICES = (str, bool, int, float, *Callables)  # What `==` compares when the file is compiled: a function is not `true`.


def unary(e: Context, env: Environment, expr: ast.Unary) -> Binding:
    """`-x` or `not x`."""
    operand = e.expressions.expression(env, expr.operand)
    if isinstance(operand, Poison):
        return operand
    if expr.op == "not":
        if isinstance(operand, bool):
            return not operand
        return e.checked(expr.span, [expr.operand.span], logic.LogicalNot, e.truth(operand, expr.operand.span))
    if is_number(operand) or isinstance(operand, Dim):
        return -operand
    (value,) = e.promoted([operand], [expr.operand.span])
    return e.checked(expr.span, [expr.operand.span], el.Negative, value)


def binary(e: Context, env: Environment, expr: ast.Binary) -> Binding:
    """Arithmetic, a comparison, `and` or `or`: of numbers a number, of sizes a size, of anything else a tensor."""
    left, right = e.expressions.expression(env, expr.left), e.expressions.expression(env, expr.right)
    if isinstance(left, Poison) or isinstance(right, Poison):
        return POISON
    if expr.op in ("and", "or"):
        return _logical(e, expr, left, right)
    if is_number(left) and is_number(right) and expr.op != "@":
        return apply(expr.op, left, right)
    if expr.op in ("/", "//", "%"):
        greedy = _greedy(e, expr)
        e.looks_behind += greedy is not None
        if greedy is None or e.claim is None:  # a claim calls an export at temperature 0, as hosts do
            check_divisor(e, right, expr.right.span, greedy)
    if (left is ABSENT or right is ABSENT) and expr.op in ("==", "!="):
        return (left is right) == (expr.op == "==")
    if isinstance(left, CHOICES) and isinstance(right, CHOICES) and expr.op in ("==", "!="):
        return (type(left) is type(right) and left == right) == (expr.op == "==")
    if isinstance(left, (int, Dim)) and isinstance(right, (int, Dim)):
        size = apply_sizes(expr.op, left, right)
        if size is not None:
            return size
    spans = [expr.left.span, expr.right.span]
    if expr.op == "@":
        return _product(e, expr, e.real(left, spans[0]), e.real(right, spans[1]), spans)
    if expr.op == "^":
        return _power(e, expr, left, right)
    if expr.op == "/":
        return quotient(e, expr.span, spans, e.real(left, spans[0]), e.real(right, spans[1]))
    return e.checked(expr.span, spans, ARITHMETIC[expr.op], *e.promoted([left, right], spans))


def check_divisor(e: Context, divisor: Binding, span: Span, help: Help = None) -> None:
    """Refuse a number that is 0, or numbers of which one is. Raises `Stop`."""
    numbers = divisor if isinstance(divisor, list) else [divisor]
    if any(is_number(number) and not number for number in numbers):
        what = "this divides by zero" if numbers is not divisor else "this divides by a zero among others"
        raise e.fail("division-by-zero", span, what, help=help)


def _greedy(e: Context, expr: ast.Binary) -> Help:
    """What `k ~ categorical(z / 0)` is meant to be."""
    draw = e.drawing
    call = draw.distribution if draw else None
    if draw is None or not isinstance(call, ast.Call) or not call.arguments or call.arguments[0].value is not expr:
        return None
    return put(
        draw.span, f"{draw.name.id} = argmax({expr.left.span.text})", "at temperature 0 nothing is drawn: write `{}`"
    )


def quotient(e: Context, span: Span, spans: Sequence[Span], numerator: Value, divisor: Value) -> Binding:
    """numerator / divisor, which is remembered: of all logits, the divisor is a temperature."""
    result = e.checked(span, spans, el.Divide, numerator, divisor)
    if isinstance(result, Value):
        e.quotients[result] = numerator, divisor
    return result


def _logical(e: Context, expr: ast.Binary, left: Binding, right: Binding) -> Binding:
    if isinstance(left, bool) and isinstance(right, bool):
        return (left and right) if expr.op == "and" else (left or right)
    op = logic.LogicalAnd if expr.op == "and" else logic.LogicalOr
    spans = [expr.left.span, expr.right.span]
    return e.checked(expr.span, spans, op, e.truth(left, spans[0]), e.truth(right, spans[1]))


def _power(e: Context, expr: ast.Binary, left: Binding, right: Binding) -> Binding:
    spans = [expr.left.span, expr.right.span]
    base = e.real(left, spans[0])
    if right == 0.5:
        return e.checked(expr.span, spans, el.Sqrt, base)
    if isinstance(right, int) and 1 <= right <= 4:
        square = e.emit(el.Multiply, base, base) if right > 1 else base
        return {1: base, 2: square}.get(right) or e.emit(el.Multiply, square, base if right == 3 else square)
    result = e.checked(expr.span, spans, el.Power, base, e.real(right, spans[1]))
    if isinstance(result, Value) and is_number(right) and right < 0:
        e.quotients[result] = None, base
    return result


def _product(e: Context, expr: ast.Binary, left: Value, right: Value, spans: list[Span]) -> Binding:
    """numpy's `@`. A product with a plain matrix is `affine`, whose weight comes second and transposed."""
    ranks = left.type.rank, right.type.rank
    if 0 in ranks:
        at = spans[ranks.index(0)]
        return e.error("rank-mismatch", at, "`@` multiplies vectors and matrices, this is a scalar", label="[]")
    inner = left.type.shape[-1], right.type.shape[max(-2, -ranks[1])]
    if inner[0] != inner[1]:
        shapes = f"{describe(left.type.shape)} @ {describe(right.type.shape)}"
        message = f"the inner dimensions of {shapes} differ: {inner[0]} and {inner[1]}"
        sizes = (left, -1, inner[1]), (right, max(-2, -ranks[1]), inner[0])
        edits = [*factors(expr), *sizes_of_params(e.weights, sizes)]
        return e.error("dimension-mismatch", expr.op_span, message, label=shapes, edits=edits)
    if ranks == (2, 1) and _is_plain(left):
        return e.emit(pr.Affine, right, left)
    if ranks[1] == 2 and _is_plain(right):
        return e.emit(pr.Affine, left, transposed(e, right))
    a = left if ranks[0] > 1 else e.emit(sh.Unsqueeze, left, axes=(-2,))
    b = right if ranks[1] > 1 else e.emit(sh.Unsqueeze, right, axes=(-1,))
    product = e.checked(expr.span, spans, pr.Matmul, a, b)
    axes = tuple(axis for axis, rank in ((-2, ranks[0]), (-1, ranks[1])) if rank == 1)
    return e.emit(sh.Squeeze, product, axes=axes) if axes and isinstance(product, Value) else product


def _is_plain(matrix: Value) -> bool:
    """Whether a matrix is the same for all examples, or one of several that are."""
    return not matrix.type.lead or is_chosen(matrix)


def transposed(e: Context, x: Value) -> Value:
    """The last two axes exchanged; a transpose of a transpose is what it was."""
    if x not in e.transposes:
        perm = (*range(-x.type.rank, -2), -1, -2)
        flipped = e.emit(sh.Transpose, x, perm=perm, name=x.name)
        e.transposes |= {x: flipped, flipped: x}
    return e.transposes[x]


def transpose(e: Context, env: Environment, expr: ast.Transpose) -> Binding:
    """`x'`, of at least two axes."""
    operand = e.expressions.expression(env, expr.operand)
    if isinstance(operand, Poison):
        return operand
    x = e.value(operand, expr.operand.span)
    if x.type.rank < 2:
        message = f"`'` exchanges the last two axes, this has {'one' if x.type.rank else 'none'}"
        label = describe(x.type.shape)
        return e.error("rank-mismatch", expr.operand.span, message, label=label, help=untransposed(expr))
    return transposed(e, x)
