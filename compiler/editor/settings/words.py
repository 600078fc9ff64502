"""Settings: of a train block, an optimizer, a source, a solver; and the calls that a character is in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Literal, get_args, get_origin

from mai.compiler.editor.names import Symbol
from mai.compiler.editor.settings.meanings import CLAIM_SETTINGS, SOLVER_OPTIONS, TRAIN, meaning
from mai.compiler.editor.view import View, prelude_symbols
from mai.compiler.elaborate.functions.function_reference import SETTINGS, written_default
from mai.compiler.elaborate.functions.registered import listed
from mai.compiler.solvers import DEFAULTS, SOLVERS
from mai.compiler.training.settings import TrainSettings
from mai.spec import ast
from mai.spec.record import record
from mai.spec.reference import example_of_setting
from mai.spec.settings import NEEDED, Field, Settings, choices, fields, taken
from mai.spec.source import Span

_WITH_PARAMETERS = ("layer", "net", "export")
_OPEN = re.compile(r'#[^\n]*|"[^"\n]*"?|[()\[\]{}]|,')
_CALLEE = re.compile(r"(?:^(train|claim|layer|net|export)[ \t]+)?(\w+)[ \t]*\Z", re.MULTILINE)
_VALUE_OF = re.compile(r"(\w+)\s*=\s*\Z")
ARGUMENT = re.compile(r"(\w+)\s*=(?!=)")  # One that is given by its name.
_NAMED = re.compile(r"(\w+)\s*=(?!=)\s*(\w*)")  # `split = all`


@record
class Open:
    """A call that is not closed yet: its name, its parts, the last as far as it is written, and the setting that it is the value of."""

    name: str
    parts: tuple[str, ...]
    setting: str = ""


def call_around(text: str, offset: int) -> Open | None:
    """The innermost call whose brackets are open at a character."""
    begin = max(text.rfind("\n\n", 0, offset), 0)
    stack: list[tuple[str, list[int]]] = []
    for mark in _OPEN.finditer(text, begin, offset):
        sign = mark[0]
        if sign in "([{":
            stack.append((sign, [mark.end()]))
        elif sign in ")]}" and stack:
            stack.pop()
        elif sign == "," and stack:
            stack[-1][1].append(mark.end())
    for sign, starts in reversed(stack):
        if sign == "{":
            return None
        callee = _CALLEE.search(text[: starts[0] - 1], begin) if sign == "(" else None
        if callee is not None:
            if callee[1] in _WITH_PARAMETERS:
                return None
            ends = [*(s - 1 for s in starts[1:]), offset]
            parts = tuple(text[s:e].strip() for s, e in zip(starts, ends, strict=True))
            setting = _VALUE_OF.search(text[begin : callee.start()])
            return Open(callee[1] or callee[2], parts, (setting[1] or "") if setting else "")
    return None


@cache
def _by_setting() -> Mapping[str, Mapping[str, type[Settings]]]:
    """The models that may be the value of a setting, by its name: `schedule` has `linear`, which is a layer elsewhere."""
    configured: list[type[Settings]] = [TrainSettings, *SETTINGS["Data sources"][1].values()]
    models: dict[str, dict[str, type[Settings]]] = {}
    for setting, choice in ((s, c) for model in configured for s, c in choices(model).items()):
        models.setdefault(setting, {}).update(choice.models)
    return models


def model_of(call: Open) -> type[Settings] | None:
    """The model of what configures: a train block, a source, an optimizer, a schedule, a split."""
    if call.name == TRAIN:
        return TrainSettings
    here = _by_setting().get(call.setting, {})
    if call.name in here:
        return here[call.name]
    if call.name in prelude_symbols():
        return None
    models = [*(registry for _, registry in SETTINGS.values()), *_by_setting().values()]
    return next((m[call.name] for m in models if call.name in m), None)


def arguments_of(call: Open, sight: Mapping[str, Symbol]) -> dict[str, str]:
    """The names that a call takes, each with how it is written."""
    symbol = _called(call, sight)
    if symbol is not None and isinstance(symbol.node, ast.Function):
        return {p.name.id: " ".join(p.span.text.split()) for p in symbol.node.parameters}
    model, name = model_of(call), call.name
    if model is not None:
        return {setting: setting_text(setting, own) for setting, own in taken(model).items()}
    if name == "claim":
        return {setting: setting for setting in CLAIM_SETTINGS}
    if name in SOLVERS:
        return {option: option_text(option) for option in SOLVERS[name].options}
    form = listed()[name].form if name in listed() else ""
    inner = form.partition("(")[2].rpartition(")")[0]
    return {
        re.split(r"[?=\s]", part.strip())[0]: part.strip()
        for part in inner.split(", ")
        if re.match(r"\w+\??( =.*)?$", part.strip())
    }


def _called(call: Open, sight: Mapping[str, Symbol]) -> Symbol | None:
    """The function that is called, if the call configures nothing."""
    if call.name in _by_setting().get(call.setting, {}):
        return None
    return sight.get(call.name) or prelude_symbols().get(call.name)


def meaning_of(call: Open, name: str, sight: Mapping[str, Symbol]) -> str:
    """What an argument means, in a sentence, or of which function it is one."""
    model = model_of(call) if _called(call, sight) is None else None
    if model is not None:
        return meaning(model, name)
    if call.name == "claim":
        return CLAIM_SETTINGS[name]
    return SOLVER_OPTIONS[name] if call.name in SOLVERS else f"an argument of `{call.name}`"


def setting_text(name: str, own: Field) -> str:
    """A setting with its kind, its default and its bounds."""
    default = "" if own.default is NEEDED else f" = {_default(own.default)}"
    bounds = ", ".join(f"{_SIGNS[sign]} {bound:g}" for sign, bound in own.limits.bounds.items() if abs(bound) < 1e9)
    return f"{name}: {_kind(own.kind)}{default}" + (f"  ({bounds})" if bounds else "")


def option_text(option: str) -> str:
    """An option of a solver with its default."""
    return f"{option} = {written_default(DEFAULTS[option])}" if option in DEFAULTS else option


_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def _default(value: object) -> str:
    if value is None:
        return "none"
    return f"{value.name or type(value).__name__.lower()}()" if isinstance(value, Settings) else written_default(value)


def _kind(kind: object) -> str:
    if get_origin(kind) is tuple:
        return f"list of {' and '.join(dict.fromkeys(_kind(p) for p in get_args(kind) if p is not Ellipsis))}"
    if get_origin(kind) is not None:
        parts = [_kind(part) for part in get_args(kind) if part is not type(None)]
        return " or ".join(dict.fromkeys(parts))
    if isinstance(kind, type):
        return {"float": "real", "str": "text"}.get(kind.__name__, kind.__name__.lower())
    return str(kind)


def setting_at(view: View, offset: int) -> tuple[Span, str] | None:
    """What is said of the argument whose name, or whose value of one word, is at a character: `lr` of `adamw(lr = 1e-3)`."""
    text = view.source.text
    begin, line = _line(text, offset)
    for match in _NAMED.finditer(line):
        call = (
            call_around(text, begin + match.start()) if begin + match.start() <= offset <= begin + match.end() else None
        )
        said = _said_of(call, match[1], view.names.in_sight(view.around(offset))) if call is not None else None
        part = _part_at(match, offset - begin, call)
        if said is not None and part is not None:
            return Span(view.source, begin + match.start(part), begin + match.end(part)), said
    return None


def _part_at(match: re.Match[str], column: int, call: Open | None) -> int | None:
    """Whether a column is in the name, 1, or in the value, 2, which is no word of its own where a setting takes one of a few."""
    if match.start(1) <= column <= match.end(1):
        return 1
    model = model_of(call) if call is not None else None
    own = fields(model).get(match[1]) if model is not None else None
    return 2 if own is not None and match[2] in words_of(own) and match.start(2) <= column <= match.end(2) else None


def words_of(own: Field) -> list[str]:
    """The words that a setting may be, `crop`, `pad` or `stretch`, where it is one of a few."""
    return (
        [word for word in map(str, get_args(own.kind)) if word.isidentifier()]
        if get_origin(own.kind) is Literal
        else []
    )


def _said_of(call: Open, name: str, sight: Mapping[str, Symbol]) -> str | None:
    """What is said of an argument of a call by its name; None where it takes none that is called so."""
    forms = arguments_of(call, sight)
    if name not in forms:
        return None
    example = example_of_setting(call.name, name) if _called(call, sight) is None else None
    shown = f"\n\nFor example:\n\n```mai\n{example.code}\n```" if example is not None else ""
    return f"```mai\n{forms[name]}\n```\n\n{meaning_of(call, name, sight)}{shown}"


def _line(text: str, offset: int) -> tuple[int, str]:
    begin = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    return begin, text[begin : end if end >= 0 else len(text)]
