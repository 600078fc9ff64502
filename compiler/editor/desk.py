"""The texts that are open, the files around them, and questions that concern several of them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mai.compiler.editor.colours.rules import NAME
from mai.compiler.editor.hover import named_at, word_at
from mai.compiler.editor.names import Symbol
from mai.compiler.editor.places import offset_of
from mai.compiler.editor.renaming import meanings, sources_of, with_name
from mai.compiler.editor.view import View, is_of_mai, moved, prelude_symbols
from mai.compiler.elaborate.repeating.store import Templates
from mai.spec.diagnostics import Reporter
from mai.spec.diagnostics.report import MaiError
from mai.spec.parsing.parse import load_source
from mai.spec.source import Source, Span
from mai.spec.words import RESERVED

if TYPE_CHECKING:
    from lsprotocol import types as lsp

MAX_FILES = 200  # Of a folder, in which imports are looked for at each check.
MAX_FOLDERS = 2000  # Of those that are open in the editor, in which the places of a name are looked for.
LEFT_OUT = (
    "node_modules",
    "__pycache__",
    "venv",
    "runs",
)  # Folders of other programs, and those that begin with a point.


def with_plain_lines(text: str) -> str:
    """A text whose lines end with a line feed, as editors count them; a byte order mark is a space, so that columns stay."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return f" {text[1:]}" if text.startswith("\ufeff") else text


def with_change(text: str, range: lsp.Range | None, new: str) -> str:
    """A text with a part of it replaced; all of it where there is no range."""
    if range is None:
        return new
    source = Source("", with_plain_lines(text))
    begin, end = (offset_of(source, (place.line, place.character)) for place in (range.start, range.end))
    return source.text[:begin] + new + source.text[end:]


def files_below(folders: Iterable[Path]) -> Iterator[Path]:
    """The `.mai` files in folders and below them.

    Raises:
        ValueError: there are too many folders to look at all of them.
    """
    below = (entry for folder in folders for entry in os.walk(folder))
    for count, (folder, inner, files) in enumerate(below):
        if count == MAX_FOLDERS:
            raise ValueError(
                f"there are more than {MAX_FOLDERS:,} folders to look for other places in: open a smaller one"
            )
        inner[:] = sorted(name for name in inner if name not in LEFT_OUT and not name.startswith("."))
        yield from (Path(folder, name) for name in sorted(files) if name.endswith(".mai"))


class Desk:
    """The views of the texts that are open, by their paths; and the templates that the checks of each share."""

    def __init__(self) -> None:
        self.views: dict[Path, View] = {}
        self.templates: dict[Path, Templates] = {}

    def put(self, path: Path, text: str, version: int | None) -> View:
        """A text as it is now."""
        source = Source(str(path), with_plain_lines(text), path.name)
        self.views[path] = View(path, source, self.read, version, self.kept(path))
        return self.views[path]

    def close(self, path: Path) -> None:
        """A text is no longer open: its file on the disk holds."""
        self.views.pop(path, None)
        self.templates.pop(path, None)

    def kept(self, path: Path) -> Templates:
        """The templates of a text, and of those before it at the same path."""
        return self.templates.setdefault(path, Templates())

    def read(self, path: Path) -> Source | None:
        """A file as it is in the editor, or on the disk; None where it cannot be read."""
        if path in self.views:
            return self.views[path].source
        try:
            return load_source(path, Reporter())
        except (MaiError, OSError):
            return None

    def texts(self) -> Mapping[str, Source]:
        """All open texts, by path."""
        return {str(path): view.source for path, view in self.views.items()}

    def importers(self, path: Path, folders: Iterable[Path] = ()) -> Iterator[View]:
        """The other files that import a file: those that are open, those of its folder, and those in `folders`."""
        for view in self._around(path, folders):
            if view.path != path and any(target == path for _, target in view.imports()):
                yield view

    def _around(self, path: Path, folders: Iterable[Path]) -> Iterator[View]:
        yield from [*self.views.values()]
        files = sorted(path.parent.glob("*.mai"))[:MAX_FILES] if path.parent.is_dir() else []
        for file in dict.fromkeys([*files, *files_below(folders)]):
            source = self.read(file) if file not in self.views else None
            if source is not None and path.name in source.text:
                yield View(file, source, self.read)

    # ------------------------------------------------------------------ places

    def definition(self, view: View, offset: int) -> Span | None:
        """Where the name at a character is defined, in this file, one that it imports, or the prelude."""
        for declaration, path in view.imports():
            if declaration.path.span.start <= offset <= declaration.path.span.end:
                source = self.read(path)
                return Span(source, 0, 0) if source is not None else None
        named = named_at(view, offset)
        if named is not None:
            return named[1].span
        word = word_at(view, offset)
        standard = prelude_symbols().get(word.text) if word is not None else None
        return moved(standard.span) if standard is not None else None

    def places(self, view: View, offset: int, folders: Sequence[Path] = ()) -> list[Span]:
        """Where what is named at a character stands, in this file and those that share it; they are looked for below `folders`, too."""
        named = named_at(view, offset)
        if named is None:
            word = word_at(view, offset)
            return view.names.unknown.get(word.text, []) if word is not None else []
        symbol = named[1]
        spans: list[Span] = []
        for other in self._sharing(view, symbol, folders):
            spans += [
                span
                for start, end, s in other.names.ordered
                if _same(s, symbol)
                for span in [Span(other.source, start, end)]
            ]
        return list({(span.source.path, span.start): span for span in spans}.values())

    def _sharing(self, view: View, symbol: Symbol, folders: Sequence[Path]) -> Iterator[View]:
        """The views in which a symbol may be named: this one, that of its definition, those that import this."""
        yield view
        if not symbol.is_function:
            return
        home = Path(symbol.span.source.path)
        if home != view.path:
            source = self.read(home)
            if source is not None:
                yield View(home, source, self.read)
        yield from (other for other in self.importers(home, folders) if other is not view)

    def can_rename(self, view: View, offset: int) -> Span | None:
        """The name at a character, if it is one of the user's files."""
        named = named_at(view, offset)
        if named is None:
            return None
        home = Path(named[1].span.source.path)
        return named[0] if home.is_absolute() and not is_of_mai(home) else None

    def renamed(self, view: View, offset: int, name: str, folders: Sequence[Path] = ()) -> list[Span]:
        """The places that get another name, those in files below `folders`, too.

        Raises:
            ValueError: it cannot be a name, a name would stand for something else then than it does now, or the old one stands in
                lines that cannot be read, or in a pattern that may mean others.
        """
        if not re.fullmatch(NAME, name) or name in RESERVED:
            raise ValueError(f"`{name}` cannot be a name")
        named = named_at(view, offset)
        if named is not None:
            self._check_all_read(view, named[1], folders)
        spans = self.places(view, offset, folders)
        texts = {path: with_name(source, spans, name) for path, source in sources_of(spans).items()}

        def read(path: Path) -> Source | None:
            return texts.get(str(path)) or self.read(path)

        for path, after in texts.items():
            before = View(Path(path), sources_of(spans)[path], self.read)
            if meanings(before, spans, name) != meanings(View(Path(path), after, read), [], name):
                raise ValueError(f"`{name}` is the name of something else here")
        return spans

    def _check_all_read(self, view: View, symbol: Symbol, folders: Sequence[Path]) -> None:
        """Raise `ValueError` where a name also stands in lines that are not finished, or in a pattern: is it the same there?"""
        for other in self._sharing(view, symbol, folders):
            unread = other.unread(symbol.name, symbol.scope if other is view else None)
            if unread is not None:
                where = f"line {unread.line} of {other.source.name}"
                raise ValueError(f"`{symbol.name}` stands in {where}, too, which is not finished: finish that first")
            meant = other.names.meant(symbol)
            if meant is not None:
                where = f"line {meant.line} of {other.source.name}"
                raise ValueError(
                    f"`{meant.text}` in {where} means `{symbol.name}`, and perhaps others: write the new name there first"
                )


def _same(one: Symbol, other: Symbol) -> bool:
    return (one.name, one.span.start, one.span.source.path) == (other.name, other.span.start, other.span.source.path)
