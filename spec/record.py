"""Records: small values of named fields, which nobody changes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def record(kind: type[T]) -> type[T]:
    """A dataclass with equality and a hash, which the type checker holds frozen.

    `dataclass` compiles the methods of each class from text, four or seven of them. Here it compiles `__init__` alone, and
    the others are the same few functions for all: `mai check` imports over a hundred classes.
    """
    result: type[T] = _compared(dataclass(slots=True, eq=False, repr=False)(kind))
    return result


@dataclass_transform(frozen_default=True)
def open_record(kind: type[T]) -> type[T]:
    """The same for a class whose base has attributes of its own, or that caches properties."""
    result: type[T] = _compared(dataclass(eq=False, repr=False)(kind))
    return result


def _compared(kind: Any) -> Any:
    """The class with equality, hash and text by its fields, but for methods of its own."""
    names = [field.name for field in fields(kind) if field.compare]
    values = attrgetter(*names) if names else type

    def equal(self: Any, other: object) -> bool:
        return values(self) == values(other) if self.__class__ is other.__class__ else NotImplemented

    def hashed(self: Any) -> int:
        return hash(values(self))

    for name, method in {"__eq__": equal, "__hash__": hashed, "__repr__": _written}.items():
        if vars(kind).get(name) is None:
            setattr(kind, name, method)
    return kind


def _written(self: Any) -> str:
    shown = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if field.repr)
    return f"{type(self).__qualname__}({shown})"
