"""What may be written of data: the columns of the file that a `data` line names, and the files that are there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mai.compiler.data.column_shapes import Column
from mai.compiler.data.source_kinds import Source
from mai.compiler.data.sources import SOURCES
from mai.compiler.data.splitting.split_kinds import SPLITS
from mai.compiler.editor.settings.words import Open
from mai.compiler.editor.view import View
from mai.compiler.ir.operation import describe
from mai.spec.diagnostics import MaiError
from mai.spec.parsing.layout import DECLARATIONS
from mai.spec.record import record
from mai.spec.settings import SettingsError

_SOURCE = re.compile(r'\bfrom\s+(\w+)\s*\(\s*(?:path\s*=\s*)?(\[[^\]]*\]|"[^"\n]*")')
_BEFORE_A_FIELD = re.compile(r"(?:\A\s*data\s+|,\s*)\w*\Z")
_BEFORE_A_PATH = re.compile(r"(?:\bfrom\s*|\bimport\s*|[(\[,]\s*|\b(?:path|tokenizer|validation|test|chat)\s*=\s*)\Z")
_OF_COLUMNS = ("needs", "words", "time", "group", "column", "labels", "groups")  # Settings whose values are columns.
MOST = 200  # Columns, and files of a folder, that are offered.

Offered = tuple[str, str, str, str, str]
"""A label, what it is, a line about it, more of it, and what is written."""


@record
class DataLine:
    """A `data` declaration as far as it is written: its first character, and its text."""

    begin: int
    text: str

    def is_field(self, offset: int) -> bool:
        """Whether a field is named at a character."""
        before = self.text[: offset - self.begin]
        return before.count("[") == before.count("]") and " from" not in before and bool(_BEFORE_A_FIELD.search(before))


def data_line(text: str, offset: int) -> DataLine | None:
    """The `data` declaration that a character is in."""
    starts = [mark.start() for mark in DECLARATIONS.finditer(text)]
    begin = max((start for start in starts if start < offset), default=0)
    end = min((start for start in starts if start >= offset), default=len(text))
    return DataLine(begin, text[begin:end]) if re.match(r"data\s", text[begin:end]) else None


def names_columns(call: Open, setting: str) -> bool:
    """Whether what is written in a call is a column: the value of a setting, or the first of a split."""
    return setting in _OF_COLUMNS or (not setting and call.name in SPLITS and len(call.parts) == 1)


def columns(view: View, line: DataLine, offset: int) -> Iterator[Offered]:
    """The columns of the file that a `data` line names, those first that are no field of it yet."""
    source = _SOURCE.search(line.text)
    if source is None:
        return
    paths = tuple(re.findall(r'"([^"]*)"', source[2]))
    written = set(re.findall(r"(\w+)\s*:", line.text)) if line.is_field(offset) else set()
    for name, column in [*_columns_of(source[1], paths, view.path.parent).items()][:MOST]:
        if name not in written and name.isidentifier():
            detail = f"a column of {paths[0]}" + (f", {describe(column.shape)}" if column.shape else "")
            yield name, "field", detail, "", ""


def _columns_of(name: str, paths: tuple[str, ...], base: Path) -> dict[str, Column]:
    """By the source that is written, or, where it lacks settings yet, by the one that reads such files."""
    for kind in (SOURCES.get(name), *SOURCES.values()):
        if paths and kind is not None and (kind.name == name or kind.reads(base / paths[0])):
            columns = _read(kind, paths, base)
            if columns:
                return columns
    return {}


def _read(kind: type[Source], paths: tuple[str, ...], base: Path) -> dict[str, Column] | None:
    path: Any = paths[0] if len(paths) == 1 else paths
    try:
        return kind.of({"path": path}).columns(base)
    except (SettingsError, MaiError, OSError, ImportError):
        return None


def files(view: View, start: int, offset: int) -> Iterator[Offered]:
    """The files and folders that a path in quotes may go on with; `start` is where its last word begins."""
    text = view.source.text
    quote = text.rfind('"', 0, offset)
    path, line = text[quote + 1 : offset], text[text.rfind("\n", 0, offset) + 1 : quote]
    if not _BEFORE_A_PATH.search(line) or not re.search(r"\b(?:from|import)\b", line):
        return
    folder, last = view.path.parent / path[: path.rfind("/") + 1], path[path.rfind("/") + 1 :]
    reads = _reader(line)
    try:
        beside = sorted(folder.iterdir())[:MOST]
    except OSError:
        return
    for file in beside:
        if file.name.startswith(last) and file.name[0] not in "._" and (file.is_dir() or reads(file)):
            written = file.name[len(last) - (offset - start) :]
            yield file.name, "file", "a folder" if file.is_dir() else "", "", written


def _reader(line: str) -> Any:
    """Whether a file is one that may stand in a line."""
    source = re.search(r"\bfrom\s+(\w+)\s*\(", line)
    kind = SOURCES.get(source[1]) if source is not None else None
    if kind is not None:
        return kind.reads
    return lambda file: not line.lstrip().startswith("import") or file.suffix == ".mai"
