"""Reads the words of a call in which nothing is out of the ordinary."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import Signature, signature
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from mai.runtime.command_line.markers import Argument, Option

NUMBERS: dict[type, re.Pattern[str]] = {int: re.compile(r"[0-9]+"), float: re.compile(r"[0-9]+(\.[0-9]+)?")}


class Unusual(Exception):
    """A word is unknown, lacking or wrong, or asks for help."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a verb: the type of one of its words, whether it takes several, and what its annotation says."""

    name: str
    kind: object
    many: bool
    required: bool
    marker: Argument | Option

    @property
    def flags(self) -> dict[str, bool]:
        """The names of an option, and what each means where it is true or false: `--step/--no-step`."""
        if not isinstance(self.marker, Option):
            return {}
        yes, _, no = (self.marker.name or f"--{self.name.replace('_', '-')}").partition("/")
        return {yes: True, no: False} if no else {yes: True}

    def value(self, word: str) -> object:
        """What a word stands for."""
        if self.kind in (str, Path) and word:
            return self.kind(word)
        if get_origin(self.kind) is Literal and word in get_args(self.kind):
            return word
        if self.kind in NUMBERS and NUMBERS[self.kind].fullmatch(word):
            return self._at_least(self.kind(word))
        raise Unusual

    def _at_least(self, number: float) -> float:
        least = self.marker.min if isinstance(self.marker, Option) else None
        if least is not None and number < least:
            raise Unusual
        return number


def read_plain(verb: Callable[..., None], words: Sequence[str]) -> dict[str, object] | None:
    """The arguments of a verb that the words give, by name; None where that is for typer to judge."""
    try:
        return _read(parameters_of(verb), iter(words))
    except Unusual:
        return None


def parameters_of(verb: Callable[..., None]) -> list[Parameter]:
    """The parameters of a verb, in their order."""
    hints = get_type_hints(verb, include_extras=True)
    return [
        _parameter(name, hints[name], p.default is Signature.empty) for name, p in signature(verb).parameters.items()
    ]


def _parameter(name: str, hint: Any, required: bool) -> Parameter:
    """`Annotated[list[Path] | None, Option(...)]` takes several paths."""
    kind, marker = get_args(hint)
    if get_origin(kind) in (UnionType, Union):
        (kind,) = (each for each in get_args(kind) if each is not NoneType)
    many = get_origin(kind) is list
    return Parameter(name, get_args(kind)[0] if many else kind, many, required, marker)


def _read(parameters: Sequence[Parameter], words: Iterator[str]) -> dict[str, object]:
    options = {flag: (p, meaning) for p in parameters for flag, meaning in p.flags.items()}
    places = [p for p in parameters if isinstance(p.marker, Argument)]
    values: dict[str, Any] = {}
    for word in words:
        parameter, value = _option(options, word, words) if word.startswith("-") else _place(places, word)
        if parameter.many:
            values.setdefault(parameter.name, []).append(value)
        else:
            values[parameter.name] = value
    if any(p.required and p.name not in values for p in parameters):
        raise Unusual
    return values


def _option(options: Mapping[str, tuple[Parameter, bool]], word: str, words: Iterator[str]) -> tuple[Parameter, object]:
    """The option that a word names, and its value: `--steps=10`, or the next word."""
    flag, equals, value = word.partition("=")
    if flag not in options:
        raise Unusual
    parameter, meaning = options[flag]
    if parameter.kind is bool:
        if equals:
            raise Unusual
        return parameter, meaning
    if not equals:
        value = next(words, "-")
        if value.startswith("-"):
            raise Unusual
    return parameter, parameter.value(value)


def _place(places: list[Parameter], word: str) -> tuple[Parameter, object]:
    """The parameter whose turn it is; the last may take all that is left."""
    if not places:
        raise Unusual
    parameter = places[0] if places[0].many else places.pop(0)
    return parameter, parameter.value(word)
