"""The files of `--data` together: every one is read, and their examples are one table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mai.compiler.data.fields import bad
from mai.compiler.data.rows import Words, join
from mai.compiler.data.source_kinds import Finite, Reading, Request, Source


def read_files(source: Source, request: Request) -> Reading:
    """What a source reads, of every file that the request names.

    Raises:
        MaiError: `data-missing` or `data-bad`; the files differ in their columns, or are of a kind that has one file.
    """
    if len(request.files) < 2 or source.reads_together:
        return source.read(request)
    readings = [source.read(replace(request, files=(file,))) for file in request.files]
    tables = [reading for reading in readings if isinstance(reading, Finite)]
    if len(tables) < len(readings) or any(table.held_out is not None for table in tables):
        raise bad(f"--data: `{source.name}` reads one file, these are {len(request.files)}")
    return _joined(tables, request.files)


def _joined(tables: Sequence[Finite], files: Sequence[Path]) -> Finite:
    """The rows of all tables, those of the first file first."""
    first = tables[0].arrays
    for table, file in zip(tables, files, strict=True):
        for name in first.keys() ^ table.arrays.keys():
            there, lacking = (files[0], file) if name in first else (file, files[0])
            raise bad(f"--data: {there} has `{name}`, {lacking} has not")
        for name, array in table.arrays.items():
            if array.shape[1:] != first[name].shape[1:]:
                sizes = f"{list(first[name].shape[1:])} in {files[0]} and {list(array.shape[1:])} in {file}"
                raise bad(f"--data: an example of `{name}` is {sizes}")
            if isinstance(array, Words) != isinstance(first[name], Words):
                raise bad(f"--data: `{name}` is words in one of {files[0]} and {file}, and numbers in the other")
    arrays = {name: join([table.arrays[name] for table in tables]) for name in first}
    return Finite(arrays, all_of_them=all(table.all_of_them for table in tables))
