"""Other types of one value, and values that derivatives hold still."""

from __future__ import annotations

from typing import ClassVar

from mai.compiler.ir.operation import Lowering, case, sample
from mai.compiler.ir.signature import NUMBERS, Function, Section
from mai.compiler.ir.types import DType
from mai.compiler.ops.elementwise.base import Unary, flat


class ToReal(Unary):
    """A whole number, or true or false, as a real."""

    result = DType.REAL
    reference: Lowering = staticmethod(lambda np, x: x.astype(np.float64))
    torch: Lowering = staticmethod(lambda torch, x: x.float())
    onnx: Lowering = staticmethod(lambda op, x: op.Cast(x, to=1))
    cases = (case(sample(4, kind="int")), case(sample(2, 3, kind="bool")))


class ToInt(Unary):
    """x cut to a whole number, towards zero."""

    function = Function("int", Section.ELEMENTS, (NUMBERS,), fold=int)

    result = DType.INT
    reference: Lowering = staticmethod(lambda np, x: x.astype(np.int64))
    torch: Lowering = staticmethod(lambda torch, x: x.long())
    onnx: Lowering = staticmethod(lambda op, x: op.Cast(x, to=7))


class Place(Unary):
    """x as a place of its own, at which a function is differentiated: of one `number` each, so that no two are one."""

    attributes: ClassVar[dict[str, object]] = {"number": 0}
    reference: Lowering = staticmethod(lambda np, x, number: x)
    torch: Lowering = staticmethod(lambda torch, x, number: x)
    onnx: Lowering = staticmethod(lambda op, x, number: x)
    derivative = staticmethod(lambda ct, y, x, number: ct)


class StopGradient(Unary):
    """x, held still by derivatives."""

    function = Function("stop_gradient", Section.DERIVATIVES)

    reference: Lowering = staticmethod(lambda np, x: x)
    torch: Lowering = staticmethod(lambda torch, x: x.detach())
    onnx: Lowering = staticmethod(lambda op, x: x)
    derivative = staticmethod(flat)
