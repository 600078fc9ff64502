"""What a value of a setting has to be, by its annotation: `float | None`, `Literal["train", "test"]`, `tuple[float, float]`.

The language has one kind of number: `1e3` is a whole number, and 2 is a real one. `true` is neither.
"""

from __future__ import annotations

import math
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

WORDS = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", tuple: "a list"}


class Wrong(Exception):
    """A value is not what a setting takes.

    Attributes:
        words: what it has to be, after the setting's name: "is a whole number".
        texts: those that it may be, if it is one of a few.
    """

    def __init__(self, words: str, texts: tuple[str, ...] = ()) -> None:
        super().__init__(words)
        self.words, self.texts = words, texts


def converted(value: object, kind: Any) -> object:
    """The value as one of the annotated kind: 2 is 2.0 where a real number is asked for. Raises `Wrong`."""
    origin = get_origin(kind)
    if origin in (UnionType, Union):  # A `Literal[...] | None` is the latter.
        return _one_of(value, get_args(kind))
    if origin is Literal:
        return _named(value, get_args(kind))
    if origin is tuple:
        return _list(value, get_args(kind))
    return _number(value, kind) if kind in (int, float) else _instance(value, kind)


def _one_of(value: object, kinds: tuple[Any, ...]) -> object:
    if value is None and NoneType in kinds:
        return None
    kinds = tuple(kind for kind in kinds if kind is not NoneType)
    if len(kinds) == 1:
        return converted(value, kinds[0])
    fitting = [kind for kind in kinds if isinstance(value, get_origin(kind) or kind)]
    if not fitting:
        raise Wrong(f"is {' or '.join(map(_in_words, kinds))}")
    return converted(value, fitting[0])


def _in_words(kind: Any) -> str:
    """What a value of a kind is; a call, where it is a model of settings."""
    kind = get_origin(kind) or kind
    name = getattr(kind, "name", "")
    return WORDS.get(kind) or (f"{name}(...)" if name else "something else")


def _named(value: object, texts: tuple[str, ...]) -> object:
    if value in texts:
        return value
    raise Wrong(f"is {', '.join(texts[:-1])} or {texts[-1]}", texts)


def _list(value: object, kinds: tuple[Any, ...]) -> object:
    """`tuple[float, float]` is a list of two, `tuple[str, ...]` one of any length."""
    if not isinstance(value, tuple):
        raise Wrong("is a list")
    if kinds[-1] is ...:
        kinds = kinds[:1] * len(value)
    elif len(value) > len(kinds):
        raise Wrong(f"has {len(kinds)} values")
    elif len(value) < len(kinds):
        raise Wrong("lacks a value")
    return tuple(map(converted, value, kinds))


def _number(value: object, kind: type[int] | type[float]) -> object:
    if isinstance(value, bool) or not isinstance(value, int if kind is int else (int, float)):
        raise Wrong(f"is {WORDS[kind]}")
    if isinstance(value, float) and not math.isfinite(value):
        raise Wrong("is finite")
    try:
        return kind(value)
    except OverflowError as error:
        raise Wrong(f"is {WORDS[kind]}") from error


def _instance(value: object, kind: type) -> object:
    if isinstance(value, kind):
        return value
    raise Wrong(f"is {WORDS.get(kind, 'something else')}")
