"""What the settings of a file are made of: calls as data, models that judge them, and a choice among models by name.

The models themselves stand with what they configure: sources in `compiler/data/sources`, optimizers and schedules in
`compiler/training`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from mai.spec.record import record
from mai.spec.source import Span

MANY = 10**9


@record
class Configuration:
    """A call that configures: `adamw(lr = 1e-3)`, as data. Values are numbers, texts, lists and configurations."""

    name: str
    positional: tuple[Any, ...]
    named: Mapping[str, Any]
    span: Span
    spans: Mapping[str, Span] = field(default_factory=dict)
    name_spans: Mapping[str, Span] = field(default_factory=dict)
    positional_spans: tuple[Span, ...] = ()


class Settings(BaseModel):
    """Settings are fixed, an unknown one is an error, and a text or `true` is no number.

    A model is built when a file first speaks of it: most files speak of few.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True, defer_build=True)
    name: ClassVar[str] = ""

    @classmethod
    def call_for(cls, path: str) -> str | None:
        """The call that reads a file, for whoever wrote its path alone; None where this model reads no such file."""
        return None


@record
class Choice:
    """Marks a field whose value is one of several models, written as a call: `optimizer = adamw(lr = 1e-3)`.

    Args:
        models: the models by name.
        usual: the one that help names first where several have a setting.
        or_text: whether a plain text is a value of the field, too.
    """

    models: Mapping[str, type[Settings]]
    usual: str = ""
    or_text: bool = False


def choices(model: type[Settings]) -> dict[str, Choice]:
    """The fields of a model that are choices."""
    marks = {name: field.metadata for name, field in model.model_fields.items()}
    return {name: mark for name, metadata in marks.items() for mark in metadata if isinstance(mark, Choice)}
