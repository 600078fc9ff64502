"""Records: small values of named fields, which nobody changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def record(kind: type[T]) -> type[T]:
    """A dataclass with equality and a hash, which the type checker holds frozen.

    A frozen one is checked at run time, too, and takes three times as long to make: `mai check` imports over a hundred.
    """
    return dataclass(slots=True, unsafe_hash=True)(kind)


@dataclass_transform(frozen_default=True)
def open_record(kind: type[T]) -> type[T]:
    """The same for a class whose base has attributes of its own, or that caches properties."""
    return dataclass(unsafe_hash=True)(kind)
