"""What kind of table a file is, by its first bytes, and its first lines where it is a text. Nothing here loads pyarrow."""

from __future__ import annotations

import bz2
import gzip
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO, Literal

from mai.compiler.data.fields import bad
from mai.runtime.inputs.cells import few_of

Kind = Literal["csv", "jsonl", "parquet", "feather", "stream", "sheet"]
HEAD = 1 << 16
JSON_SUFFIXES = (".jsonl", ".ndjson", ".json")
TEXT_SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson")
SHEET_SUFFIXES = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
SUFFIXES = (*TEXT_SUFFIXES, *SHEET_SUFFIXES, ".parquet", ".pq", ".feather", ".arrow", ".arrows", ".ipc")
PACKED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".zstd": "zstd"}
PACKERS = {b"\x1f\x8b": "gzip", b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zstd"}
MAGIC: dict[bytes, Kind] = {
    b"PAR1": "parquet",
    b"ARROW1": "feather",
    b"\xff\xff\xff\xff": "stream",
    b"\xd0\xcf\x11\xe0": "sheet",  # Of an old kind, or locked by a password.
}
ARCHIVE = b"PK\x03\x04"
# What is often taken for a table.
OTHERS = {
    b"\xfd7zXZ": ("packed as xz", "unpack it, or pack it as gz"),
    b"FEA1": ("a feather file of the first version", "write it again: `df.to_feather(...)`"),
    b"SQLite format 3": ("a data base", "write the table as a csv or parquet file"),
    b"\x93NUMPY": ("a numpy array", "`arrays(...)` reads it"),
}


def is_table(path: Path) -> bool:
    """Whether a file's name says that it is a table."""
    name = path.name.lower()
    packed = next((name.removesuffix(suffix) for suffix in PACKED if name.endswith(suffix)), None)
    return name.endswith(SUFFIXES) if packed is None else packed.endswith(TEXT_SUFFIXES)


def packer_of(path: Path) -> str | None:
    """How a file is packed: `gzip`, `bz2` or `zstd`; None where it is not."""
    with path.open("rb") as file:
        start = file.read(8)
    return next((name for magic, name in PACKERS.items() if start.startswith(magic)), None)


def kind_of(path: Path) -> Kind:
    """What a file is, by its first bytes, and by its name where these are text. Raises `MaiError` for what is no table."""
    with path.open("rb") as file:
        start = file.read(16)
    for magic, kind in MAGIC.items():
        if start.startswith(magic):
            return kind
    if start.startswith(ARCHIVE):
        return _of_archive(path)
    for magic, (what, help) in OTHERS.items():
        if start.startswith(magic):
            raise bad(f"{path} is no table: it is {what}", help=help)
    return "jsonl" if any(suffix in JSON_SUFFIXES for suffix in path.suffixes[-2:]) else "csv"


def _of_archive(path: Path) -> Kind:
    """What a zip archive is: spreadsheets are some. Raises `MaiError` for another one, with what to do with it."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        what = "a zip archive or a spreadsheet, and is damaged"
        raise bad(f"{path} is no table: it is {what}", help="copy it again") from error
    if any(name.startswith("xl/") or name == "content.xml" for name in names):
        return "sheet"
    what = f"a zip archive, of {few_of(names, 3)}"
    raise bad(f"{path} is no table: it is {what}", help="unpack it, and name what is in it")


def head_of(path: Path) -> tuple[bytes, bool]:
    """The first bytes of a text, unpacked, and whether they are all of it; nothing where only pyarrow unpacks it.

    Raises:
        MaiError: it cannot be unpacked.
    """
    packer = packer_of(path)
    if packer == "zstd":
        return b"", False
    try:
        with path.open("rb") as raw, _unpacked(raw, packer) as file:
            head = file.read(HEAD + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise bad(f"{path} cannot be unpacked: {error}", help="is it whole? Copy it again") from error
    return head[:HEAD], len(head) <= HEAD


def _unpacked(raw: BinaryIO, packer: str | None) -> BinaryIO | gzip.GzipFile | bz2.BZ2File:
    if packer == "gzip":
        return gzip.GzipFile(fileobj=raw)
    return bz2.BZ2File(raw) if packer == "bz2" else raw
