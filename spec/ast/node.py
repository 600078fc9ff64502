"""What a node of the syntax tree is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

from mai.spec.record import with_init

T = TypeVar("T")


@dataclass_transform(frozen_default=True, eq_default=False)
def node(kind: type[T]) -> type[T]:
    """A dataclass that the type checker holds frozen. To check it at run time too would take two thirds of the import."""
    return with_init(dataclass(slots=True, init=False, eq=False, repr=False)(kind))
