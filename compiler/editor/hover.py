"""What is said of the thing under the pointer: what it is, and its shape with the lead axes around it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from mai.compiler.editor.meaning import Form
from mai.compiler.editor.names import Symbol
from mai.compiler.editor.settings.words import setting_at
from mai.compiler.editor.view import View, comment_above, prelude_symbols, shown
from mai.compiler.elaborate.functions.function_reference import WORDS_TITLE, Entry, entries_of
from mai.spec import ast
from mai.spec.ast_walk import children
from mai.spec.record import record
from mai.spec.source import Span

VALUES = ("field", "variable", "param", "state", "let", "const")


@record
class Hover:
    """What is said, in Markdown, of the characters of a span."""

    span: Span
    text: str


def hover(view: View, offset: int) -> Hover | None:
    """What is said of a character; None where there is nothing to say."""
    setting = setting_at(view, offset)
    if setting is not None:
        return Hover(*setting)
    named = named_at(view, offset)
    if named is not None:
        span, symbol = named
        return Hover(span, _of_symbol(view, span, symbol))
    word = word_at(view, offset)
    said = _of_word(word.text, view.source.text[word.end : word.end + 1] == "(") if word is not None else None
    if word is not None and said is not None:
        return Hover(word, said + _shapes(view, _call_at(view, word)))
    expr = expression_at(view, offset)
    forms = _forms(view, expr.span) if expr is not None else []
    return Hover(expr.span, _code(_alternatives(forms))) if expr is not None and forms else None


def _of_symbol(view: View, span: Span, symbol: Symbol) -> str:
    forms = _forms(view, span) or _forms(view, symbol.span)
    lines = [_code(shown(symbol))]
    if symbol.kind in ("parameter", "size"):
        lines += [f"here `{_alternatives(forms)}`"] * bool(forms) + _leads(forms)
    elif symbol.kind in VALUES and forms:
        text = _alternatives(forms)
        lines = [_code(f"{symbol.name} {text}" if text.startswith("=") else f"{symbol.name}: {text}"), _written(symbol)]
        lines += _leads(forms)
    elif symbol.is_function:
        lines += [comment_above(symbol)]
    return "\n\n".join(line for line in lines if line)


def _written(symbol: Symbol) -> str:
    words = {
        "field": "a field of the data",
        "param": "a tensor that training moves",
        "state": "a tensor that training does not move",
    }
    return words.get(symbol.kind, "")


def _leads(forms: list[Form]) -> list[str]:
    """The lead axes of a value, in words."""
    leads = list(dict.fromkeys(form.lead for form in forms if form.lead))
    return [f"for each of: {', '.join(lead)}" for lead in leads[:1]]


def _alternatives(forms: list[Form]) -> str:
    return " or ".join(form.text for form in forms)


def _forms(view: View, span: Span) -> list[Form]:
    return view.meaning.seen.at(span) if view.meaning is not None else []


def _shapes(view: View, expr: ast.Expr | None) -> str:
    """What a call gives, where that was seen."""
    forms = _forms(view, expr.span) if expr is not None else []
    return f"\n\ngives `{_alternatives(forms)}`" if forms else ""


@cache
def _of_word(word: str, is_called: bool) -> str | None:
    """What the reference says of a function, a standard layer or a word; of a name that is several, what fits the place."""
    entries, symbol = entries_of(word), prelude_symbols().get(word)
    if symbol is not None:
        example = "".join(_example(entry) for entry, _ in entries[:1])  # A layer for the prelude alone has no entry.
        return f"{_code(shown(symbol))}\n\n{comment_above(symbol)}{example}"
    fitting = [entry for entry, title in entries if (title == WORDS_TITLE) != is_called]
    said = fitting or [entry for entry, _ in entries]
    return "\n\n".join(f"{_code(entry.form)}\n\n{entry.says}{_example(entry)}" for entry in said) or None


def _example(entry: Entry) -> str:
    return f"\n\nFor example, {entry.example.markdown}." if entry.example is not None else ""


def _code(text: str) -> str:
    return f"```mai\n{text}\n```"


def named_at(view: View, offset: int) -> tuple[Span, Symbol] | None:
    """The symbol that is named at a character; the `d` of `dx/ds` belongs to what it stands before."""
    text = view.source.text
    named = view.names.at(offset)
    if named is None and text[offset : offset + 1] == "d":
        after = view.names.at(offset + 1)
        return after if after is not None and after[0].start == offset + 1 else None
    return named


def word_at(view: View, offset: int) -> Span | None:
    """The word at a character, or just before it; None in a comment or a text."""
    text = view.source.text
    begin = end = offset
    while begin > 0 and (text[begin - 1].isalnum() or text[begin - 1] == "_"):
        begin -= 1
    while end < len(text) and (text[end].isalnum() or text[end] == "_"):
        end += 1
    line = text[text.rfind("\n", 0, begin) + 1 : begin]
    outside = "#" not in line and line.count('"') % 2 == 0
    return Span(view.source, begin, end) if begin < end and outside else None


def expression_at(view: View, offset: int) -> ast.Expr | None:
    """The smallest expression at a character."""
    smallest: ast.Expr | None = None
    for expr in _expressions(view, offset):
        if smallest is None or expr.span.end - expr.span.start <= smallest.span.end - smallest.span.start:
            smallest = expr
    return smallest


def _call_at(view: View, name: Span) -> ast.Expr | None:
    calls = (e for e in _expressions(view, name.start) if isinstance(e, ast.Call) and e.function.span == name)
    return next(calls, None)


def _expressions(view: View, offset: int) -> Iterator[ast.Expr]:
    """The expressions around a character."""
    stack: list[object] = [view.around(offset)]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Expr):
            if not node.span.start <= offset <= node.span.end:
                continue
            yield node
        stack.extend(children(node))
