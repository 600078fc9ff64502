"""Reads the calls that configure: mistakes are reported at the argument at fault."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeVar

from mai.spec.diagnostics import Edit, Reporter
from mai.spec.diagnostics.edit import meant, meant_among, put
from mai.spec.record import record
from mai.spec.settings import Configuration, Problem, Settings, SettingsError, choices, fields, shown
from mai.spec.source import Span

Model = TypeVar("Model", bound=Settings)
Others = Iterable[tuple[str, type[Settings]]]


@record
class Arguments:
    """The arguments of a call by field name, and where each stands; `what` is the callee in words, `others` are as of `read_settings`."""

    values: dict[str, object]
    spans: dict[str, Span]
    name_spans: Mapping[str, Span]
    what: str
    head: Span
    others: Others = ()


def read_settings(
    model: type[Model], call: Configuration, what: str, head: Span, report: Reporter, others: Others = ()
) -> Model | None:
    """A model from the arguments of a call; errors are reported at the argument at fault, all at once.

    Args:
        what: the callee in words, as in "`adamw` has no setting `lrr`".
        head: where errors of the call as a whole are reported.
        others: calls that a setting may have been meant for, each in words, as in "the source: `table({} = ...)`".
    """
    arguments = _arguments(model, call, what, head, report)
    if arguments is None:
        return None
    arguments = replace(arguments, others=others)
    sound = _read_choices(model, arguments, report)
    settings = _validated(model, arguments, report)
    return settings if sound else None


def read_choice(
    value: object, span: Span, kind: str, models: Mapping[str, type[Model]], report: Reporter, others: Others = ()
) -> Model | None:
    """The model that a call names: `adamw(lr = 1e-3)`, or `cosine` alone. `kind` is what is chosen, `optimizer` say; `others` as of `read_settings`."""
    call = Configuration(value, (), {}, span) if isinstance(value, str) else value
    if not isinstance(call, Configuration):
        article = "an" if kind[0] in "aeiou" else "a"
        message = f"{article} {kind} is needed here, this is {shown(value)}"
        report.error("bad-setting", span, message, help=_there_are(models))
        return None
    model = models.get(call.name)
    if model is None:
        at = replace(span, start=call.span.start, end=call.span.start + len(call.name)) if call is value else span
        message = f"there is no {kind} `{call.name}`"
        report.error(UNKNOWN.get(kind, "bad-setting"), at, message, help=_meant(call.name, at, models))
        return None
    return read_settings(model, call, f"`{call.name}`", call.span, report, others)


UNKNOWN = {
    "optimizer": "unknown-optimizer",
    "schedule": "unknown-schedule",
    "source": "unknown-source",
    "tokenizer": "unknown-tokenizer",
    "split": "unknown-split",
    "sample": "unknown-sample",
}


def _read_choices(model: type[Settings], arguments: Arguments, report: Reporter) -> bool:
    """Replace the calls among the arguments by the models that they name; whether all of them could be."""
    sound = True
    for kind, choice in choices(model).items():
        if kind not in arguments.values or (choice.or_text and isinstance(arguments.values[kind], str)):
            continue
        value, span = arguments.values.pop(kind), arguments.spans[kind]
        noun = kind.removesuffix("s") if choice.many else kind
        calls = value if choice.many and isinstance(value, tuple) else (value,)
        chosen = [
            call
            if choice.or_text and not isinstance(call, Configuration)
            else read_choice(call, span, noun, choice.models, report)
            for call in calls
        ]
        if None in chosen:
            sound = False
        else:
            arguments.values[kind] = tuple(chosen) if choice.many else chosen[0]
    return sound


def _meant(name: str, at: Span, models: Mapping[str, type[Settings]]) -> str | Edit:
    """What an unknown name was meant to be; a path in quotes is meant to be read: `table("data.csv")`."""
    if name.startswith('"'):
        calls = (model.call_for(name.strip('"')) for model in models.values())
        call = next(filter(None, calls), None)
        if call is not None:
            return put(at, call)
    last = name.rpartition(".")[2]  # of `optim.adamw`
    guess = meant(at, last) if last in models else meant_among(at, last, models)
    return guess or _there_are(models)


def _there_are(models: Mapping[str, type[Settings]]) -> str:
    return f"there are {', '.join(models)}"


def _arguments(model: type[Settings], call: Configuration, what: str, head: Span, report: Reporter) -> Arguments | None:
    """Arguments by field name: those without a name are the first fields, in their order."""
    names = list(fields(model))
    if len(call.positional) > len(names):
        at = call.positional_spans[len(names)] if call.positional_spans else head
        report.error("too-many-arguments", at, f"{what} takes {_count(len(names))}, here are {len(call.positional)}")
        return None
    first = dict(zip(names, call.positional, strict=False))
    twice = [name for name in first if name in call.named]
    for name in twice:
        written = call.positional_spans[names.index(name)].text if call.positional_spans else "the first value"
        place = f"`{written}` has no name, and is taken for `{name}`: write the name that is meant before it"
        report.error(
            "duplicate-argument", call.name_spans.get(name, head), f"{what} is given `{name}` twice", help=place
        )
    values = {name: _plain(value) for name, value in {**first, **call.named}.items()}
    spans = {**dict(zip(names, call.positional_spans, strict=False)), **call.spans}
    return None if twice else Arguments(values, spans, call.name_spans, what, head)


def _count(number: int) -> str:
    return f"{number} setting{'s' if number != 1 else ''}" if number else "no settings"


def _plain(value: object) -> object:
    """The value as models take it: `1e3` is a whole number, and a list is as long as it is."""
    if isinstance(value, list):
        return tuple(_plain(v) for v in value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _validated(model: type[Model], arguments: Arguments, report: Reporter) -> Model | None:
    try:
        return model.of(arguments.values)
    except SettingsError as error:
        for problem in error.problems:
            _report_problem(problem, model, arguments, report)
        return None


def _report_problem(problem: Problem, model: type[Settings], arguments: Arguments, report: Reporter) -> None:
    """A problem as a diagnostic at the argument that it is about."""
    name, what = problem.setting, arguments.what
    if problem.kind == "unknown":
        at = arguments.name_spans.get(name, arguments.head)
        report.error(
            "unknown-setting", at, f"{what} has no setting `{name}`", help=_remedy(name, at, model, arguments.others)
        )
    elif problem.kind == "missing":
        report.error("missing-setting", arguments.head, f"{what} needs `{name}`")
    elif problem.kind == "model":
        report.error("bad-setting", arguments.head, f"{what} {problem.words}")
    else:
        _report_bad_value(problem, model, arguments, report)


def _remedy(name: str, at: Span, model: type[Settings], others: Others) -> str | Edit:
    """What an unknown setting was meant to be: a field, a setting of the optimizer or schedule, of another call, or one of a list."""
    from mai.spec.diagnostics.synonyms import setting_meant, synonym

    guess = setting_meant(at, name, fields(model))
    if guess:
        return guess
    for kind, choice in choices(model).items():
        usual = [choice.models[choice.usual]] if choice.usual else []
        for chosen in (*usual, *reversed(list(choice.models.values()))):
            own = name if name in fields(chosen) else synonym(name, fields(chosen))
            if own is not None:
                return f"it belongs to the {kind}: `{kind} = {chosen.name}({own} = ...)`"
    for words, other in others:
        if name in fields(other):
            return f"it belongs to {words.format(name)}"
    return f"there are {', '.join(fields(model))}" if fields(model) else f"`{model.name}` takes none"


def _report_bad_value(problem: Problem, model: type[Settings], arguments: Arguments, report: Reporter) -> None:
    """A value outside its range or of the wrong kind: expected and found side by side."""
    value = arguments.values[problem.setting]
    message = f"`{problem.setting}` of {arguments.what} {problem.words}, this is {shown(value)}"
    at = arguments.spans.get(problem.setting, arguments.head)
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    help = meant_among(at, value, problem.texts) if isinstance(value, str) else None
    help = model.instead.get(problem.setting) if is_number else help
    report.error("bad-setting", at, message, help=help)
