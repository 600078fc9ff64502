"""Running sums and products."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, ClassVar

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Lowering, Operation, case, sample
from mai.compiler.ir.signature import AXIS, NUMBERS, Function, Section, X
from mai.compiler.ir.types import Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.elementwise.arithmetic import Add, Multiply
from mai.compiler.ops.elementwise.logic import Greater
from mai.compiler.ops.growing import Growing
from mai.compiler.ops.reductions.base import Along
from mai.compiler.ops.shapes.shape import Concat

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term


REAL, INT64 = 1, 7  # ONNX's numbers of float32 and int64.


class Cumsum(Along):
    """Running sums; with `reverse`, from the last element to the first."""

    function = Function("cumsum", Section.ALONG, (NUMBERS, AXIS), says="Running sums, of reals or of whole numbers.")

    attributes: ClassVar[dict[str, object]] = {"axis": -1, "reverse": False}

    @classmethod
    def shape(cls, x: Type, axis: int, reverse: bool = False) -> Type:
        return Type(x.dtype, x.shape)

    @staticmethod
    def reference(np: Arrays, x: Tensor, axis: int, reverse: bool) -> Tensor:
        return np.flip(np.cumsum(np.flip(x, axis), axis=axis), axis) if reverse else np.cumsum(x, axis=axis)

    @staticmethod
    def torch(torch: Arrays, x: Tensor, axis: int, reverse: bool) -> Tensor:
        return torch.flip(torch.cumsum(torch.flip(x, (axis,)), axis), (axis,)) if reverse else torch.cumsum(x, axis)

    onnx: Lowering = staticmethod(lambda op, x, axis, reverse: op.CumSum(x, op.int(axis), reverse=int(reverse)))
    derivative = staticmethod(lambda ct, y, x, axis, reverse: ct.emit(Cumsum, axis=axis, reverse=not reverse))
    cases = (
        *Along.cases,
        case(sample(2, 5, 4), axis=-2, reverse=True),
        case(sample(2, 3, kind="whole"), reverse=False),
    )

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        """The state is the sum so far."""
        if node.attributes["reverse"] and g.grows(node.inputs[0], node.attributes["axis"]):
            raise g.refused("sums up what is after every token")
        return _so_far(g, node, "sum", Add, 0)


def _so_far(g: Growing, node: Node, name: str, join: type[Operation], neutral: int) -> Value | None:
    """Of the rows of a turn, joined with the state: what the rows before have come to."""
    (x,), axis = node.inputs, node.attributes["axis"]
    if not g.grows(x, axis):
        return None
    before = g.state(name, g.resized(x, axis, 1), neutral)
    result = g.emit(join, before.value, g.emit(node.op, g.rows(x, neutral), axis=axis))
    before.next = g.ending(result, axis, 1)
    return result


class Cumprod(Along):
    """Running products, in ceil(log2(n)) rounds: in each, every element takes in the one 1, 2, 4, ... places before."""

    function = Function("cumprod", Section.ALONG, (X, AXIS), says="Running products.")

    reference: Lowering = staticmethod(lambda np, x, axis: np.cumprod(x, axis=axis))
    torch: Lowering = staticmethod(lambda torch, x, axis: torch.cumprod(x, axis))

    @staticmethod
    def onnx(op: Onnx[V], x: V, axis: int) -> V:
        size, rank, reach = op.sizes(x)[axis], op.rank(x), 1
        if not isinstance(size, int):
            return _products(op, x, axis)
        while reach < size:
            head = op.Slice(x, op.ints([0]), op.ints([-reach]), op.ints([axis]))
            pads = [0] * (2 * rank)
            pads[rank + axis] = reach
            x, reach = op.Mul(x, op.Pad(head, op.ints(pads), 1.0)), 2 * reach
        return x

    @staticmethod
    def grown(g: Growing, node: Node) -> Value | None:
        """The state is the product so far."""
        return _so_far(g, node, "product", Multiply, 1)

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, axis: int) -> Term:
        """dL/dx_i = (x_1 ... x_{i-1}) r_i, where r_i = ct_i + x_{i+1} r_{i+1}: without a quotient, so right where x is 0.

        The recurrence takes ceil(log2(n)) rounds, as the products do: in each r_i takes in what is 1, 2, 4, ... places after.
        """
        size = x.shape[axis]
        if not isinstance(size, int):
            return before(y, axis) * _rest_of_any(ct, x, axis)
        rest, factor, reach = ct, _sooner(x, axis, 1), 1
        while reach < size:
            rest, factor = rest + factor * _sooner(rest, axis, reach), factor * _sooner(factor, axis, reach)
            reach *= 2
        return before(y, axis) * rest

    cases = (*Along.cases, case(sample(2, 5, kind="sparse")), case(sample(1, 3), axis=-2))


def _products(op: Onnx[V], x: V, axis: int) -> V:
    """Those along an axis of which only the call knows the size: a round may be one too many, which multiplies by 1."""
    last, size = op.ints([axis]), op.size_value(x, axis)

    def turn(k: V, products: V) -> list[V]:
        reach = op.Min(op.Pow(op.ints([2]), k), size)
        head = op.Slice(products, op.ints([0]), op.Sub(size, reach), last)
        return [op.Mul(products, op.Pad(head, op.Concat(reach, op.ints([0]), axis=0), 1.0, last))]

    log2 = op.Div(op.Log(op.Cast(size, to=REAL)), math.log(2.0))
    return op.turns(op.Add(op.Cast(log2, to=INT64), op.int(2)), [x], turn)[0]


def _rest_of_any(ct: Term, x: Term, axis: int) -> Term:
    """The same r for an axis of which only the call knows the size: r_i = sum_j ct_j x_{i+1} ... x_j, by all pairs of places."""
    places = x.range(x.shape[axis])
    pairs = (places, places.unsqueeze(-1)), (places.unsqueeze(-1), places)
    is_later, is_sooner = (one.emit(Greater, other).unsqueeze(*range(axis + 1, 0)) for one, other in pairs)
    products = is_later.where(x.unsqueeze(axis - 1), 1.0).emit(Cumprod, axis=axis)
    return is_sooner.where(0.0, products * ct.unsqueeze(axis - 1)).sum((axis,))


def _sooner(x: Term, axis: int, by: int) -> Term:
    """x moved `by` places towards its beginning, zeros at its end."""
    if by == x.shape[axis]:
        return x * 0.0
    return x.slice(axis, by, None).padded(axis, 0, by)


def before(products: Term, axis: int) -> Term:
    """Of running products, those of all elements before each: 1 for the first."""
    place = products.rank + axis
    shape = (*products.shape[:place], 1, *products.shape[place + 1 :])
    ones = products.other(1.0).expand(shape)
    return ones if products.shape[axis] == 1 else ones.emit(Concat, products.slice(axis, None, -1), axis=axis)
