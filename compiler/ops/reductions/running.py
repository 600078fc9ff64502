"""Running sums and products."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from mai.compiler.ir.graph import Node, Value
from mai.compiler.ir.operation import Lowering, ShapeError, case, sample
from mai.compiler.ir.signature import AXIS, NUMBERS, Function, Section, X
from mai.compiler.ir.types import Type
from mai.compiler.ops.backends import Arrays, Onnx, Tensor, V
from mai.compiler.ops.elementwise.arithmetic import Add
from mai.compiler.ops.growing import Growing
from mai.compiler.ops.reductions.base import Along
from mai.compiler.ops.shapes.shape import Concat

if TYPE_CHECKING:
    from mai.compiler.ops.terms import Term


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
        (x,), axis = node.inputs, node.attributes["axis"]
        if not g.grows(x, axis):
            return None
        if node.attributes["reverse"]:
            raise g.refused("sums up what is after every token")
        before = g.state("sum", g.resized(x, axis, 1), 0)
        result = g.emit(Add, before.value, g.emit(Cumsum, g.rows(x, 0), axis=axis))
        before.next = g.ending(result, axis, 1)
        return result


class Cumprod(Along):
    """Running products, in ceil(log2(n)) rounds: in each, every element takes in the one 1, 2, 4, ... places before."""

    function = Function("cumprod", Section.ALONG, (X, AXIS), says="Running products.")

    @classmethod
    def shape(cls, x: Type, axis: int) -> Type:
        if not isinstance(x.shape[axis], int):
            raise ShapeError(
                "dimension-unknown", "`cumprod` needs an axis whose size is known when the file is compiled", 0
            )
        return Type(x.dtype, x.shape)

    reference: Lowering = staticmethod(lambda np, x, axis: np.cumprod(x, axis=axis))
    torch: Lowering = staticmethod(lambda torch, x, axis: torch.cumprod(x, axis))

    @staticmethod
    def onnx(op: Onnx[V], x: V, axis: int) -> V:
        size, rank, reach = op.size_along(x, axis), op.rank(x), 1
        while reach < size:
            head = op.Slice(x, op.ints([0]), op.ints([-reach]), op.ints([axis]))
            pads = [0] * (2 * rank)
            pads[rank + axis] = reach
            x, reach = op.Mul(x, op.Pad(head, op.ints(pads), 1.0)), 2 * reach
        return x

    @staticmethod
    def derivative(ct: Term, y: Term, x: Term, axis: int) -> Term:
        """dL/dx_i = (x_1 ... x_{i-1}) r_i, where r_i = ct_i + x_{i+1} r_{i+1}: without a quotient, so right where x is 0.

        The recurrence takes ceil(log2(n)) rounds, as the products do: in each r_i takes in what is 1, 2, 4, ... places after.
        """
        size = x.shape[axis]
        assert isinstance(size, int)
        rest, factor, reach = ct, _sooner(x, axis, 1), 1
        while reach < size:
            rest, factor = rest + factor * _sooner(rest, axis, reach), factor * _sooner(factor, axis, reach)
            reach *= 2
        return before(y, axis) * rest

    cases = (*Along.cases, case(sample(2, 5, kind="sparse")), case(sample(1, 3), axis=-2))


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
