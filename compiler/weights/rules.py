"""The rules of a `weights from` as data: patterns of names, and the steps that turn a tensor into a parameter.

A pattern is a name in which `*` stands for any text and `{i}` for a number. On the other side of a rule `*`, in their order,
and `{i}` stand for the texts and numbers that matched; a number may be counted on, `{i + 1}`, `{2 * i}`, `{i // 2}`, `{i % 2}`, `{2 * i - 1}`.
A number may be a place on an axis, too: `"experts.weight"["{e}"]`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from mai.spec.record import open_record, record
from mai.spec.source import Span

if TYPE_CHECKING:
    import torch

    from mai.compiler.ir.graph import Weight
    from mai.runtime.arrays import Array

Tensor = TypeVar("Tensor", "Array", "torch.Tensor")
Shapes = Mapping[str, tuple[int, ...]]  # Of the tensors in a file, by name.

WHOLE = r"\d{1,9}"
MARK = re.compile(
    rf"\*|\{{ *(?:(?P<times>{WHOLE}) *\* *)?(?P<name>[^\W\d]\w*) *(?:(?P<cut>//|%) *(?P<by>{WHOLE}) *)?"
    rf"(?:(?P<sign>[+-]) *(?P<plus>{WHOLE}) *)?\}}"
)

MAX_TEXTS, MAX_NUMBERS = 3, 6  # A pattern with many marks would take long to match.


@open_record
class Pattern:
    """A name with the marks `*` and `{i}` in it, and its place in the spec."""

    text: str
    span: Span

    @cached_property
    def _regex(self) -> re.Pattern[str]:
        return _regex_of(self.text)

    def match(self, name: str) -> Marks | None:
        """What the marks stand for in a name; None where the pattern does not match it."""
        match = self._regex.fullmatch(name)
        if match is None:
            return None
        numbers = {n: int(t) for n, t in match.groupdict().items()}
        places = set(self._regex.groupindex.values())
        return Marks(numbers, tuple(t for i, t in enumerate(match.groups(), 1) if i not in places))

    def fill(self, marks: Marks) -> str:
        """The name that this pattern becomes with these texts and numbers in the place of its marks."""
        texts = iter(marks.texts)

        def replace(mark: re.Match[str]) -> str:
            return next(texts) if mark["name"] is None else str(_counted(mark, marks.numbers[mark["name"]]))

        return MARK.sub(replace, self.text)

    @property
    def numbers(self) -> set[str]:
        """The names of its numbers: `{i}` is called i."""
        return {mark["name"] for mark in MARK.finditer(self.text) if mark["name"]}

    @property
    def texts(self) -> int:
        """How many `*` it has."""
        return sum(mark["name"] is None for mark in MARK.finditer(self.text))

    @property
    def complaint(self) -> str | None:
        """Why it is refused: more marks would take too long to match, or a number is divided by 0. None where it is accepted."""
        if any(mark["by"] and not int(mark["by"]) for mark in MARK.finditer(self.text)):
            return "a number is not divided by 0"
        if self.texts <= MAX_TEXTS and len(self.numbers) <= MAX_NUMBERS:
            return None
        return f"a name has at most {MAX_TEXTS} `*` and {MAX_NUMBERS} numbers"

    @property
    def has_offsets(self) -> bool:
        """Whether it has a number such as `{i + 1}`, which can be filled in but not matched."""
        return any(mark["times"] or mark["cut"] or mark["sign"] for mark in MARK.finditer(self.text))

    @property
    def letters(self) -> int:
        """How many letters it has beside its marks: of two patterns of a name the one with more says more about it."""
        return len(MARK.sub("", self.text))


@lru_cache(maxsize=1 << 14)
def _regex_of(text: str) -> re.Pattern[str]:
    """What a pattern matches. The same patterns stand in many sets of rules, and before many prefixes."""
    parts, at, numbers = [], 0, set()
    for mark in MARK.finditer(text):
        parts.append(re.escape(text[at : mark.start()]))
        name, at = mark["name"], mark.end()
        if name is None:
            parts.append("(.+)")
        elif name in numbers:
            parts.append(f"(?P={name})")
        else:
            parts.append(f"(?P<{name}>\\d{{1,9}})")
            numbers.add(name)
    return re.compile("".join(parts) + re.escape(text[at:]), re.DOTALL)


def _counted(mark: re.Match[str], number: int) -> int:
    """What a mark such as `{2 * i + 1}` or `{i // 2}` makes of a number."""
    number *= int(mark["times"] or 1)
    if mark["cut"]:
        number = number // int(mark["by"]) if mark["cut"] == "//" else number % int(mark["by"])
    change = int(mark["plus"] or 0)
    return number - change if mark["sign"] == "-" else number + change


def layer_pattern(name: str) -> str:
    """The name with its numbers as marks, `h.0.attn.bias` as `h.{i}.attn.bias`: what all layers of a model have in common."""
    letters = iter("ijklmn")
    return ".".join(f"{{{next(letters, 'z')}}}" if part.isdecimal() else part for part in name.split("."))


def group_layers(shapes: Mapping[str, tuple[int, ...]]) -> list[tuple[str, tuple[int, ...], int]]:
    """Names and shapes with those of all layers as one pattern: (name or pattern, shape, how many names it stands for)."""
    alike: dict[tuple[str, tuple[int, ...]], list[str]] = {}
    for name, shape in shapes.items():
        alike.setdefault((layer_pattern(name), shape), []).append(name)
    return [(pattern if len(names) > 1 else names[0], shape, len(names)) for (pattern, shape), names in alike.items()]


@record
class Marks:
    """What the marks of a pattern stand for: the numbers by their names, and the texts of the `*` in their order."""

    numbers: Mapping[str, int]
    texts: tuple[str, ...]


# ------------------------------------------------------- steps from a tensor to a parameter


@record
class Transpose:
    """`'`: exchange the last two axes."""


class NamedPlace(int):
    """A place on an axis that a parameter's name says: it is counted from the first one, never from the last."""


@record
class Cut:
    """`[a:b, i]`: index the first axes, as numpy does; a pattern is a number of the parameter's name, `["{e}"]`."""

    items: tuple[slice | int | Pattern, ...]

    @property
    def marks(self) -> Iterator[Pattern]:
        """The places that a name says."""
        return (item for item in self.items if isinstance(item, Pattern))

    def filled(self, marks: Marks) -> Cut:
        """The same with numbers in the place of marks."""
        return Cut(tuple(NamedPlace(i.fill(marks)) if isinstance(i, Pattern) else i for i in self.items))


@record
class Part:
    """`split(t, count, axis)[place]`: one of `count` equal parts of an axis; `place` counts from 0."""

    count: int
    axis: int
    place: int


Step: TypeAlias = Transpose | Cut | Part


@record
class Chain:
    """A tensor of the file, by its pattern, and the steps that are applied to it in turn."""

    pattern: Pattern
    steps: tuple[Step, ...] = ()

    @property
    def numbers(self) -> set[str]:
        """The names of the numbers in its pattern and in its cuts."""
        cuts = (step for step in self.steps if isinstance(step, Cut))
        return self.pattern.numbers.union(*(mark.numbers for cut in cuts for mark in cut.marks))

    @property
    def row(self) -> int | None:
        """The place on the first axis that alone is read; None where the whole tensor is."""
        first = self.steps[0] if self.steps else None
        place = first.items[0] if isinstance(first, Cut) else None
        return place if isinstance(place, int) and place >= 0 else None

    def filled(self, marks: Marks) -> Chain:
        """The same with numbers in the place of the marks of its cuts."""
        return Chain(self.pattern, tuple(s.filled(marks) if isinstance(s, Cut) else s for s in self.steps))

    def of_row(self) -> Chain:
        """The same for a tensor of which the one `row` is there."""
        first = self.steps[0]
        assert isinstance(first, Cut)
        return Chain(self.pattern, (Cut((0, *first.items[1:])), *self.steps[1:]))

    def apply(self, tensor: Tensor) -> Tensor:
        """Apply the steps to a tensor; the result is a view of it.

        Raises:
            ValueError: its shape does not allow a step.
        """
        for step in self.steps:
            tensor = _apply(step, tensor)
        return tensor

    def __str__(self) -> str:
        """The notation of a spec."""
        text = f'"{self.pattern.text}"'
        for step in self.steps:
            text = _notation(step, text)
        return text


def _notation(step: Step, text: str) -> str:
    if isinstance(step, Transpose):
        return f"{text}'"
    if isinstance(step, Cut):
        return f"{text}[{', '.join(map(_index_notation, step.items))}]"
    axis = "" if step.axis == -1 else f", axis = {step.axis}"
    return f"split({text}, {step.count}{axis})[{step.place}]"


def _index_notation(item: slice | int | Pattern) -> str:
    if isinstance(item, Pattern):
        return f'"{item.text}"'
    if isinstance(item, int):
        return str(item)
    return ":".join("" if bound is None else str(bound) for bound in (item.start, item.stop))


def _apply(step: Step, tensor: Tensor) -> Tensor:
    shape = list(tensor.shape)
    if isinstance(step, Transpose):
        if len(shape) < 2:
            raise ValueError(f"`'` changes the last two axes, {shape} has {len(shape)}")
        return tensor.swapaxes(-1, -2)
    index: Any = _cut(step, shape) if isinstance(step, Cut) else _part(step, shape)
    view: Tensor = tensor[index]
    return view


def _cut(step: Cut, shape: list[int]) -> tuple[object, ...]:
    """The index of a cut; with the dots at its end, a single element is a view as well."""
    if len(step.items) > len(shape):
        raise ValueError(f"{shape} has no {len(step.items)} axes to cut")
    for item, size in zip(step.items, shape, strict=False):
        least = 0 if isinstance(item, NamedPlace) else -size
        if isinstance(item, int) and not least <= item < size:
            raise ValueError(f"{shape} has no place {item} on an axis of {size}")
    return (*step.items, ...)


def _part(step: Part, shape: list[int]) -> tuple[slice, ...]:
    if not -len(shape) <= step.axis < len(shape):
        raise ValueError(f"{shape} has no axis {step.axis}")
    axis = step.axis % len(shape)
    size = shape[axis]
    if size % step.count:
        raise ValueError(f"an axis of {size} cannot be split into {step.count} equal parts")
    width = size // step.count
    return (slice(None),) * axis + (slice(step.place * width, (step.place + 1) * width),)


@record
class Source:
    """The right side of a rule: one tensor, or several joined along an axis."""

    chains: tuple[Chain, ...]
    axis: int = -1

    def __str__(self) -> str:
        """The notation of a spec."""
        if len(self.chains) == 1:
            return str(self.chains[0])
        axis = "" if self.axis == -1 else f", axis = {self.axis}"
        return f"concat({', '.join(map(str, self.chains))}{axis})"


@record
class Rule:
    """The parameters that match `target`, and where they come from; without a source they keep their initial value."""

    target: Pattern
    source: Source | None
    span: Span

    def filled(self, marks: Marks) -> Rule:
        """The same with numbers in the place of the marks of its cuts."""
        if self.source is None:
            return self
        return Rule(
            self.target, Source(tuple(c.filled(marks) for c in self.source.chains), self.source.axis), self.span
        )


@record
class RuleSet:
    """`"text.*" = family("clip_text", "text_encoder")`: the rules of a known network for the parameters that match `target`.

    `rules` are those of the network with the names that the file has for it; a set may have rules for other variants, too. `part` is
    what these names begin with, empty where nothing stands before them.
    """

    target: Pattern
    rules: Loading
    part: str
    span: Span


@record
class Loading:
    """A `weights from` block: the file, the rules, the tensors that are left out on purpose, and the sets of rules of known networks."""

    path: str
    rules: tuple[Rule, ...]
    ignored: tuple[Chain, ...]
    span: Span
    sets: tuple[RuleSet, ...] = ()

    def has_value_for(self, name: str) -> bool:
        """Whether a parameter has a rule, or one in a set of rules."""
        return any(True for _ in self.rules_of(name)) or any(each.target.match(name) for each in self.sets)

    def rules_of(self, name: str) -> Iterable[tuple[Rule, Marks]]:
        """The rules for a parameter, each with what its marks stand for.

        Several rules name the tensor twice: of tied weights, or in files of another version.
        """
        for rule in self.rules:
            marks = rule.target.match(name)
            if marks is not None:
                yield rule, marks


def shape_of(rule: Rule, names: Sequence[str], shapes: Shapes) -> tuple[int, ...]:
    """The shape that a rule makes of the tensors with these names.

    Raises:
        ValueError: it cannot be applied to their shapes.
    """
    assert rule.source is not None
    parts = [c.apply(_empty_view(shapes[n])) for n, c in zip(names, rule.source.chains, strict=True)]
    return _concatenate_shapes([p.shape for p in parts], rule)


def fits(rule: Rule, names: Sequence[str], weight: Weight, shapes: Shapes) -> bool:
    """Whether a rule makes the shape of a parameter of the tensors with these names."""
    try:
        return shape_of(rule, names, shapes) == weight.shape
    except ValueError:
        return False


def _empty_view(shape: tuple[int, ...]) -> Array:
    """An array of a shape that takes one byte of memory, to find out what shape steps make of it."""
    import numpy as np

    return np.broadcast_to(np.zeros((), bool), shape)


def _concatenate_shapes(shapes: Sequence[tuple[int, ...]], rule: Rule) -> tuple[int, ...]:
    """The shape of parts joined along the axis of a rule."""
    if len(shapes) == 1:
        return shapes[0]
    assert rule.source is not None
    axis, rank = rule.source.axis, len(shapes[0])
    if not -rank <= axis < rank:
        raise ValueError(f"{list(shapes[0])} has no axis {axis}")
    axis %= rank
    rests = {(*s[:axis], *s[axis + 1 :]) for s in shapes}
    if len(rests) > 1:
        raise ValueError(f"{' and '.join(str(list(s)) for s in shapes)} cannot be joined along axis {axis}")
    return (*shapes[0][:axis], sum(s[axis] for s in shapes), *shapes[0][axis + 1 :])


def named_by_rules(weights: Mapping[str, Weight]) -> dict[str, Weight]:
    """The weights that rules speak of: one that follows another begins as that one."""
    return {name: weight for name, weight in weights.items() if weight.follows is None}
