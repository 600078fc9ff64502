"""Settings: of a train block, an optimizer, a source, a solver; and the calls that a character is in."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import get_args, get_origin

from mai.compiler.editor.names import Symbol
from mai.compiler.editor.view import View, prelude_symbols
from mai.compiler.elaborate.functions.function_reference import SETTINGS
from mai.compiler.elaborate.functions.registered import LISTED
from mai.compiler.solvers import DEFAULTS, SOLVERS
from mai.compiler.training.settings import CHECKPOINTS, KEPT, TrainSettings
from mai.spec import ast
from mai.spec.record import record
from mai.spec.settings import NEEDED, Field, Settings, fields
from mai.spec.settings import shown as shown_value
from mai.spec.source import Span

TRAIN = "train"
_WITH_PARAMETERS = ("layer", "net", "export")
_OPEN = re.compile(r'#[^\n]*|"[^"\n]*"?|[()\[\]{}]|,')
_CALLEE = re.compile(r"(?:^(train|claim|layer|net|export)[ \t]+)?(\w+)[ \t]*\Z", re.MULTILINE)
CLAIM_SETTINGS = {"count": "how many examples are drawn", "seeds": "how many seeds are tried"}


@record
class Open:
    """A call that is not closed yet: its name, the parts of it that are written, the last as far as it is."""

    name: str
    parts: tuple[str, ...]


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
            return Open(callee[1] or callee[2], tuple(text[s:e].strip() for s, e in zip(starts, ends, strict=True)))
    return None


def model_of(name: str) -> type[Settings] | None:
    """The model of what configures: a train block, a source, an optimizer, a schedule, a split."""
    if name == TRAIN:
        return TrainSettings
    models: list[Mapping[str, type[Settings]]] = [registry for _, registry in SETTINGS.values()]
    return next((m[name] for m in [*models, KEPT, CHECKPOINTS] if name in m), None)


def arguments_of(name: str, sight: Mapping[str, Symbol]) -> dict[str, str]:
    """The names that a call takes, each with what is said of it."""
    symbol = sight.get(name) or prelude_symbols().get(name)
    if symbol is not None and isinstance(symbol.node, ast.Function):
        return {p.name.id: " ".join(p.span.text.split()) for p in symbol.node.parameters}
    model = model_of(name)
    if model is not None:
        return {setting: setting_text(setting, own) for setting, own in fields(model).items()}
    if name == "claim":
        return dict(CLAIM_SETTINGS)
    if name in SOLVERS:
        return {o: f"{o} = {DEFAULTS[o]:g}" if o in DEFAULTS else o for o in SOLVERS[name].options}
    form = LISTED[name].form if name in LISTED else ""
    inner = form.partition("(")[2].rpartition(")")[0]
    return {
        re.split(r"[?=\s]", part.strip())[0]: part.strip()
        for part in inner.split(", ")
        if re.match(r"\w+\??( =.*)?$", part.strip())
    }


def setting_text(name: str, own: Field) -> str:
    """A setting with its kind, its default and its bounds."""
    default = "" if own.default is NEEDED else f" = {_default(own.default)}"
    bounds = ", ".join(f"{_SIGNS[sign]} {bound:g}" for sign, bound in own.limits.bounds.items() if abs(bound) < 1e9)
    return f"{name}: {_kind(own.kind)}{default}" + (f"  ({bounds})" if bounds else "")


_SIGNS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}


def _default(value: object) -> str:
    if value is None:
        return "none"
    return f"{value.name or type(value).__name__.lower()}()" if isinstance(value, Settings) else shown_value(value)


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
    """What is said of the setting whose name is at a character, `lr` of `adamw(lr = 1e-3)`."""
    text = view.source.text
    match = next(
        (m for m in re.finditer(r"\w+(?=\s*=(?!=))", _line(text, offset)[1]) if _covers(m, text, offset)), None
    )
    call = call_around(text, offset) if match is not None else None
    if match is None or call is None:
        return None
    model = model_of(call.name)
    if model is None or match[0] not in fields(model):
        return None
    begin = _line(text, offset)[0] + match.start()
    says = f"```mai\n{setting_text(match[0], fields(model)[match[0]])}\n```\n\n{about(model, match[0])}"
    return Span(view.source, begin, begin + len(match[0])), says


def about(model: type[Settings], name: str) -> str:
    """The sentences of a model that speak of a setting, else all of them."""
    says = " ".join((inspect.getdoc(model) or "").split())
    of_it = [s for s in re.split(r"(?<=\.)\s", says) if f"`{name}" in s]
    return " ".join(of_it) or says


def _line(text: str, offset: int) -> tuple[int, str]:
    begin = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    return begin, text[begin : end if end >= 0 else len(text)]


def _covers(match: re.Match[str], text: str, offset: int) -> bool:
    begin = _line(text, offset)[0]
    return begin + match.start() <= offset <= begin + match.end()
