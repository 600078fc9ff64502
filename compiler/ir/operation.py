"""What an operation is: one class body that says its shape rule, its reference and its lowerings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from enum import Enum
from typing import Any, ClassVar, Literal

from mai.compiler.ir.signature import Function
from mai.compiler.ir.sizes import Size
from mai.compiler.ir.types import Axis, DType, Type
from mai.spec.record import record


class ShapeError(Exception):
    """An operation refuses the types it is given. `operand` is the input at fault, if one is.

    A message that speaks of an `axis` ends with it, so that it can be shown as the user counts. The elaborator turns it into a diagnostic at that operand.
    """

    def __init__(
        self,
        slug: str,
        message: str,
        operand: int | None = None,
        *,
        label: str = "",
        help: str | None = None,
        axis: int | None = None,
    ) -> None:
        super().__init__(message)
        self.slug, self.operand, self.label, self.help = slug, operand, label, help
        self.text, self.axis = message, axis

    @property
    def message(self) -> str:
        """The sentence for the user, with the axis that it speaks of."""
        return self.text if self.axis is None else f"{self.text} axis {self.axis}"


class Alignment(Enum):
    """What is done to the inputs' lead axes, in memory, before an operation's lowering sees them.

    FULL: axes of size one are put in, so that both lead axes and shapes broadcast as numpy's do (elementwise).
    LEAD: the same for the lead axes alone; the operation counts its own axes from the end (`matmul`).
    EXPAND: as LEAD, and every input is expanded to the full lead axes (`concat`, which cannot broadcast).
    WHOLE: as EXPAND, but an input without lead axes comes as it is (`take` from a table).
    NONE: the inputs come as they are (a convolution and its weight).
    """

    FULL = "full"
    LEAD = "lead"
    EXPAND = "expand"
    WHOLE = "whole"
    NONE = "none"

    def expands(self, own: tuple[Axis, ...], full: tuple[Axis, ...]) -> bool:
        """Whether an input with the lead axes `own` is expanded to `full`."""
        return own != full and (self is Alignment.EXPAND or (self is Alignment.WHOLE and bool(own)))


Lowering = Callable[..., Any]
Kind = Literal["normal", "sparse", "positive", "unit", "int", "natural", "whole", "bool", "seen", "definite", "regular"]


@record
class Sample:
    """A random array for a test: its shape, and what its elements are drawn from.

    `sparse` is 0 at about every third place; `unit` is between 0 and 1; `int` is at least 0, `natural` at least 1, `whole` of any sign, each below `high`.
    `seen` is true or false with the last of each row true. `definite` is a symmetric matrix whose eigenvalues are above 0 and apart, `regular`
    one that has an inverse and a determinant above 0.
    """

    shape: tuple[int, ...]
    kind: Kind = "normal"
    high: int = 10
    lead: bool = True

    @property
    def type(self) -> Type:
        """The type of the inputs that are drawn for it, without lead axes."""
        dtypes = {"int": DType.INT, "natural": DType.INT, "whole": DType.INT}
        dtypes |= {"bool": DType.BOOL, "seen": DType.BOOL}
        return Type(dtypes.get(self.kind, DType.REAL), self.shape)


def sample(*shape: int, kind: Kind = "normal", high: int = 10, lead: bool = True) -> Sample:
    """An input of a case; `lead = False` says that it never has lead axes (a convolution's weight)."""
    return Sample(shape, kind, high, lead)


@record
class Case:
    """Inputs and attributes on which numpy, torch and ONNX Runtime must agree."""

    inputs: tuple[Sample | None, ...]
    attributes: dict[str, object] = field(default_factory=dict)


def case(*inputs: Sample | None, **attributes: object) -> Case:
    """A case for the tests: inputs, None for one that is left out, and attributes."""
    return Case(inputs, attributes)


OPERATIONS: dict[str, type[Operation]] = {}


class Operation:
    """The base of every operation. A subclass that lacks a field fails at import.

    Lowerings are static methods; each is handed its backend first, so that this folder imports no numpy, torch or onnx:
    `reference(np, *arrays, **attributes)`, `torch(torch, *tensors, **attributes)`, `onnx(op, *values, **attributes)`.
    An optional input that is absent is None. Every `axis` attribute is negative: it counts from the end, so that it
    means the same whatever lead axes there are. `unled` are the operands that cannot have lead axes, and `lifted(builder, *inputs,
    **attributes)` is the value that stands for the result where one of them differs between examples; of an operation that
    `commutes` their order makes no difference. Sizes among the
    attributes arrive resolved: as integers, or as what the backend computes with. An operation with `wants_lead` is
    handed the sizes of its output's lead axes as `lead`.

    `derivative(ct, y, *inputs, **attributes)` gives the derivative of some number with respect to each input, from `ct`,
    that with respect to the result `y`; None for an input, or for all, stands for zero, and a function for a part that is computed only
    where somebody asks for it. It is written with `Term`s, so what it makes can be differentiated again; axes that broadcasting
    added are summed up after it. An operation that is several others in one kernel has an `expansion(*inputs, **attributes)`
    into them instead. One with neither has no derivative.

    `steep` are the operands at which the result or its derivative may be infinite or no number, each with what both are finite at: a number, or
    a function that makes it of the operand.

    `extremes` are inputs, as nested tuples of numbers, where a formula taken literally would fail: zeros, ties, large numbers.

    An operation that is a function of the language has a `function`, the record of how it is called.

    `along` and `grown` say how it behaves along a growing axis, for the incremental form. `along(types, attributes,
    operand, axis)` is the axis of the result's shape that an axis of an operand's becomes, None where the operation sums
    it up; an operation without it takes no growing axis. `grown(growth, node)` is for what `along` cannot say: it makes the
    result from the new rows and a state, and gives None where `along` is enough. `neutral` is what a sum over a growing
    axis may meet without a change. What a `lasting` one says of a token is the same in all later turns, whatever it is computed from.

    `numbering(types, attributes)` says which operands and axes number the same things (`ops/numbering.py`).
    """

    name: ClassVar[str]
    attributes: ClassVar[dict[str, object]] = {}
    alignment: ClassVar[Alignment] = Alignment.LEAD
    wants_lead: ClassVar[bool] = False
    unled: ClassVar[tuple[int, ...]] = ()
    lifted: ClassVar[Lowering | None] = None
    commutes: ClassVar[bool] = False
    cases: ClassVar[tuple[Case, ...]]
    function: ClassVar[Function | None] = None
    extremes: ClassVar[tuple[tuple[object, ...], ...]] = ()
    steep: ClassVar[Mapping[int, float | Lowering]] = {}

    derivative: ClassVar[Lowering | None] = None
    expansion: ClassVar[Lowering | None] = None
    along: ClassVar[Lowering | None] = None
    grown: ClassVar[Lowering | None] = None
    neutral: ClassVar[float | None] = None
    lasting: ClassVar[bool] = False
    numbering: ClassVar[Lowering | None] = None

    shape: Lowering
    reference: Lowering
    torch: Lowering
    onnx: Lowering

    _fields: ClassVar[tuple[str, ...]] = ("shape", "reference", "torch", "onnx", "cases")

    def __init_subclass__(cls, abstract: bool = False) -> None:
        if abstract:
            return
        cls.name = cls.__dict__.get("name", _snake(cls.__name__))
        missing = [f for f in cls._fields if not hasattr(cls, f)]
        if missing or not cls.__doc__:
            raise TypeError(f"operation {cls.name} lacks {', '.join(missing) or 'a docstring'}")
        assert cls.name not in OPERATIONS, f"operation {cls.name} is defined twice"
        OPERATIONS[cls.name] = cls


def typed(op: type[Operation], types: Sequence[Type], attributes: Mapping[str, object]) -> Type | tuple[Type, ...]:
    """What the shape rule of an operation says, after a look at the operands that cannot have lead axes.

    Raises:
        ShapeError: the operation does not take these types.
    """
    for operand in op.unled:
        if operand < len(types) and types[operand].lead:
            message = f"this operand of `{op.name}` is one for all examples; here it depends on the example"
            raise ShapeError("shape-mismatch", message, operand, label="differs between examples")
    result: Type | tuple[Type, ...] = op.shape(*types, **attributes)
    return result


def _snake(name: str) -> str:
    return "".join(("_" if c.isupper() and i else "") + c.lower() for i, c in enumerate(name))


def broadcast(a: tuple[Size, ...], b: tuple[Size, ...]) -> tuple[Size, ...] | None:
    """The shape of two shapes together, by numpy's rule; None where they do not fit."""
    rank = max(len(a), len(b))
    pairs = zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True)
    sizes = []
    for x, y in pairs:
        if x != 1 and y != 1 and x != y:
            return None
        sizes.append(y if x == 1 else x)
    return tuple(sizes)


def describe(shape: tuple[Size, ...]) -> str:
    """A shape as people write it: `[P, 64]`."""
    return "[" + ", ".join(map(str, shape)) + "]"


def type_text(type_: Type) -> str:
    """A type as a file writes it: `[2]`, `class[10]`, `int[P]`."""
    shape = describe(type_.shape)
    if type_.dtype is DType.REAL:
        return shape
    name = "bool" if type_.dtype is DType.BOOL else "int"
    if type_.classes is not None:
        name = f"class[{type_.classes}]"
    return name + (shape if type_.shape else "")
