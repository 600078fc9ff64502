"""Readers of finite data: digits, formulas, files, folders, texts."""

from __future__ import annotations

import ast
import csv
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mai.compiler.data.column_shapes import header_of, width_of
from mai.compiler.data.fields import bad, grouped
from mai.compiler.data.label_names import is_words
from mai.compiler.data.points import generator, sampler
from mai.runtime.arrays import Array
from mai.runtime.files import UNREADABLE, plain_file, read_arrays
from mai.runtime.inputs.cells import is_number
from mai.spec import settings as st

Arrays = dict[str, Array]
Read = tuple[Arrays, Arrays | None]
DRAW = 4
TEST_SHARE = 0.2
EXACT = 2**53  # Whole numbers beyond it are not all told apart.
IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp"}


def _file(path: str, base: Path, override: Sequence[Path] | None) -> Path:
    found = override[0] if override else (base / path)
    if not found.exists():
        raise bad(f"there is no file {found}", "data-missing")
    try:
        return plain_file(found)
    except OSError as error:
        raise bad(f"{found} cannot be read: {error.strerror}") from error


def read_digits(source: st.Digits, base: Path, override: Sequence[Path] | None, seed: int) -> Read:
    """8 x 8 pixels scaled from 0..16 to [-1, 1]; a stratified fifth is the test split, the same for everyone."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    pixels, labels = load_digits(return_X_y=True)
    x, y = (pixels / 8 - 1).astype(np.float32), labels.astype(np.int64)
    if source.split == "all":
        return {"x": x, "y": y}, None
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=TEST_SHARE, random_state=0, stratify=y)
    test = {"x": x_test, "y": y_test}
    return (test, None) if source.split == "test" else ({"x": x_train, "y": y_train}, test)


def read_points(source: st.Checkerboard, base: Path, override: Sequence[Path] | None, seed: int) -> Read:
    x, y = sampler(source)(generator(seed, DRAW), source.count or 1)
    return {"x": x, "y": y}, None


def read_function(source: st.FunctionSource, base: Path, override: Sequence[Path] | None, seed: int) -> Read:
    tree = _formula(source.formula)
    width = width_of(source.formula)
    x = generator(seed, DRAW).uniform(source.low, source.high, (source.count, width))
    try:
        y = np.broadcast_to(_value(tree.body, {f"x{i}": x[:, i] for i in range(width)}), (source.count,))
    except (OverflowError, RecursionError) as error:
        raise bad(f"the formula `{source.formula[:60]}` is too large") from error
    if not np.isfinite(y).all():
        raise bad(f"the formula `{source.formula}` is not finite everywhere on [{source.low}, {source.high}]")
    return {"x": x, "y": y}, None


FUNCTIONS: dict[str, Any] = {
    name: getattr(np, name) for name in ("sin", "cos", "tan", "tanh", "exp", "log", "sqrt", "abs", "sign")
}
OPERATORS: dict[type[ast.AST], Any] = {
    ast.Add: np.add, ast.Sub: np.subtract, ast.Mult: np.multiply, ast.Div: np.divide, ast.Pow: np.power,
    ast.USub: np.negative, ast.UAdd: np.positive,
}  # fmt: skip


def _formula(text: str) -> ast.Expression:
    """The formula's tree; only numbers, x0, x1, ..., arithmetic and a few functions are allowed."""
    try:
        tree = ast.parse(text.replace("^", "**"), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise bad(f"`{text}` is not a formula") from error
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Name)
            and node.id not in FUNCTIONS
            and not (node.id[:1] == "x" and node.id[1:].isdigit())
        ):
            raise bad(f"`{node.id}` in a formula: there are x0, x1, ... and {', '.join(FUNCTIONS)}")
        if isinstance(node, ast.Name) and node.id[1:].isdigit() and int(node.id[1:]) > 1000:
            raise bad(f"`{node.id}` in a formula: that is too many variables")
    return tree


def _value(node: ast.AST, names: Arrays) -> Any:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in names:
            return names[name]
        case ast.UnaryOp(op=op, operand=operand) if type(op) in OPERATORS:
            return OPERATORS[type(op)](_value(operand, names))
        case ast.BinOp(left=left, op=op, right=right) if type(op) in OPERATORS:
            with np.errstate(all="ignore"):
                return OPERATORS[type(op)](_value(left, names), _value(right, names))
        case ast.Call(func=ast.Name(id=name), args=[argument], keywords=[]) if name in FUNCTIONS:
            with np.errstate(all="ignore"):
                return FUNCTIONS[name](_value(argument, names))
    raise bad(f"`{ast.unparse(node)}` has no place in a formula")


def read_npz(source: st.Npz, base: Path, override: Sequence[Path] | None, seed: int) -> Read:
    path = _file(source.path, base, override)
    try:
        arrays = read_arrays(path)
        if "" in arrays:
            raise ValueError("it holds one array, without a name")
    except UNREADABLE as error:
        raise bad(f"{path} is not a numpy .npz file of plain arrays: {error}") from error
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
            raise bad(f"{path}: `{name}` is not an array of numbers")
    return _same_length(path, arrays), None


def read_csv(source: st.Csv, base: Path, override: Sequence[Path] | None, seed: int) -> Read:
    """Columns `x0`, `x1`, ... make the vector `x`; any other column is a field of its own."""
    path = _file(source.path, base, override)
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if row]
    except UnicodeDecodeError as error:
        raise bad(f"{path} is no text in UTF-8", help="save it as UTF-8") from error
    except (OSError, csv.Error) as error:
        raise bad(f"{path} is not a CSV file: {error}") from error
    if len(rows) < 2:
        raise bad(f"{path} needs a line of column names and at least one row")
    header, body = header_of(path, rows[0]), rows[1:]
    for place, row in enumerate(body, 1):
        _check_width(path, place, row, len(header))
    columns = {name: _column(path, name, [row[i].strip() for row in body]) for i, name in enumerate(header)}
    return _vectors(path, columns), None


def _check_width(path: Path, place: int, row: list[str], width: int) -> None:
    if len(row) != width:
        values = "1 value" if len(row) == 1 else f"{len(row)} values"
        raise bad(f"{path}: row {place} has {values}, the header has {width}: {','.join(row)[:60]}")


def _column(path: Path, name: str, cells: list[str]) -> Array:
    """Numbers; or words, the names of labels, where none of the cells is a number."""
    are_numbers = [is_number(cell) for cell in cells]
    if "" in cells:
        raise bad(f"{path}: column `{name}` is empty in row {cells.index('') + 1}")
    if not any(are_numbers):
        return np.array(cells)
    if not all(are_numbers):
        word, number = are_numbers.index(False), are_numbers.index(True)
        told = f"`{cells[word][:60]}` in row {word + 1}, `{cells[number][:60]}` in row {number + 1}"
        raise bad(f"{path}: column `{name}` mixes words and numbers: {told}")
    numbers = np.array([float(cell) for cell in cells])
    whole = bool((np.abs(numbers) < EXACT).all()) and np.array_equal(numbers, np.floor(numbers))
    return numbers.astype(np.int64) if whole and all("." not in c for c in cells) else numbers


def _vectors(path: Path, columns: Arrays) -> Arrays:
    return {
        name: columns[name] if names == [name] else np.stack([_real(path, n, columns[n]) for n in names], 1)
        for name, names in grouped(list(columns)).items()
    }


def _real(path: Path, name: str, column: Array) -> Array:
    if is_words(column):
        raise bad(f"{path}: column `{name}`, a part of a vector, holds words: `{column[0][:60]}`")
    return column.astype(np.float64)


def read_images(source: st.Images, base: Path, override: Sequence[Path] | None, seed: int) -> Read:
    """Every image of a folder as [k, H, W] in [-1, 1]; the names of subfolders, if there are any, are the labels."""
    folder = override[0] if override else base / source.path
    if not folder.exists():
        raise bad(f"there is no folder {folder}", "data-missing")
    if not folder.is_dir():
        raise bad(f"{folder} is no folder of images")
    classes = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")) or [folder]
    pixels, labels = [], []
    for place in classes:
        found = sorted(p for p in place.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
        if not found:
            raise bad(f"there are no images in {place}", "data-missing")
        pixels += [_pixels(path) for path in found]
        labels += [place.name] * len(found)
    if len({p.shape for p in pixels}) > 1:
        raise bad(f"the images of {folder} differ in size: {sorted({p.shape for p in pixels})[:3]}")
    held = {"x": np.stack(pixels)}
    return held | ({"y": np.array(labels)} if classes != [folder] else {}), None


def _pixels(path: Path) -> Array:
    """One image as [k, H, W] in [-1, 1]: k is 1 for grey, else 3."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            array = np.asarray(image.convert("RGB" if image.mode not in ("L", "1") else "L"), np.float32)
    except (*UNREADABLE, struct.error, Image.DecompressionBombError) as error:
        raise bad(f"{path} is no image that can be read: {error}") from error
    return (array / 127.5 - 1).reshape(*array.shape[:2], -1).transpose(2, 0, 1)


def _same_length(path: Path, arrays: Arrays) -> Arrays:
    lengths = {name: len(a) if a.ndim else 0 for name, a in arrays.items()}
    if not lengths or len(set(lengths.values())) > 1 or 0 in lengths.values():
        raise bad(f"the arrays of {path} need one common number of examples, these have {lengths}")
    return arrays


READERS: dict[type[st.Source], Callable[..., Read]] = {
    st.Digits: read_digits, st.Checkerboard: read_points, st.FunctionSource: read_function, st.Npz: read_npz,
    st.Csv: read_csv, st.Images: read_images,
}  # fmt: skip
