"""What a random program is made of: terms, each a text with its meaning, and the maker that draws them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from mai.runtime.arrays import Array

Shape = tuple[int, ...]
Env = dict[str, Array]
Scope = dict[str, Shape]  # The names that a term may read, and their shapes, in the order in which they came to be.
T = TypeVar("T")
SIZES = (2, 3, 4)
MOST_AXES = 3


@dataclass(frozen=True, slots=True)
class Term:
    """An expression: its text, and its value for one example; forms may leave it smaller than its shape, `Maker.term` stretches it."""

    text: str
    value: Callable[[Env], Any]


Form = Callable[["Maker", Shape, Scope, int], Term | None]
FORMS: list[Form] = []


def form(function: Form) -> Form:
    """Register a way to make a term of a shape: None where it has none."""
    FORMS.append(function)
    return function


@dataclass(slots=True)
class Maker:
    """Draws a program by its seed."""

    dice: np.random.Generator
    layers: list[str] = field(default_factory=list)
    labels: dict[str, int] = field(default_factory=dict)  # The inputs that are labels, and of how many classes.
    names: int = 0

    def one_of(self, things: Sequence[T]) -> T:
        """Any of them."""
        return things[int(self.dice.integers(len(things)))]

    def happens(self, share: float) -> bool:
        """True so often."""
        return bool(self.dice.random() < share)

    def below(self, end: int, start: int = 0) -> int:
        """A whole number."""
        return int(self.dice.integers(start, end))

    def name(self) -> str:
        """A new one."""
        self.names += 1
        return f"v{self.names}"

    def shape(self, most: int = MOST_AXES) -> Shape:
        """Of 0 to `most` axes."""
        return tuple(self.one_of(SIZES) for _ in range(self.below(most + 1)))

    def term(self, shape: Shape, scope: Scope, depth: int) -> Term:
        """An expression of a shape, as deep as `depth`."""
        term = self._any_term(shape, scope, depth)
        return Term(term.text, lambda env: np.broadcast_to(term.value(env), shape))

    def _any_term(self, shape: Shape, scope: Scope, depth: int) -> Term:
        if depth <= 0 or (shape in scope.values() and self.happens(0.15)):
            return self.leaf(shape, scope)
        while True:
            term = self.one_of(FORMS)(self, shape, scope, depth - 1)
            if term is not None:
                return term

    def leaf(self, shape: Shape, scope: Scope) -> Term:
        """A name, a name that is stretched or averaged to the shape, or a number."""
        number = float(round(self.dice.normal(), 2))
        own = [name for name, other in scope.items() if other == shape]
        if own:
            name = self.one_of(own)
            return Term(name, lambda env: env[name])
        if self.happens(0.2):
            text = f"({number} * ones({dims(shape)}))" if shape else f"({number})"
            return Term(text, lambda env: number * np.ones(shape))
        ends = [name for name, other in scope.items() if shape[len(shape) - len(other) :] == other]
        name = self.one_of(ends or list(scope))
        read = name if ends else f"mean({name})"
        text = f"({read} + {number} * ones({dims(shape)}))" if shape else f"({read} + {number})"
        return Term(text, lambda env: (env[name] if ends else np.mean(env[name])) + number * np.ones(shape))


def dims(shape: Shape) -> str:
    """A shape as a type has it."""
    return f"[{', '.join(map(str, shape))}]"


def index(axis: int, text: str) -> str:
    """What stands in brackets to read along an axis."""
    return ", ".join([*[":"] * axis, text])
