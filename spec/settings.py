"""What the settings of a file are made of: calls as data, models that judge them, and a choice among models by name.

The models themselves stand with what they configure: sources in `compiler/data/sources`, optimizers and schedules in
`compiler/training`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import field
from typing import (
    Annotated,
    Any,
    ClassVar,
    Literal,
    NoReturn,
    Self,
    dataclass_transform,
    get_args,
    get_origin,
    get_type_hints,
)

from mai.spec.record import record
from mai.spec.setting_types import Wrong, converted
from mai.spec.source import Span

MANY = 10**9
NEEDED = object()
"""The default of a setting that has none."""


@record
class Configuration:
    """A call that configures: `adamw(lr = 1e-3)`, as data. Values are numbers, texts, lists and configurations."""

    name: str
    positional: tuple[object, ...]
    named: Mapping[str, object]
    span: Span
    spans: Mapping[str, Span] = field(default_factory=dict)
    name_spans: Mapping[str, Span] = field(default_factory=dict)
    positional_spans: tuple[Span, ...] = ()


BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool]]] = {
    "gt": ("is more than", operator.gt), "ge": ("is at least", operator.ge),
    "lt": ("is below", operator.lt), "le": ("is at most", operator.le),
}  # fmt: skip


@record
class Limits:
    """A default, or what makes it, and the bounds of a number by their names in `BOUNDS`."""

    default: object
    default_factory: Callable[[], object] | None
    bounds: Mapping[str, float]

    def check(self, number: object) -> None:
        """Raise `Wrong` for a number that is outside."""
        for name, bound in self.bounds.items():
            words, holds = BOUNDS[name]
            if not holds(number, bound):
                raise Wrong(f"{words} {shown(bound)}")


def setting(*, default: object = NEEDED, default_factory: Callable[[], object] | None = None, **bounds: float) -> Any:
    """A setting with bounds: `lr: float = setting(default=1e-3, gt=0)`; it may be gt, ge, lt, le."""
    return Limits(default, default_factory, bounds)


@record
class Field:
    """A setting of a model: the type of its value, the rest of the annotation, and its limits."""

    kind: Any
    metadata: tuple[object, ...]
    limits: Limits

    @property
    def default(self) -> object:
        """What it is where a file does not say it; `NEEDED` where a file has to."""
        return self.limits.default if self.limits.default_factory is None else self.limits.default_factory()

    def read(self, value: object) -> object:
        """The value as this setting has it. Raises `Wrong`."""
        result = converted(value, self.kind)
        if result is not None:
            self.limits.check(result)
            for check in filter(callable, self.metadata):
                check(result)
        return result


@record
class Problem:
    """What is wrong with a setting, in words that go on after its name, or after that of the model if it has none."""

    kind: Literal["unknown", "missing", "value", "model"]
    setting: str
    words: str = ""
    texts: tuple[str, ...] = ()


class SettingsError(ValueError):
    """All that is wrong with the settings of a model."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{p.setting} {p.words or p.kind}" for p in problems))
        self.problems = problems


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(setting,))
class Settings:
    """A model of settings: annotated attributes, with their defaults. Nothing else may be set, and nothing changed.

    A callable in an annotation, `Annotated[tuple[float, float], check]`, raises `Wrong` for a value that it does not like.

    Attributes:
        refused: settings of a base class that this one does not take, each with what is to be done instead.
    """

    name: ClassVar[str] = ""
    refused: ClassVar[Mapping[str, str]] = {}
    instead: ClassVar[Mapping[str, str]] = {}
    """By setting, what is meant by a number where it takes none."""

    def __init__(self, /, **values: object) -> None:
        """Settings by name. Raises `SettingsError`."""
        read, problems = _read(type(self), values)
        vars(self).update(read)
        words = None if problems else self._refusal() or self.misfit()
        if words is not None:
            problems = [Problem("model", "", words)]
        if problems:
            raise SettingsError(tuple(problems))

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """Settings from values that are not known to be right. Raises `SettingsError`."""
        return cls(**values)

    def but(self, **values: object) -> Self:
        """The same with some settings at other values, which are known to be right."""
        other = copy(self)
        vars(other).update(values)
        return other

    def misfit(self) -> str | None:
        """Why settings that are valid one by one do not go together, in words that follow the model's name in the message."""
        return None

    def _refusal(self) -> str | None:
        """Why a setting is not taken at all, as `misfit` says it."""
        said = (name for name in self.refused if getattr(self, name) != fields(type(self))[name].default)
        return next((f"takes no `{name}`: {self.refused[name]}" for name in said), None)

    def as_dict(self) -> dict[str, object]:
        """The settings by name, those of a model among them, too."""
        return {name: _as_data(value) for name, value in vars(self).items()}

    @classmethod
    def call_for(cls, path: str) -> str | None:
        """The call that reads a file, for whoever wrote its path alone; None where this model reads no such file."""
        return None

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"`{name}` of {type(self).__name__} is fixed")

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(self) is type(other) else NotImplemented

    def __hash__(self) -> int:
        return hash((type(self), *vars(self).values()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in vars(self).items())})"


def _as_data(value: object) -> object:
    if isinstance(value, tuple):
        return tuple(map(_as_data, value))
    return value.as_dict() if isinstance(value, Settings) else value


def _read(model: type[Settings], values: Mapping[str, object]) -> tuple[dict[str, object], list[Problem]]:
    """The values of all settings of a model, and what is wrong with those that are given."""
    read: dict[str, object] = {}
    problems: list[Problem] = []
    for name, own in fields(model).items():
        if name not in values:
            read[name] = own.default
            problems += [Problem("missing", name)] if own.default is NEEDED else []
            continue
        try:
            read[name] = own.read(values[name])
        except Wrong as wrong:
            problems.append(Problem("value", name, wrong.words, wrong.texts))
    return read, problems + [Problem("unknown", name) for name in values if name not in fields(model)]


FIELDS: dict[type[Settings], dict[str, Field]] = {}
"""Those of the models that were asked for so far."""


def fields(model: type[Settings]) -> dict[str, Field]:
    """The settings of a model by name, those of its bases first."""
    if model not in FIELDS:
        hints = get_type_hints(model, include_extras=True)
        own = {name: hint for name, hint in hints.items() if get_origin(hint) is not ClassVar}
        FIELDS[model] = {name: _field(model, name, hint) for name, hint in own.items()}
    return FIELDS[model]


def taken(model: type[Settings]) -> dict[str, Field]:
    """The settings that may be written, by name."""
    return {name: own for name, own in fields(model).items() if name not in model.refused}


def _field(model: type[Settings], name: str, hint: Any) -> Field:
    kind, *metadata = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    default = getattr(model, name, NEEDED)
    limits = default if isinstance(default, Limits) else Limits(default, None, {})
    return Field(kind, tuple(metadata), limits)


@record
class Choice:
    """Marks a setting whose value is one of several models, written as a call: `optimizer = adamw(lr = 1e-3)`.

    Args:
        models: the models by name.
        usual: the one that help names first where several have a setting.
        or_text: whether what is no call, as a plain text, is a value of the setting, too.
        many: whether the value is a list of such calls; one call is a list of one.
    """

    models: Mapping[str, type[Settings]]
    usual: str = ""
    or_text: bool = False
    many: bool = False


def choices(model: type[Settings]) -> dict[str, Choice]:
    """The settings of a model that are choices."""
    return {name: mark for name, own in fields(model).items() for mark in own.metadata if isinstance(mark, Choice)}


def shown(value: object) -> str:
    """A value as the language writes it."""
    if isinstance(value, Configuration):
        return f"`{value.name}(...)`" if value.positional or value.named else f"`{value.name}()`"
    if isinstance(value, tuple):
        return f"[{', '.join(shown(v) for v in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
