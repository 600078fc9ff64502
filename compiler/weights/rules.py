"""What a `weights from` says, as data: patterns of names, and what is done to a tensor on its way.

A pattern is a name in which `*` stands for any text and `{i}` for a number. On the other side of a rule the same `*`, in
their order, and `{i}`, `{i + 1}` or `{i - 1}` stand for what was found.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

from mai.spec.source import Span

MARK = re.compile(r"\*|\{[ ]*([^\W\d]\w*)[ ]*(?:([+-])[ ]*(\d{1,9})[ ]*)?\}")

MAX_TEXTS, MAX_NUMBERS = 3, 6  # what a `*` is, is found by trying


@dataclass(frozen=True)
class Pattern:
    """A name with `*` and `{i}` in it."""

    text: str
    span: Span

    @cached_property
    def _finder(self) -> re.Pattern[str]:
        parts, at, seen = [], 0, set()
        for mark in MARK.finditer(self.text):
            parts.append(re.escape(self.text[at : mark.start()]))
            name, at = mark[1], mark.end()
            parts.append("(.+)" if name is None else f"(?P={name})" if name in seen else f"(?P<{name}>\\d{{1,9}})")
            seen.add(name)
        return re.compile("".join(parts) + re.escape(self.text[at:]), re.DOTALL)

    def found(self, name: str) -> Found | None:
        """What the marks stand for in a name; None where it is another."""
        match = self._finder.fullmatch(name)
        if match is None:
            return None
        numbers = {n: int(t) for n, t in match.groupdict().items()}
        places = set(self._finder.groupindex.values())
        return Found(numbers, tuple(t for i, t in enumerate(match.groups(), 1) if i not in places))

    def filled(self, found: Found) -> str:
        """The name in which the marks are what was found."""
        texts = iter(found.texts)

        def put(mark: re.Match[str]) -> str:
            if mark[1] is None:
                return next(texts)
            change = int(mark[3] or 0)
            return str(found.numbers[mark[1]] + (-change if mark[2] == "-" else change))

        return MARK.sub(put, self.text)

    @property
    def numbers(self) -> set[str]:
        """The names of its numbers."""
        return {mark[1] for mark in MARK.finditer(self.text) if mark[1]}

    @property
    def texts(self) -> int:
        """How often it has a `*`."""
        return sum(mark[1] is None for mark in MARK.finditer(self.text))

    @property
    def complaint(self) -> str | None:
        """Why it would take long to look for."""
        if self.texts <= MAX_TEXTS and len(self.numbers) <= MAX_NUMBERS:
            return None
        return f"a name has at most {MAX_TEXTS} `*` and {MAX_NUMBERS} numbers"

    @property
    def counts(self) -> bool:
        """Whether it has a `{i + 1}`, which only a place to be filled can have."""
        return any(mark[2] for mark in MARK.finditer(self.text))


def numbered(name: str) -> str:
    """`h.0.attn.bias` as `h.{i}.attn.bias`: what the layers of a model have in common."""
    letters = iter("ijklmn")
    return ".".join(f"{{{next(letters, 'z')}}}" if part.isdecimal() else part for part in name.split("."))


def together(shapes: Mapping[str, tuple[int, ...]]) -> list[tuple[str, tuple[int, ...], int]]:
    """Names and their shapes, those that layers have in common as one pattern, and how many there are of each."""
    alike: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for name, shape in shapes.items():
        alike.setdefault((numbered(name), shape), []).append(name)
    return [(pattern if len(names) > 1 else names[0], shape, len(names)) for (pattern, shape), names in alike.items()]


@dataclass(frozen=True, slots=True)
class Found:
    """What the marks of a pattern stand for."""

    numbers: Mapping[str, int]
    texts: tuple[str, ...]


# ------------------------------------------------------- what is done to a tensor


@dataclass(frozen=True, slots=True)
class Transpose:
    """`'`: the last two axes change places."""


@dataclass(frozen=True, slots=True)
class Cut:
    """`[a:b, i]`: parts of the first axes, as numpy's."""

    items: tuple[slice | int, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One of the equal parts of a `split`; `place` counts from 0."""

    count: int
    axis: int
    place: int


Step: TypeAlias = Transpose | Cut | Part


@dataclass(frozen=True, slots=True)
class Chain:
    """A tensor of the file, and what is done to it in turn."""

    pattern: Pattern
    steps: tuple[Step, ...] = ()

    def applied(self, tensor: Any) -> Any:
        """A view of a numpy array or a torch tensor. Raises `ValueError` where its shape does not allow a step."""
        for step in self.steps:
            tensor = _applied(step, tensor)
        return tensor

    def __str__(self) -> str:
        """As a spec writes it."""
        text = f'"{self.pattern.text}"'
        for step in self.steps:
            text = _written(step, text)
        return text


def _written(step: Step, text: str) -> str:
    if isinstance(step, Transpose):
        return f"{text}'"
    if isinstance(step, Cut):
        return f"{text}[{', '.join(map(_bound, step.items))}]"
    axis = "" if step.axis == -1 else f", axis = {step.axis}"
    return f"split({text}, {step.count}{axis})[{step.place}]"


def _bound(item: slice | int) -> str:
    if isinstance(item, int):
        return str(item)
    return ":".join("" if bound is None else str(bound) for bound in (item.start, item.stop))


def _applied(step: Step, tensor: Any) -> Any:
    shape = list(tensor.shape)
    if isinstance(step, Transpose):
        if len(shape) < 2:
            raise ValueError(f"`'` changes the last two axes, {shape} has {len(shape)}")
        return tensor.swapaxes(-1, -2)
    if isinstance(step, Cut):
        if len(step.items) > len(shape):
            raise ValueError(f"{shape} has no {len(step.items)} axes to cut")
        for item, size in zip(step.items, shape, strict=False):
            if isinstance(item, int) and not -size <= item < size:
                raise ValueError(f"{shape} has no place {item} on an axis of {size}")
        return tensor[(*step.items, ...)]
    return tensor[_part(step, shape)]


def _part(step: Part, shape: list[int]) -> tuple[slice, ...]:
    if not -len(shape) <= step.axis < len(shape):
        raise ValueError(f"{shape} has no axis {step.axis}")
    axis = step.axis % len(shape)
    size = shape[axis]
    if size % step.count:
        raise ValueError(f"an axis of {size} cannot be split into {step.count} equal parts")
    width = size // step.count
    return (slice(None),) * axis + (slice(step.place * width, (step.place + 1) * width),)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a parameter comes from: one tensor, or several joined along an axis."""

    chains: tuple[Chain, ...]
    axis: int = -1


@dataclass(frozen=True, slots=True)
class Rule:
    """Parameters of a name, and where they come from; without a source they keep their own first value."""

    target: Pattern
    source: Source | None
    span: Span


@dataclass(frozen=True, slots=True)
class Loading:
    """A `weights from`: the file, the rules and the tensors that nothing takes."""

    path: str
    rules: tuple[Rule, ...]
    ignored: tuple[Chain, ...]
    span: Span

    def rules_of(self, name: str) -> Iterable[tuple[Rule, Found]]:
        """The rules for a parameter. Several are second names: of tied weights, or in files of another age."""
        for rule in self.rules:
            found = rule.target.found(name)
            if found is not None:
                yield rule, found
