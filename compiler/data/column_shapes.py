"""What is known of a source before it is read: the shapes of its arrays, by name. `mai check` compares them with the spec."""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mai.compiler.data.fields import (
    bad,
    check_labels,
    check_vocabulary,
    check_whole,
    chosen,
    grouped,
    shape_of,
    window,
)
from mai.compiler.ir.types import DType, Type
from mai.compiler.program import Training
from mai.runtime.inputs.cells import is_number
from mai.spec import settings as st
from mai.spec.diagnostics import Diagnostic, MaiError, placed

LONGEST_HEADER = 1 << 20


@dataclass(frozen=True, slots=True)
class Column:
    """One array of a source: the shape of an example, whether its numbers are whole, and how many labels there are.

    None is what only its numbers say.
    """

    shape: tuple[int, ...]
    whole: bool | None = None
    labels: int | None = None


def misfits(training: Training, base: Path) -> list[Diagnostic]:
    """What training would say of the shapes of its data, where these are known without reading them."""
    try:
        if isinstance(training.data, st.Text):
            check_vocabulary(training.data, window(training.fields)[2])
        elif (columns := known(training.data, base)) is not None:
            _compare(columns, training.fields, isinstance(training.data, (st.Npz, st.Csv)))
    except MaiError as error:
        return list(placed(error, training.where).diagnostics)
    return []


def known(source: st.Source, base: Path) -> dict[str, Column] | None:
    """The arrays of a source by name; None where only reading it tells. Raises `MaiError` for a wrong header."""
    match source:
        case st.Points():
            finite = isinstance(source, st.Checkerboard) and source.count
            cloud = (source.cloud,) if source.cloud and not finite else ()
            return {"x": Column((*cloud, 2), False), "y": Column(cloud, True, _classes(source))}
        case st.Digits():
            return {"x": Column((64,), False), "y": Column((), True, 10)}
        case st.FunctionSource():
            return {"x": Column((width_of(source.formula),), False), "y": Column((), False)}
        case st.Csv() if _is_there(base / source.path):
            return _of_csv(base / source.path)
        case st.Npz() if _is_there(base / source.path):
            return _of_npz(base / source.path)
    return None


def _is_there(path: Path) -> bool:
    """Whether a plain file is: a device or a pipe has no end."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def _classes(source: st.Points) -> int:
    match source:
        case st.Moons():
            return 2
        case st.Gaussians():
            return source.modes
        case st.Spirals():
            return source.classes
    return 1


def width_of(formula: str) -> int:
    """How many of x0, x1, ... a formula speaks of."""
    return max((int(digits) for digits in re.findall(r"\bx(\d{1,4})\b", formula)), default=0) + 1


def header_of(path: Path, row: list[str]) -> list[str]:
    """The names of the columns. Raises `MaiError`."""
    names = [name.strip() for name in row]
    if len(names) == 1 and set(";\t") & set(names[0]):
        raise bad(f"{path} has one column, `{names[0][:60]}`", help="the values of a csv file are separated by commas")
    if "" in names:
        told = f"column {names.index('') + 1} of {path} has no name"
        raise bad(told, help="the first line names every column; does it end with a comma?")
    if all(is_number(name) for name in names):
        told = f"the first line of {path} holds numbers: {', '.join(names)[:60]}"
        raise bad(told, help="the first line names the columns, as in `x0,x1,y`")
    if len(set(names)) < len(names):
        raise bad(f"{path} has two columns of one name: {', '.join(names)}")
    return names


def _of_csv(path: Path) -> dict[str, Column] | None:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = iter(lambda: file.readline(LONGEST_HEADER), "")
            line = next((line for line in lines if line.strip("\r\n")), "")
        row = next(csv.reader([line]), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return None
    if not line.endswith("\n") or line.count('"') % 2:
        return None
    groups = grouped(header_of(path, row))
    return {name: Column(() if names == [name] else (len(names),)) for name, names in groups.items()}


def _of_npz(path: Path) -> dict[str, Column] | None:
    import zipfile

    import numpy as np

    from mai.runtime.files import UNREADABLE

    made = {}
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                with archive.open(member) as file:
                    read = _HEADERS[np.lib.format.read_magic(file)]
                    shape, _, dtype = getattr(np.lib.format, read)(file)
                made[member.removesuffix(".npy")] = Column(shape[1:], True if dtype.kind in "iub" else None)
    except UNREADABLE:
        return None
    return made


_HEADERS = {(1, 0): "read_array_header_1_0", (2, 0): "read_array_header_2_0"}


def _compare(columns: Mapping[str, Column], fields: Mapping[str, Type], named: bool) -> None:
    for name, column in chosen(columns, lambda c: bool(c.whole), fields, named).items():
        type_ = fields[name]
        if type_.dtype is not DType.REAL:
            check_whole(name, column.whole is not False)
            check_labels(name, type_, 0, (column.labels or 1) - 1)
        shape_of(name, type_, column.shape)
