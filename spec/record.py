"""Records: small values of named fields, which nobody changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from operator import attrgetter
from typing import TypeVar, dataclass_transform

T = TypeVar("T")
Methods = dict[str, Callable[..., object]]


@dataclass_transform(frozen_default=True)
def record(kind: type[T]) -> type[T]:
    """A dataclass with equality and a hash, which the type checker holds frozen.

    `dataclass` compiles the methods of each class from text, four or seven of them, when it is defined. Here it compiles none:
    `__init__` is compiled when the first instance is made, and the others are the same few functions for all. `mai check` imports
    two hundred classes, and makes instances of half of them.
    """
    return _completed(dataclass(slots=True, init=False, eq=False, repr=False)(kind))


@dataclass_transform(frozen_default=True)
def open_record(kind: type[T]) -> type[T]:
    """The same for a class whose base has attributes of its own, or that caches properties."""
    return _completed(dataclass(init=False, eq=False, repr=False)(kind))


def _completed(kind: type[T]) -> type[T]:
    """The class with equality, hash, text and `__init__` by its fields, but for methods of its own."""
    for name, method in _comparing(fields(kind)).items():  # type: ignore[arg-type]
        if vars(kind).get(name) is None:
            setattr(kind, name, method)
    return with_init(kind)


def with_init(kind: type[T]) -> type[T]:
    """A dataclass without an `__init__` of its own, with that of its fields, which is compiled at the first call."""
    if vars(kind).get("__init__") is None:
        kind.__init__ = _first_call(kind)  # type: ignore[method-assign]
    return kind


def _comparing(written: tuple[Field[object], ...]) -> Methods:
    """Methods by the values of those fields that count."""
    names = [field.name for field in written if field.compare]
    values = attrgetter(*names) if names else type

    def equal(self: object, other: object) -> bool:
        return values(self) == values(other) if self.__class__ is other.__class__ else NotImplemented

    def hashed(self: object) -> int:
        return hash(values(self))

    return {"__eq__": equal, "__hash__": hashed, "__repr__": _shown}


def _first_call(kind: type) -> Callable[..., None]:
    """An `__init__` that compiles the one of the fields, which stands in its place from then on."""

    def initialise(self: object, *arguments: object, **named: object) -> None:
        compiled = _compiled(kind)
        kind.__init__ = compiled  # type: ignore[misc]
        compiled(self, *arguments, **named)

    return initialise


def _compiled(kind: type) -> Callable[..., None]:
    """`__init__` as `dataclass` writes it: the fields in their order, those that are named alone at the end."""
    written = [field for field in fields(kind) if field.init]
    defaults: dict[str, object] = {"MISSING": MISSING}
    for field in written:
        defaults |= {f"{field.name}_": field.default, f"{field.name}_factory": field.default_factory}
    places = [_parameter(field) for field in written if not field.kw_only]
    names = [_parameter(field) for field in written if field.kw_only]
    lines = [f"self.{field.name} = {_value(field)}" for field in written]
    lines += ["self.__post_init__()"] if hasattr(kind, "__post_init__") else []
    head = ", ".join(["self", *places, *(["*"] if names else []), *names])
    namespace: dict[str, Callable[..., None]] = {}
    exec(f"def __init__({head}):\n " + "\n ".join(lines or ["pass"]), defaults, namespace)
    compiled = namespace["__init__"]
    compiled.__qualname__ = f"{kind.__qualname__}.__init__"
    return compiled


def _parameter(field: Field[object]) -> str:
    if field.default is MISSING and field.default_factory is MISSING:
        return field.name
    return f"{field.name}={field.name}_" if field.default is not MISSING else f"{field.name}=MISSING"


def _value(field: Field[object]) -> str:
    if field.default_factory is MISSING:
        return field.name
    return f"{field.name}_factory() if {field.name} is MISSING else {field.name}"


def _shown(self: object) -> str:
    shown = ", ".join(f"{field.name}={getattr(self, field.name)!r}" for field in fields(self) if field.repr)  # type: ignore[arg-type]
    return f"{type(self).__qualname__}({shown})"
