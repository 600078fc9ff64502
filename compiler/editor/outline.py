"""What an editor shows of a whole text: its outline, what can be folded, colours by meaning, shapes behind names, lenses."""

from __future__ import annotations

from collections.abc import Iterator

from mai.compiler.editor.colours.rules import Colour, pieces
from mai.compiler.editor.names import Symbol
from mai.compiler.editor.view import View, prelude_symbols, shown
from mai.compiler.elaborate.functions.registered import BUILTINS
from mai.spec import ast
from mai.spec.ast_walk import children
from mai.spec.record import record
from mai.spec.source import Span

TOKEN_KINDS = ("keyword", "function", "class", "variable", "parameter", "property", "number", "string", "comment", "type")  # fmt: skip
_OF_SYMBOL = {
    "const": "number", "let": "variable", "field": "property", "layer": "function", "net": "class", "export": "function",
    "train": "function", "claim": "function", "parameter": "parameter", "size": "type", "variable": "variable",
    "param": "property", "state": "property",
}  # fmt: skip
_OF_COLOUR: dict[Colour, str] = {
    "comment": "comment", "string": "string", "number": "number", "declaration": "keyword", "control": "keyword", "type": "type",
    "constant": "keyword", "word operator": "keyword", "draw": "function",
}  # fmt: skip


@record
class Entry:
    """One line of the outline, and those below it."""

    name: str
    detail: str
    kind: str
    span: Span
    name_span: Span
    inner: tuple[Entry, ...] = ()


def outline(view: View) -> list[Entry]:
    """The declarations of a text, with the params and states of each."""
    return [entry for d in view.file.declarations for entry in _entries(view, d)]


def _entries(view: View, d: ast.Declaration) -> Iterator[Entry]:
    if isinstance(d, ast.Import):
        yield Entry(d.path.value, "import", "import", d.span, d.path.span)
    if isinstance(d, ast.Train) and d.name is None:
        yield Entry("train", "", "train", d.span, Span(d.span.source, d.span.start, d.span.start + len("train")))
    for symbol in view.names.own.values():
        if d.span.start <= symbol.span.start < d.span.end:
            span = d.span if not isinstance(d, ast.Data) else _node_span(symbol)
            yield Entry(symbol.name, shown(symbol), symbol.kind, span, symbol.span, tuple(_inner(view, d)))


def _node_span(symbol: Symbol) -> Span:
    return symbol.node.span if isinstance(symbol.node, ast.DataField) else symbol.span


def _inner(view: View, d: ast.Declaration) -> Iterator[Entry]:
    for symbol in view.names.inner.get(id(d), {}).values():
        if symbol.kind in ("param", "state") and isinstance(symbol.node, ast.Statement):
            yield Entry(symbol.name, symbol.kind, symbol.kind, symbol.node.span, symbol.span)


def folds(view: View) -> list[tuple[int, int, bool]]:
    """The first and the last line of what can be folded, from 0; whether it is a comment."""
    ranges = [(first, last, False) for first, last in _blocks(view) if last > first]
    lines = view.source.text.split("\n")
    begin: int | None = None
    for number, line in enumerate([*lines, ""]):
        if line.startswith("#"):
            begin = number if begin is None else begin
        elif begin is not None:
            ranges += [(begin, number - 1, True)] if number - 1 > begin else []
            begin = None
    return ranges


def _blocks(view: View) -> Iterator[tuple[int, int]]:
    stack: list[object] = [*view.file.declarations]
    while stack:
        node = stack.pop()
        if isinstance(node, (ast.Declaration, ast.Statement)):
            yield node.span.line - 1, view.source.position(node.span.end)[0] - 1
        if isinstance(node, (ast.Declaration, ast.Statement, tuple)):
            stack.extend(children(node))


def tokens(view: View) -> list[tuple[int, int, int]]:
    """The colours of a text by what its words are: first character, length, number in `TOKEN_KINDS`."""
    symbols = {(start, end): _OF_SYMBOL[symbol.kind] for start, end, symbol in view.names.ordered}
    coloured = []
    for start, end, colour in pieces(view.source.text):
        kind = symbols.get((start, end)) or _OF_COLOUR.get(colour) or _of_name(view, view.source.text[start:end])
        if kind:
            coloured.append((start, end - start, TOKEN_KINDS.index(kind)))
    return coloured


def _of_name(view: View, word: str) -> str:
    """The colour of a name that is no symbol of the file: that of a function, if it is one."""
    is_function = word in BUILTINS or word in prelude_symbols() or word in view.names.imported
    return "function" if is_function else ""


@record
class Hint:
    """A few words behind a character."""

    offset: int
    text: str


def hints(view: View, begin: int, end: int) -> list[Hint]:
    """The shapes of what is defined between two characters, where the text does not say them."""
    inlay_hints = []
    for name in _defined(view):
        if begin <= name.end <= end and view.meaning is not None:
            forms = [form for form in view.meaning.seen.at(name) if not form.text.startswith("=")]
            if forms:
                inlay_hints.append(
                    Hint(
                        name.end,
                        ": " + " or ".join(form.text for form in forms[:2]) + (" ..." if len(forms) > 2 else ""),
                    )
                )
    return inlay_hints


def _defined(view: View) -> Iterator[Span]:
    """The names that get a tensor without a type beside them."""
    stack: list[object] = [*view.file.declarations]
    while stack:
        node = stack.pop()
        match node:
            case ast.Assign(op=""):
                yield from (target.span for target in node.targets)
            case ast.Draw():
                yield node.name.span
            case ast.Param(type=None):
                yield node.name.span
            case ast.Keep():
                yield node.name.span
        if isinstance(node, (ast.Declaration, ast.Statement, tuple)):
            stack.extend(children(node))


@record
class Lens:
    """A line above a declaration: what it says, and the command line that a click runs, if there is one."""

    span: Span
    title: str
    words: tuple[str, ...] = ()


def lenses(view: View) -> list[Lens]:
    """What is said above train blocks and claims."""
    annotations, path = [], str(view.path)
    for d in view.file.declarations:
        if isinstance(d, ast.Train):
            annotations.append(Lens(d.span, "train", ("train", path)))
            count = view.meaning.parameters if view.meaning is not None else None
            if count is not None:
                annotations.append(Lens(d.span, f"parameters: {_short(count)}"))
        elif isinstance(d, ast.Claim):
            annotations.append(Lens(d.span, "check claims", ("verify", f"runs/{view.path.stem}")))
    return annotations


def _short(count: int) -> str:
    """A number as people say it: 1.2 M."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return str(count)
