"""The text of files, one after the other: plain texts, packed or not, and the texts of a table's column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mai.compiler.data.fields import bad
from mai.compiler.data.tables.dialect import UTF8, WESTERN, Stated, marked
from mai.compiler.data.tables.files import open_table, pieces, read_blocks, reported
from mai.compiler.data.tables.kinds import is_table
from mai.runtime.inputs.cells import few_of

BETWEEN = b"\n\n"  # Two documents.
ENCODINGS = '"utf-8", "latin-1", "cp1252", "utf-16" are some'


def read_documents(files: Sequence[Path], field: str, encoding: str | None, as_bytes: bool) -> tuple[bytes, list[str]]:
    """All documents as one text in UTF-8, an empty line between two, and notes on what was found.

    Args:
        field: the column of a table that holds the texts.
        encoding: that of plain texts; None to find it, by a mark at the beginning or by what decodes.
        as_bytes: whether plain texts that name no encoding are taken byte by byte, whatever they are.

    Raises:
        MaiError: `data-bad`: a file is empty or damaged, or a table has no such column.
    """
    notes: list[str] = []
    documents = [document for file in files for document in _documents(file, field, encoding, as_bytes, notes)]
    return BETWEEN.join(documents), notes


def _documents(file: Path, field: str, encoding: str | None, as_bytes: bool, notes: list[str]) -> Iterator[bytes]:
    if is_table(file):
        yield from _column(file, field, encoding)
        return
    with reported(file):
        raw = b"".join(pieces(file))
    if not raw.strip():
        raise bad(f"{file} is empty")
    codec = marked(raw)
    if as_bytes and encoding is None and (codec is None or _wrong_in(codec, raw)):
        notes += _notes_on_bytes(file, raw)
        yield raw
    else:
        yield _in_utf8(file, raw, encoding, notes)


def _wrong_in(codec: str, raw: bytes) -> int | None:
    """The first line, from 1, that is no text in an encoding; None where all are."""
    try:
        raw.decode(codec)
    except UnicodeDecodeError as error:
        return raw.count(b"\n", 0, error.start) + 1
    return None


def _notes_on_bytes(file: Path, raw: bytes) -> list[str]:
    """That letters of another encoding stay the bytes that they are. A file with a byte 0 is no text."""
    line = None if b"\0" in raw else _wrong_in("utf-8", raw)
    if line is None:
        return []
    return [f'{file}: line {line} is no UTF-8: its bytes are as they are (`encoding = "latin-1"` reads their letters)']


def _in_utf8(file: Path, raw: bytes, encoding: str | None, notes: list[str]) -> bytes:
    codec = encoding or marked(raw) or "utf-8"
    try:
        return raw.decode(codec).removeprefix("\ufeff").encode()
    except LookupError as error:
        raise bad(f"there is no encoding `{codec}`", help=ENCODINGS) from error
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        if encoding is not None or codec not in UTF8 or b"\0" in raw:
            help = 'name its encoding: `encoding = "latin-1"`' if encoding is None else ENCODINGS
            raise bad(f"{file}, line {line}: these bytes are no text in {codec.upper()}", help=help) from error
        notes.append(
            f'{file}: line {line} is no UTF-8: its letters are read as Windows-1252 (`encoding = "..."` says another)'
        )
        return raw.decode(WESTERN, errors="replace").encode()


def _column(file: Path, field: str, encoding: str | None) -> Iterator[bytes]:
    """The texts of a column, row by row."""
    table, row = open_table(file, Stated(encoding)), 0
    if field not in table.columns:
        raise bad(
            f"{file} has no `{field}`; it has {few_of(table.columns)}",
            help='`field = "..."` names the column of its texts',
        )
    column = table.columns[field]
    for block in read_blocks(table, [column]):
        for value in block[column].to_pylist():
            row += 1
            if not isinstance(value, str):
                kind = "nothing" if value is None else f"no text: {value!r:.60}"
                raise bad(
                    f"{file}, row {row}: `{field}` is {kind}",
                    help="leave the row out, or name another column by `field`",
                )
            yield value.encode()
