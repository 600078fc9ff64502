"""How the language calls an operation: a function's name, its arguments, and where the reference lists it.

An operation that is a function of the language says so in its class, `function = Function("exp", Section.ELEMENTS, fold=math.exp)`;
one that is several operations is a function of `Term`s under `@composed(Function(...))`. Nothing else need be written for
the language to know it: the elaborator, `spec/functions.md`, `mai explain` and the hints read these records.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from enum import Enum
from typing import Any, Final, TypeVar

from mai.compiler.ir.types import Type
from mai.spec.record import record


class Section(Enum):
    """The sections of the reference, in their order: a title, and a sentence for all of it."""

    CONSTANTS = ("Constants and ranges", "")
    ELEMENTS = ("Functions of elements", "Of every element of x.")
    REDUCTIONS = (
        "Reductions",
        "Over all axes unless `axis` says which, one or a list; `keep = true` leaves them, of size one.",
    )
    ALONG = ("Along an axis", "Along the last one by default.")
    SHAPES = ("Shapes", "")
    MATRICES = (
        "Matrices",
        "Of the last two axes; axes before them are matrices of their own. A matrix that has no such factor or inverse gives NaN.",
    )
    FOURIER = (
        "Fourier transforms",
        "Of any length. Complex numbers are two values, `(re, im) = rfft(x)`; a transform is not divided by n, its inverse is.",
    )
    DISTRIBUTIONS = (
        "Distributions",
        "A draw is a statement, `x ~ normal([2])`; without a shape it is one number, or as many as the parameters have. A `param` may "
        "start from the first two. A distribution is a value, `q = normal(m, s)`: of the whole of one draw, so that `log_prob(q, x)` "
        "is one number; axes that x has before those of a draw are mapped over, but not those of q's parameters, which make its draw larger (a layer of one draw is mapped over both).",
    )
    KERNELS = ("Products, images, attention, normalisation", "What the standard layers are made of.")
    LOSSES = ("Losses and texts", "")
    DERIVATIVES = ("Derivatives", "")
    BATCHES = ("Batches and clouds", "All but `directions` in a train block alone.")


class Kind(Enum):
    """What an argument is. The first five are tensors, the others are fixed when the file is compiled."""

    REAL = "a tensor; whole numbers become real"
    TENSOR = "a tensor of any dtype"
    TRUTH = "a tensor of true and false"
    ALIKE = "a tensor that has one dtype with all others of this kind"
    INDEX = "a tensor of whole numbers"
    NUMBER = "a number"
    WHOLE = "a whole number"
    PLACES = "a whole number, or a size, which may be free"
    COUNT = "a whole number of at least `least`"
    COUNTS = "whole numbers of at least one, a number or a list"
    PER_AXIS = "a whole number of at least one for each axis of the image, or one number for all"
    FRAME = "for each axis of the image, or for all: a number, a list of two, before and after, or a word"
    FLAG = "true or false"
    AXIS = "an axis of the first tensor"
    AXES = "axes of the first tensor; all of them by default"
    SIZE = "a size, which may be free"

    @property
    def is_tensor(self) -> bool:
        """Whether the argument is a tensor, and not known when the file is checked."""
        return self in (Kind.REAL, Kind.TENSOR, Kind.TRUTH, Kind.ALIKE, Kind.INDEX)


@record
class Same:
    """A default that is the value of an argument before it."""

    name: str


REQUIRED: Final = object()
OWN: Final = object()


@record
class Argument:
    """One argument: its name in the language, which is that of the operation's attribute, what it is, and its default.

    A default of `OWN` is the operation's own, in its `attributes`; a tensor that may be left out has the default None.
    """

    name: str
    kind: Kind
    default: object = REQUIRED
    least: int = 1

    @property
    def is_optional(self) -> bool:
        """Whether it may be left out."""
        return self.default is not REQUIRED


def tensor(name: str, kind: Kind = Kind.REAL, *, optional: bool = False) -> Argument:
    """An argument that is a tensor."""
    return Argument(name, kind, None if optional else REQUIRED)


def number(name: str, default: object = OWN) -> Argument:
    """An argument that is a number, known when the file is checked."""
    return Argument(name, Kind.NUMBER, default)


def count(name: str, default: object = REQUIRED, least: int = 1) -> Argument:
    """An argument that is a whole number of at least `least`."""
    return Argument(name, Kind.COUNT, default, least)


def per_axis(name: str, default: object = REQUIRED) -> Argument:
    """An argument that is a whole number of at least 1 for each axis in space, or one for all."""
    return Argument(name, Kind.PER_AXIS, default)


def frame(name: str, default: object) -> Argument:
    """An argument that says how many pixels are put around an image (`ops/products/windows.py`)."""
    return Argument(name, Kind.FRAME, default, least=0)


def flag(name: str, default: object = False) -> Argument:
    """An argument that is true or false."""
    return Argument(name, Kind.FLAG, default)


X = tensor("x")
ANY_X = tensor("x", Kind.TENSOR)
NUMBERS = tensor("x", Kind.ALIKE)  # reals, or whole numbers, whose result is whole
AXIS = Argument("axis", Kind.AXIS, -1)
AXES = Argument("axes", Kind.AXES, None)
KEEP = flag("keep")


@record
class Function:
    """A function of the language.

    `says` is its sentence in the reference, by default the first paragraph of the docstring. `fold` computes it of
    compile-time numbers. `derived` gives the attributes that follow from the operands' types and the others. `label` names its values,
    by default as the function. `elsewhere` are names that other libraries have for it, which are answered with `example`.
    """

    name: str
    section: Section
    arguments: tuple[Argument, ...] = (X,)
    says: str = ""
    fold: Callable[..., float] | None = None
    derived: Callable[[tuple[Type, ...], Mapping[str, object]], dict[str, object]] | None = None
    label: str = ""
    elsewhere: str = ""
    example: str = ""
    apply: Callable[..., Any] | None = None

    @property
    def form(self) -> str:
        """How it is written: `sum(x, axis?, keep?)`."""
        shown = [f"{written(a)}{'?' if a.is_optional else ''}" for a in self.arguments]
        return f"{self.name}({', '.join(shown)})"


def written(argument: Argument) -> str:
    """An argument's name in the language: axes are called `axis` there, since one is the rule."""
    return "axis" if argument.kind is Kind.AXES else argument.name


COMPOSED: list[Function] = []
F = TypeVar("F", bound=Callable[..., object])


def composed(function: Function) -> Callable[[F], F]:
    """Register a function that is several operations: of `Term`s and static arguments, to a `Term` or a tuple of them."""

    def register(apply: F) -> F:
        first = (apply.__doc__ or "").partition("\n\n")[0]
        COMPOSED.append(replace(function, apply=apply, says=function.says or first))
        return apply

    return register
