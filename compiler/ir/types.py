"""Types of values: dtype, lead axes and shape."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from mai.compiler.ir.sizes import Size
from mai.spec.record import record


class DType(Enum):
    """What an element is; the value is its name in the IR's text and in the manifest."""

    REAL = "float32"
    INT = "int64"
    BOOL = "bool"


@record
class Axis:
    """A lead axis: one that the compiler added. `depth` orders the lead axes of a value, outermost first."""

    name: str
    size: Size
    depth: float

    def __str__(self) -> str:
        return self.name


TURN_DEPTH, BATCH_DEPTH = -1, 0


@record
class Type:
    """`shape` is what the spec says of one example; `lead` what the compiler added around it.

    `classes` bounds an integer label: it is at least 0 and below `classes`.
    """

    dtype: DType
    shape: tuple[Size, ...] = ()
    lead: tuple[Axis, ...] = ()
    classes: Size | None = None

    @property
    def physical(self) -> tuple[Size, ...]:
        """The shape in memory: lead axes first."""
        return tuple(a.size for a in self.lead) + self.shape

    @property
    def rank(self) -> int:
        """The number of axes of the shape, lead axes not counted."""
        return len(self.shape)

    @property
    def batched(self) -> bool:
        """Whether every example has its own."""
        return any(axis.depth == BATCH_DEPTH for axis in self.lead)

    def with_lead(self, lead: tuple[Axis, ...]) -> Type:
        """The same type with other lead axes."""
        return self if lead == self.lead else Type(self.dtype, self.shape, lead, self.classes)

    def with_shape(self, shape: tuple[Size, ...]) -> Type:
        """The same type with another shape."""
        return Type(self.dtype, shape, self.lead, self.classes)

    def __str__(self) -> str:
        dims = ", ".join(map(str, self.shape))
        lead = "".join(f"{axis} " for axis in self.lead)
        return f"{lead}{_SHORT[self.dtype]}[{dims}]"


_SHORT = {DType.REAL: "f32", DType.INT: "i64", DType.BOOL: "bool"}


def real(*shape: Size) -> Type:
    """The type of real numbers of a shape, without lead axes."""
    return Type(DType.REAL, shape)


def join_leads(types: list[Type]) -> tuple[Axis, ...]:
    """The lead axes of what is computed from values of these types."""
    leads = [t.lead for t in types if t.lead]
    if all(lead == leads[0] for lead in leads):
        return leads[0] if leads else ()
    return tuple(sorted({axis for lead in leads for axis in lead}, key=lambda a: a.depth))


def joint_classes(types: Sequence[Type]) -> Size | None:
    """How many labels there must be for those of all these types to be among them; None where one does not say."""
    bounds = [t.classes for t in types]
    if len(set(bounds)) == 1:
        return bounds[0]
    numbers = [b for b in bounds if isinstance(b, int)]
    return max(numbers) if len(numbers) == len(bounds) else None
