"""A text as it is at one moment: its tree, its names, and, once it was checked, its meaning."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from threading import RLock

from mai.compiler.editor.living import Living, living
from mai.compiler.editor.meaning import NO_SETS, Meaning, header, meaning_of
from mai.compiler.editor.names import Names, Symbol, names_of_file
from mai.compiler.elaborate.repeating.store import Templates
from mai.spec import FOLDER, STANDARD, ast, is_public, library, prelude_sources
from mai.spec.diagnostics import MaiError
from mai.spec.formatting.lines import indent_after
from mai.spec.formatting.same import format_source
from mai.spec.source import Source, Span
from mai.spec.words import of_kind

_DECLARATION = re.compile(rf"^(?:{'|'.join(word.text for word in of_kind('declaration'))})\b", re.MULTILINE)
Read = Callable[[Path], Source | None]  # A file's text, as it is in the editor or else on the disk.


class View:
    """One version of a text; it is read at the first question about it, since most are changed by the next letter.

    Attributes:
        path: where it stands.
        source: the text.
        meaning: what checking it said; None until it was checked.
    """

    def __init__(
        self, path: Path, source: Source, read: Read, version: int | None = None, kept: Templates | None = None
    ) -> None:
        self.path, self.source, self.version = path, source, version
        self._kept = kept or Templates()  # Of calls that other checks have elaborated.
        self.meaning: Meaning | None = None
        self._read, self._lock = read, RLock()  # Questions are answered while another thread checks.
        self._read_text: Living | None = None
        self._names: Names | None = None

    @property
    def _living(self) -> Living:
        with self._lock:
            if self._read_text is None:
                self._read_text = living(self.source)
            return self._read_text

    @property
    def file(self) -> ast.File:
        """The tree of what can be read."""
        return self._living.file

    @property
    def names(self) -> Names:
        """What the names of all that can be read are."""
        with self._lock:
            if self._names is None:
                self._names = names_of_file(self.file, _imported(self, self._read))
            return self._names

    def check(
        self, texts: Mapping[str, Source], sets: Mapping[str, str] = NO_SETS, data: Sequence[Path] = ()
    ) -> Meaning:
        """What checking says; `texts` are those of other files, by path, `sets` its consts, `data` files in the place of its own."""
        if self.meaning is None:
            meaning = meaning_of(self.path, self.source, self._living, self._kept, texts, sets, data)
            # The files of the prelude name each other's layers, which no other file can: as files of their own they are not judged.
            self.meaning = replace(meaning, diagnostics=[]) if is_of_mai(self.path) else meaning
        return self.meaning

    def formatted(self) -> str | None:
        """The text as `mai format` writes it; None for one that is not of the language."""
        try:
            return format_source(self.source)
        except MaiError:
            return None

    def indented(self, offset: int, typed: str) -> tuple[Span, str] | None:
        """The spaces that the line of a character begins with, and those that it has in the form that all have.

        None where a bracket was typed that does not begin its line.
        """
        text = self.source.text
        begin = text.rfind("\n", 0, offset) + 1
        line = text[begin:].partition("\n")[0]
        if not (typed.isspace() or line.lstrip().startswith(typed)):
            return None
        declarations = [0, *(match.start() for match in _DECLARATION.finditer(text, 0, begin))]
        indent = indent_after(text[declarations[-1] : begin], line)
        return Span(self.source, begin, begin + len(line) - len(line.lstrip())), " " * indent

    def imports(self) -> Iterator[tuple[ast.Import, Path]]:
        """The files that it imports."""
        for declaration in self.file.declarations:
            if isinstance(declaration, ast.Import):
                written = declaration.path.value
                yield (
                    declaration,
                    library(written) if written.startswith(STANDARD) else (self.path.parent / written).resolve(),
                )

    def unread(self, name: str, scope: ast.Declaration | None) -> Span | None:
        """Where a word stands in what cannot be read, in a declaration or anywhere; comments do not count."""
        begin, end = (scope.span.start, scope.span.end) if scope is not None else (0, len(self.source.text))
        for word in re.compile(rf"#[^\n]*|(?<!\w){re.escape(name)}(?!\w)").finditer(self.source.text, begin, end):
            if word[0] == name and self._living.text[word.start() : word.end()] != name:
                return Span(self.source, word.start(), word.end())
        return None

    def around(self, offset: int) -> ast.Declaration | None:
        """The declaration that a character is in."""
        return next((d for d in self.file.declarations if d.span.start <= offset <= d.span.end), None)


def _imported(view: View, read: Read) -> dict[str, Symbol]:
    """The layers and nets of the files that are imported, with the exports left out."""
    symbols_in_sight: dict[str, Symbol] = {}
    for _, path in view.imports():
        source = read(path)
        if source is not None and path != view.path:
            symbols = names_of_file(living(source).file, {}).own
            symbols_in_sight |= {n: s for n, s in symbols.items() if s.kind in ("layer", "net") and is_public(n)}
    return symbols_in_sight


def is_of_mai(path: Path) -> bool:
    """Whether a file is one of mai's own: the prelude, the library."""
    return path.resolve().is_relative_to(FOLDER.resolve())


def path_of(source: Source) -> Path:
    """Where a text lies on the disk; the prelude's texts are files of mai."""
    return FOLDER / source.path if source.in_prelude else Path(source.path)


def comment_above(symbol: Symbol) -> str:
    """The comment on the lines right above a declaration, as one text."""
    source = symbol.span.source
    line, words = symbol.span.line - 1, list[str]()
    while line > 0 and source.line(line).startswith("#"):
        words.insert(0, source.line(line)[1:].strip())
        line -= 1
    return " ".join(words)


def prelude_symbols() -> dict[str, Symbol]:
    """The standard layers, as symbols of their files; they are parsed at the first call."""
    if not _PRELUDE:
        for source in prelude_sources():
            _PRELUDE.update(names_of_file(living(source).file, {}).own)
    return _PRELUDE


_PRELUDE: dict[str, Symbol] = {}


def shown(symbol: Symbol) -> str:
    """How a symbol is written where it is defined."""
    node = symbol.node
    if isinstance(node, ast.Function):
        return header(node)
    if isinstance(node, (ast.Parameter, ast.DataField, ast.Const, ast.Let, ast.Twin)):
        return " ".join(node.span.text.split())
    return f"{symbol.kind} {symbol.name}"


def moved(span: Span) -> Span:
    """A place with the path on the disk, for editors."""
    path = path_of(span.source)
    return span if str(path) == span.source.path else Span(Source(str(path), span.source.text), span.start, span.end)
