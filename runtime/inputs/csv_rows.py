"""The rows of a csv file, for training and for running alike."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from mai.runtime.errors import ModelError

LONGEST_LINE = 1 << 20


def read_rows(path: Path) -> list[list[str]]:
    """The cells of every line that has any, without the spaces around them.

    Raises:
        ModelError: it is no text in UTF-8, its quotes are not closed, or its values are not separated by commas.
        OSError: it cannot be read.
    """
    with _reported(path), path.open(newline="", encoding="utf-8-sig") as file:
        rows = [[cell.strip() for cell in row] for row in csv.reader(file) if row]
    if rows:
        _check_separator(path, rows[0])
    return rows


def read_first_row(path: Path) -> list[str] | None:
    """The cells of the first line that has any, without reading more; None where this line alone does not tell them.

    Raises:
        ModelError: its values are not separated by commas.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = iter(lambda: file.readline(LONGEST_LINE), "")
            line = next((line for line in lines if line.strip("\r\n")), "")
        row = [cell.strip() for cell in next(csv.reader([line]), [])]
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    if not line.endswith("\n") or line.count('"') % 2:
        return None
    _check_separator(path, row)
    return row


def first_ragged(rows: Sequence[Sequence[str]], width: int) -> tuple[int, str] | None:
    """The number, from 1, of the first row that is not `width` cells wide, and how many it has, in words."""
    for place, row in enumerate(rows, 1):
        if len(row) != width:
            return place, "1 value" if len(row) == 1 else f"{len(row)} values"
    return None


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except UnicodeDecodeError as error:
        raise ModelError("input-dtype", f"{path} is no text in UTF-8", "save it as UTF-8") from error
    except csv.Error as error:
        raise ModelError("input-dtype", f"{path} is not a CSV file: {error}") from error


def _check_separator(path: Path, row: Sequence[str]) -> None:
    if len(row) == 1 and set(";\t") & set(row[0]):
        help = "the values of a csv file are separated by commas"
        raise ModelError("input-shape", f"{path} has one column, `{row[0][:60]}`", help)
