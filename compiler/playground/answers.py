"""What the page asks of the checker, answered in the browser's own Python: questions and answers are JSON, places are UTF-16 units.

It asks the same functions as `mai lsp` does; nothing that they load needs numpy, which is not there.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NotRequired, TypedDict

from mai.compiler.check import can_compute, needs_numbers
from mai.compiler.editor.completion import completions, signature
from mai.compiler.editor.convert import UNNECESSARY, place_and_words
from mai.compiler.editor.desk import Desk
from mai.compiler.editor.hover import hover
from mai.compiler.editor.meaning import Meaning, mended
from mai.compiler.editor.outline import hints, lenses
from mai.compiler.editor.places import characters, units
from mai.compiler.editor.view import View
from mai.spec.diagnostics import Diagnostic
from mai.spec.diagnostics.explain import explanation
from mai.spec.source import Span

Answer = dict[str, object]


class Question(TypedDict):
    """What the page sends: `ask` says what is asked, `path` and `text` of which text; the rest is of some questions alone."""

    ask: str
    path: str
    text: str
    at: NotRequired[int]  # A place in UTF-16 units.
    name: NotRequired[str]  # The new name of a thing.
    export: NotRequired[str]
    code: NotRequired[str]  # The slug of a mistake.


NO_NUMBERS = "Numbers that this text computes by itself are not looked at here, for want of numpy: `mai check` says whether they fit."
DESK = Desk()


def answer(asked: str) -> str:
    """The answer to a question: `ask` says which, `path` and `text` of what, `at` where."""
    question: Question = json.loads(asked)
    return json.dumps(ANSWERS[question["ask"]](question), ensure_ascii=False)


def _view(question: Question) -> View:
    """The text as it is now; it is read anew only where it was changed."""
    path, text = Path(question["path"]), question["text"]
    view = DESK.views.get(path)
    return view if view is not None and view.source.text == text else DESK.put(path, text, None)


def _asked(question: Question) -> tuple[View, int]:
    view = _view(question)
    return view, characters(view.source.text, question["at"])


def _check(question: Question) -> Answer:
    """All that is wrong, the shapes behind names, and what can be drawn."""
    view = _view(question)
    meaning, text = view.check(DESK.texts()), view.source.text
    return {
        "diagnostics": [_diagnostic(view, d) for d in meaning.diagnostics],
        "shapes": [{"at": units(text[: h.offset]), "text": h.text} for h in hints(view, 0, len(text))],
        "exports": list(meaning.program.exports) if meaning.program is not None else None,
        "lines": [lens.title for lens in lenses(view) if not lens.words],
        "notes": [NO_NUMBERS] if _has_unseen_numbers(meaning) else [],
    }


def _has_unseen_numbers(meaning: Meaning) -> bool:
    return meaning.program is not None and not can_compute() and needs_numbers(meaning.program)


def _mend(question: Question) -> Answer:
    """All that is wrong, with the edits that mend it: each was tried."""
    view = _view(question)
    return {
        "diagnostics": [
            _diagnostic(view, d) for d in mended(view.path, view.source, DESK.texts(), DESK.kept(view.path))
        ]
    }


def _diagnostic(view: View, d: Diagnostic) -> Answer:
    edit = d.edit if d.edit is not None and all(_is_of(view, c.span) for c in d.edit.changes) else None
    span, words = place_and_words(view, replace(d, help=None) if edit is not None else d)
    changes = [{**place(c.span), "insert": c.text} for c in edit.changes] if edit is not None else []
    return {
        **place(span), "severity": d.severity, "code": d.slug, "text": words, "unnecessary": d.slug in UNNECESSARY,
        "line": span.line, "fix": {"title": edit.words, "changes": changes} if edit is not None else None,
    }  # fmt: skip


def _is_of(view: View, span: Span) -> bool:
    return span.source.path == view.source.path


def _hover(question: Question) -> Answer | None:
    """What the thing under the pointer is."""
    view, at = _asked(question)
    view.check(DESK.texts())
    there = hover(view, at)
    return None if there is None else {**place(there.span), "text": there.text}


def _complete(question: Question) -> list[Answer]:
    """What may be written."""
    items = completions(*_asked(question))
    return [{"label": i.label, "kind": i.kind, "detail": i.detail, "says": i.says, "text": i.text} for i in items]


def _signature(question: Question) -> Answer | None:
    """What the call around takes."""
    call = signature(*_asked(question))
    if call is None:
        return None
    return {"arguments": call.arguments, "line": call.line, "says": call.says, "active": call.active}


def _define(question: Question) -> Answer | None:
    """Where a name is defined, in this text."""
    view, at = _asked(question)
    span = DESK.definition(view, at)
    return place(span) if span is not None and _is_of(view, span) else None


def _rename(question: Question) -> Answer:
    """The name that can be changed, or, once another one is asked for, the edits; else why not, as `refused`."""
    view, at = _asked(question)
    span, name = DESK.can_rename(view, at), question.get("name")
    if span is None:
        return {"refused": "There is no name of this text at the cursor."}
    if name is None:
        return {**place(span), "name": span.text}
    try:
        return {"changes": [{**place(s), "insert": name} for s in DESK.renamed(view, at, name) if _is_of(view, s)]}
    except ValueError as error:
        return {"refused": f"{error}."}


def _format(question: Question) -> Answer | None:
    """The text in the form that all have; None where it is not of the language."""
    text = _view(question).formatted()
    return {"text": text} if text is not None else None


def _draw(question: Question) -> Answer | None:
    """The diagram of an export, as SVG; None where the text has no meaning."""
    from mai.compiler.show.diagram import svg

    program = _view(question).check(DESK.texts()).program
    if program is None or question["export"] not in program.exports:
        return None
    return {"svg": svg(program, [question["export"]])}


def _explain(question: Question) -> Answer:
    """What the reference says of a mistake."""
    return {"text": explanation(question["code"])}


ANSWERS: Mapping[str, Callable[[Question], Answer | list[Answer] | None]] = {
    "check": _check, "mend": _mend, "hover": _hover, "complete": _complete, "signature": _signature, "define": _define,
    "rename": _rename, "format": _format, "draw": _draw, "explain": _explain,
}  # fmt: skip


def place(span: Span) -> Answer:
    """A span in UTF-16 units."""
    text = span.source.text
    return {"from": units(text[: span.start]), "to": units(text[: span.end])}
