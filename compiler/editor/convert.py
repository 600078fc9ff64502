"""Answers as the language server protocol has them: places as ranges, paths as addresses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote, urlparse

from mai.compiler.editor.completion import Item, Signature
from mai.compiler.editor.hover import Hover
from mai.compiler.editor.outline import Entry, Hint, Lens
from mai.compiler.editor.places import place_of
from mai.compiler.editor.view import View, moved
from mai.spec.diagnostics import Diagnostic
from mai.spec.source import Source, Span

if TYPE_CHECKING:
    from lsprotocol import types as lsp

SEVERITIES = {"error": 1, "warning": 2, "note": 3}
NO_FILE = re.compile(r"[a-z][a-z0-9+.-]*%3A")  # How an address that is no file's begins as a name.
UNNECESSARY = ("unreachable", "unused-parameter", "unused-name")
SYMBOLS = {
    "const": "Constant", "let": "Variable", "field": "Field", "layer": "Function", "net": "Class", "export": "Interface",
    "train": "Event", "claim": "Boolean", "param": "Property", "state": "Property", "import": "Module",
}  # fmt: skip
ITEMS = {
    "const": "Constant", "let": "Variable", "field": "Field", "layer": "Function", "net": "Class", "export": "Interface",
    "parameter": "Variable", "size": "TypeParameter", "variable": "Variable", "param": "Property", "state": "Property",
    "word": "Keyword", "function": "Function", "argument": "Property", "setting": "Function", "source": "Function",
    "solver": "Function", "distribution": "Function", "file": "File",
}  # fmt: skip


def path_of(uri: str) -> Path:
    """The path of an address; what is no file, `untitled:Untitled-1`, is its whole address as a name in the current folder."""
    parsed = urlparse(uri)
    if parsed.scheme != "file":
        return Path.cwd() / quote(uri, safe="")
    path = unquote(parsed.path)
    return Path(path[1:] if len(path) > 2 and path[0] == "/" and path[2] == ":" else path)


def uri_of(path: str | Path) -> str:
    """The address of a path, as `path_of` reads it."""
    name = Path(path).name
    return unquote(name) if NO_FILE.match(name) else Path(path).absolute().as_uri()


def position(source: Source, offset: int) -> lsp.Position:
    """A character as a position."""
    from lsprotocol import types as lsp

    line, character = place_of(source, offset)
    return lsp.Position(line, character)


def range_of(span: Span) -> lsp.Range:
    """A span as a range."""
    from lsprotocol import types as lsp

    return lsp.Range(position(span.source, span.start), position(span.source, span.end))


def location(span: Span) -> lsp.Location:
    """A span with the address of its file."""
    from lsprotocol import types as lsp

    span = moved(span)
    return lsp.Location(uri_of(span.source.path), range_of(span))


def published(address: str, version: int | None, diagnostics: list[lsp.Diagnostic]) -> lsp.PublishDiagnosticsParams:
    """All that is said of a file."""
    from lsprotocol import types as lsp

    return lsp.PublishDiagnosticsParams(uri=address, diagnostics=diagnostics, version=version)


def diagnostic(view: View, d: Diagnostic) -> lsp.Diagnostic:
    """A diagnostic, at its place; one of an imported file at the line that imports it."""
    from lsprotocol import types as lsp

    span, words = place_and_words(view, d)
    where = [lsp.DiagnosticRelatedInformation(location(w.span), w.text) for w in d.where]
    return lsp.Diagnostic(
        range=range_of(span), message=words, code=d.slug, source="mai",
        severity=lsp.DiagnosticSeverity(SEVERITIES[d.severity]), related_information=where or None,
        tags=[lsp.DiagnosticTag.Unnecessary] if d.slug in UNNECESSARY else None,
    )  # fmt: skip


def place_and_words(view: View, d: Diagnostic) -> tuple[Span, str]:
    """Where a diagnostic is shown in this text, and all its words: what is wrong, what stands there, what to do."""
    span, message = _place_and_message(view, d)
    label = f"\n{d.label}" if d.label and d.label not in message else ""
    help = f"\nhelp: {d.help}" if d.help else ""
    return span, f"{message}{label}{help}"


def _place_and_message(view: View, d: Diagnostic) -> tuple[Span, str]:
    """One of an imported file stands at the line that imports it."""
    first = Span(view.source, 0, len(view.source.line(1)))
    if d.span is None:
        return first, d.message
    if d.span.source.path == view.source.path:
        return Span(view.source, d.span.start, d.span.end), d.message
    imported = (i.path.span for i, path in view.imports() if str(path) == d.span.source.path)
    return next(imported, first), f"{d.span}: {d.message}"


def action(view: View, d: Diagnostic) -> lsp.CodeAction:
    """The edit of a diagnostic, as a quick fix."""
    from lsprotocol import types as lsp

    assert d.edit is not None
    changes: dict[str, list[lsp.TextEdit]] = {}
    for change in d.edit.changes:
        edit = lsp.TextEdit(range_of(change.span), change.text)
        changes.setdefault(uri_of(change.span.source.path), []).append(edit)
    return lsp.CodeAction(
        title=d.edit.words, kind=lsp.CodeActionKind.QuickFix, diagnostics=[diagnostic(view, d)],
        edit=lsp.WorkspaceEdit(changes=changes), is_preferred=True,
    )  # fmt: skip


def renamed(spans: Sequence[Span], name: str) -> lsp.WorkspaceEdit:
    """Another name at all of these places."""
    from lsprotocol import types as lsp

    changes: dict[str, list[lsp.TextEdit]] = {}
    for span in spans:
        changes.setdefault(uri_of(span.source.path), []).append(lsp.TextEdit(range_of(span), name))
    return lsp.WorkspaceEdit(changes=changes)


def replaced(source: Source, text: str) -> list[lsp.TextEdit]:
    """The edits that put another text in the place of a whole one: none where they are equal."""
    return edited(Span(source, 0, len(source.text)), text)


def edited(span: Span, text: str) -> list[lsp.TextEdit]:
    """The edits that put a text in the place of a part: none where they are equal."""
    from lsprotocol import types as lsp

    return [] if span.text == text else [lsp.TextEdit(range_of(span), text)]


def hover(said: Hover) -> lsp.Hover:
    """What is said of a place."""
    from lsprotocol import types as lsp

    return lsp.Hover(lsp.MarkupContent(lsp.MarkupKind.Markdown, said.text), range_of(said.span))


def hint(source: Source, shape: Hint) -> lsp.InlayHint:
    """A shape behind a name."""
    from lsprotocol import types as lsp

    return lsp.InlayHint(position(source, shape.offset), shape.text, kind=lsp.InlayHintKind.Type)


def lens(line: Lens, runs: bool) -> lsp.CodeLens:
    """A line above a declaration; a click on it runs `mai.run`, where the editor has that."""
    from lsprotocol import types as lsp

    words = [list(line.words)] if line.words else None
    command = lsp.Command(title=line.title, command="mai.run" if runs and words else "", arguments=words)
    return lsp.CodeLens(range_of(Span(line.span.source, line.span.start, line.span.start)), command)


def completions(items: Sequence[Item]) -> list[lsp.CompletionItem]:
    """What may be written, in this order."""
    from lsprotocol import types as lsp

    return [
        lsp.CompletionItem(
            label=item.label, kind=lsp.CompletionItemKind[ITEMS[item.kind]], detail=item.detail or None,
            documentation=lsp.MarkupContent(lsp.MarkupKind.Markdown, item.says) if item.says else None,
            insert_text=item.text or None, sort_text=f"{place:04}",
        )
        for place, item in enumerate(items)
    ]  # fmt: skip


def signature(call: Signature) -> lsp.SignatureHelp:
    """What a call takes."""
    from lsprotocol import types as lsp

    parameters = [lsp.ParameterInformation(label=argument) for argument in call.arguments]
    one = lsp.SignatureInformation(label=call.line, documentation=call.says or None, parameters=parameters)
    return lsp.SignatureHelp(signatures=[one], active_signature=0, active_parameter=call.active)


def highlight(span: Span) -> lsp.DocumentHighlight:
    """A place of a name."""
    from lsprotocol import types as lsp

    return lsp.DocumentHighlight(range_of(span))


def symbol(entry: Entry) -> lsp.DocumentSymbol:
    """A line of the outline."""
    from lsprotocol import types as lsp

    return lsp.DocumentSymbol(
        name=entry.name, detail=entry.detail, kind=lsp.SymbolKind[SYMBOLS[entry.kind]], range=range_of(entry.span),
        selection_range=range_of(entry.name_span), children=[symbol(inner) for inner in entry.inner],
    )  # fmt: skip


def fold(first: int, last: int, is_comment: bool) -> lsp.FoldingRange:
    """Lines that can be folded."""
    from lsprotocol import types as lsp

    return lsp.FoldingRange(first, last, kind=lsp.FoldingRangeKind.Comment if is_comment else None)


def tokens(places: Sequence[tuple[int, int, int, int]]) -> lsp.SemanticTokens:
    """Colours, each place counted from the one before."""
    from lsprotocol import types as lsp

    data: list[int] = []
    line = column = 0
    for at, start, length, kind in places:
        data += [at - line, start - (column if at == line else 0), length, kind, 0]
        line, column = at, start
    return lsp.SemanticTokens(data=data)
