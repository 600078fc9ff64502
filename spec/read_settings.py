"""Reads the calls that configure: pydantic's complaints become diagnostics at the argument at fault."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from mai.spec.diagnostics import Reporter
from mai.spec.diagnostics.suggest import closest
from mai.spec.settings import OPTIMIZERS, SCHEDULES, SOURCES, TOKENIZERS, Configuration, Settings, Source, TrainSettings
from mai.spec.source import Span

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Model = TypeVar("Model", bound=Settings)
READERS = {".csv": "csv({})", ".npz": "npz({})", ".onnx": "export({})", ".txt": "text(bytes, {})"}  # by a file's suffix
CHOICES: dict[str, tuple[str, dict[str, type[Settings]]]] = {
    "optimizer": ("unknown-optimizer", OPTIMIZERS),
    "schedule": ("unknown-schedule", SCHEDULES),
    "tokenizer": ("unknown-tokenizer", TOKENIZERS),
}


@dataclass(frozen=True, slots=True)
class Given:
    """The arguments of a call by field name, and where each stands; `what` is the callee in words."""

    values: dict[str, Any]
    spans: dict[str, Span]
    name_spans: Mapping[str, Span]
    what: str
    head: Span


def read_train_settings(call: Configuration, head: Span, report: Reporter) -> TrainSettings | None:
    """Settings from what a train block's head says; errors are told at the argument at fault, all at once."""
    given = _given(TrainSettings, call, "a train block", head, report)
    if given is None:
        return None
    sound = _choices_made(given, report)
    settings = _validated(TrainSettings, given, report)
    return settings if sound else None


def _choices_made(given: Given, report: Reporter) -> bool:
    """Settings that are calls of their own become models; whether all of them could. A tokenizer may be a plain name."""
    sound = True
    for kind in CHOICES.keys() & given.values.keys():
        if kind == "tokenizer" and isinstance(given.values[kind], str):
            continue
        slug, models = CHOICES[kind]
        made = _chosen(given.values.pop(kind), given.spans[kind], kind, slug, models, report)
        sound = sound and made is not None
        if made is not None:
            given.values[kind] = made
    return sound


def read_source(call: Configuration, report: Reporter) -> Source | None:
    """A data source from its call."""
    made = _chosen(call, call.span, "source", "unknown-source", SOURCES, report)
    return made if isinstance(made, Source) else None


def _chosen(
    value: object, span: Span, kind: str, slug: str, models: Mapping[str, type[Settings]], report: Reporter
) -> Settings | None:
    """A model by the name of a call: `adamw(lr = 1e-3)`, or `cosine` alone."""
    call = Configuration(value, (), {}, span) if isinstance(value, str) else value
    there_are = f"there are {', '.join(models)}"
    if not isinstance(call, Configuration):
        article = "an" if kind[0] in "aeiou" else "a"
        report.error("bad-setting", span, f"{article} {kind} is needed here, this is {_shown(value)}", help=there_are)
        return None
    model = models.get(call.name)
    if model is None:
        guess, reads = closest(call.name, models), _read_by(call.name)
        at = replace(span, start=call.span.start, end=call.span.start + len(call.name)) if call is value else span
        help = f"write `{reads}`" if reads else f"did you mean `{guess}`?" if guess else there_are
        report.error(slug, at, f"there is no {kind} `{call.name}`", help=help)
        return None
    given = _given(model, call, f"`{call.name}`", call.span, report)
    if given is None:
        return None
    sound = _choices_made(given, report)
    made = _validated(model, given, report)
    return made if sound else None


def _read_by(name: str) -> str | None:
    """A source's call, where only the file that it would read is written: `csv("data.csv")`."""
    source = READERS.get(PurePosixPath(name.strip('"')).suffix) if name.startswith('"') else None
    return source.format(name) if source else None


def _given(model: type[Settings], call: Configuration, what: str, head: Span, report: Reporter) -> Given | None:
    """Arguments by field name: those without a name are the first fields, in their order."""
    fields = list(model.model_fields)
    if len(call.positional) > len(fields):
        at = call.positional_spans[len(fields)] if call.positional_spans else head
        report.error("too-many-arguments", at, f"{what} takes {_count(len(fields))}, here are {len(call.positional)}")
        return None
    first = dict(zip(fields, call.positional, strict=False))
    twice = [name for name in first if name in call.named]
    for name in twice:
        report.error("duplicate-argument", call.name_spans.get(name, head), f"{what} is given `{name}` twice")
    values = {name: _plain(value) for name, value in {**first, **call.named}.items()}
    spans = {**dict(zip(fields, call.positional_spans, strict=False)), **call.spans}
    return None if twice else Given(values, spans, call.name_spans, what, head)


def _count(number: int) -> str:
    return f"{number} setting{'s' if number != 1 else ''}" if number else "no settings"


def _plain(value: object) -> object:
    """The value as pydantic's strict models take it: `1e3` is a whole number, and a list is as long as it should be."""
    if isinstance(value, list):
        return tuple(_plain(v) for v in value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _validated(model: type[Model], given: Given, report: Reporter) -> Model | None:
    try:
        return model.model_validate(given.values)
    except ValidationError as error:
        for problem in error.errors():
            _tell(problem, model, given, report)
        return None


def _tell(problem: ErrorDetails, model: type[Settings], given: Given, report: Reporter) -> None:
    """One pydantic error as a diagnostic at the argument that it is about."""
    kind, place = problem["type"], problem["loc"]
    name = str(place[0]) if place else ""
    if kind == "extra_forbidden":
        at = given.name_spans.get(name, given.head)
        report.error("unknown-setting", at, f"{given.what} has no setting `{name}`", help=_remedy(name, model))
    elif kind == "missing" and len(place) == 1:
        report.error("missing-setting", given.head, f"{given.what} needs `{name}`")
    elif not name:
        report.error("bad-setting", given.head, f"{given.what} {problem['ctx']['error']}")
    else:
        _tell_bad(problem, name, given, report)


def _remedy(name: str, model: type[Settings]) -> str:
    """What an unknown setting was meant to be: a field, a setting of the optimizer or schedule, or one of a list."""
    guess = closest(name, model.model_fields)
    if guess:
        return f"did you mean `{guess}`?"
    for kind in CHOICES.keys() & model.model_fields.keys():
        for choice in reversed(CHOICES[kind][1].values()):
            if name in choice.model_fields:
                return f"it belongs to the {kind}: `{kind} = {choice.name}({name} = ...)`"
    return f"there are {', '.join(model.model_fields)}" if model.model_fields else f"`{model.name}` takes none"


WORDS = {
    "greater_than": "is more than {gt}",
    "greater_than_equal": "is at least {ge}",
    "less_than": "is below {lt}",
    "less_than_equal": "is at most {le}",
    "int_type": "is a whole number",
    "int_from_float": "is a whole number",
    "float_type": "is a number",
    "bool_type": "is true or false",
    "string_type": "is a text",
    "tuple_type": "is a list",
    "missing": "lacks a value",
    "too_long": "has {max_length} values",
    "finite_number": "is finite",
    "literal_error": "is {expected}",
    "value_error": "{error}",
}


def _tell_bad(problem: ErrorDetails, name: str, given: Given, report: Reporter) -> None:
    """A value outside its range or of the wrong kind: expected and found side by side."""
    context = {key: _shown(value) for key, value in problem.get("ctx", {}).items()}
    words = WORDS.get(problem["type"], "is something else").format_map(context).replace("'", "")
    value = given.values[name]
    guess = closest(value, re.findall(r"'(\w+)'", context.get("expected", ""))) if isinstance(value, str) else None
    message = f"`{name}` of {given.what} {words}, this is {_shown(value)}"
    help = f"did you mean `{guess}`?" if guess else None
    report.error("bad-setting", given.spans.get(name, given.head), message, help=help)


def _shown(value: object) -> str:
    """A value as the language writes it."""
    if isinstance(value, Configuration):
        return f"`{value.name}(...)`" if value.positional or value.named else f"`{value.name}()`"
    if isinstance(value, tuple):
        return f"[{', '.join(_shown(v) for v in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return f"{value:,}" if isinstance(value, int) else str(value)
