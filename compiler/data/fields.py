"""The fields of a `data` line beside what a source has for them: what fits, and the message where it does not.

Nothing here looks at numbers, so that `mai check` says of shapes what training would say.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from math import prod
from typing import TypeVar

from mai.compiler.ir.operation import describe
from mai.compiler.ir.sizes import Dim, Size, evaluate, symbol, symbols
from mai.compiler.ir.types import DType, Type
from mai.runtime.errors import ModelError
from mai.runtime.inputs.cells import LACKING, MISSING, few_of, is_number, vector_columns
from mai.spec.diagnostics import Diagnostic, MaiError, Word
from mai.spec.diagnostics.suggest import closest

Column = TypeVar("Column")
NO_LABEL = -(2**62)  # In the place of a label that is a number, and missing.
EXACT = 2**53  # Whole numbers beyond it are not all told apart in float64.


def bad(message: str, slug: str = "data-bad", help: str | None = None, word: Word | None = None) -> MaiError:
    """The error for data that do not fit the spec, to be raised; `word` is what of the `data` line it is about."""
    return MaiError([Diagnostic(slug, None, message, help=help, word=word)])


def check_there(name: str, columns: Collection[str], what: str = "") -> None:
    """Refuse a column that a setting names and that is not among those of the data. Raises `MaiError`."""
    if name not in columns:
        start = f"{what} `{name}`, which the data has not" if what else f"the data has no `{name}`"
        raise bad(f"{start}; it has {few_of(columns)}", word=Word(name, closest(name, columns)))


def check_column_of(field: str, column: str, columns: Collection[str]) -> None:
    """Refuse a field whose column, which has the same name but for what stands before it, is not in the data. Raises `MaiError`."""
    if column not in columns:
        guess = closest(column, columns)
        word = Word(field, guess and field.removesuffix(column) + guess, is_field=True)
        raise bad(f"the data has no `{column}`; it has {few_of(columns)}", word=word)


def check_fields_named(names: Iterable[str], fields: Collection[str]) -> None:
    """Refuse fields that `needs` and `words` name and that are none. Raises `MaiError`."""
    for name in names:
        if name not in fields:
            message = f"`needs` and `words` are of fields, there is no field `{name}`: there are {few_of(fields)}"
            raise bad(message, word=Word(name, closest(name, fields)))


def match_columns(
    columns: Mapping[str, Column], is_whole: Callable[[Column], bool], fields: Mapping[str, Type], named: bool = False
) -> dict[str, Column]:
    """What each field takes: by name, or else (unless the source has names of its own) by kind, in their order."""
    left = {n: c for n, c in columns.items() if n not in fields}
    filled: dict[str, Column] = {}
    for name, type_ in fields.items():
        column = columns.get(name)
        if column is None and not named:
            kinds = [n for n, c in left.items() if is_whole(c) == (type_.dtype is DType.INT)]
            column = left.pop(kinds[0]) if kinds else None
        if column is None:
            help = f"name {_columns(name, type_)}, in an npz file an array `{name}`" if named else None
            guess = closest(name, (other for other in columns if other not in fields)) if named else None
            word = Word(name, guess, is_field=True)
            raise bad(f"the data has no `{name}`; it has {few_of(columns)}", help=help, word=word)
        filled[name] = column
    return filled


def shape_of(name: str, type_: Type, in_data: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that a field gives to an example's numbers, of which there must be as many `in_data`; free sizes are the data's."""
    if any(not isinstance(size, int) for size in type_.shape):
        return _filled(name, type_, in_data)
    shape = tuple(s for s in type_.shape if isinstance(s, int))
    if prod(in_data) != prod(shape):
        words = list(in_data) if in_data else "one number"
        raise bad(f"`{name}` is {list(shape)} in the spec and {words} in the data", help=_remedy(name, type_, in_data))
    return shape


def _filled(name: str, type_: Type, in_data: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of a field with free sizes: that in the data, which has as many axes and the same sizes elsewhere."""
    sizes = solved(type_.shape, in_data)
    shape = tuple(int(evaluate(s, lambda n: sizes.get(n, -1))) for s in type_.shape)
    if len(sizes) < len(set().union(*map(symbols, type_.shape))) or prod(shape) != prod(in_data):
        words = list(in_data) if in_data else "one number"
        raise bad(f"`{name}` is {describe(type_.shape)} in the spec and {words} in the data")
    return shape


def solved(shape: Sequence[Size], in_data: Sequence[int]) -> dict[str, int]:
    """The free sizes of a field's shape, by what stands there in the data; where that is flat, of one free size."""
    names = [str(size) for size in shape if isinstance(size, Dim) and size == symbol(str(size))]
    if len(shape) == len(in_data):
        return {str(size): n for size, n in zip(shape, in_data, strict=True) if str(size) in names}
    rest = prod(size for size in shape if isinstance(size, int))
    if len(names) != 1 or sum(isinstance(size, Dim) for size in shape) != 1 or rest == 0 or prod(in_data) % rest:
        return {}
    return {names[0]: prod(in_data) // rest}


def check_sizes(fields: Mapping[str, Type], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Refuse fields in which a free size of one name has different numbers. Raises `MaiError`."""
    seen: dict[str, tuple[int, str]] = {}
    for name, shape in shapes.items():
        for size, number in solved(fields[name].shape, shape).items():
            first, owner = seen.setdefault(size, (number, name))
            if first != number:
                raise bad(f"`{size}` is {first} in `{owner}` and {number} in `{name}`")


def _remedy(name: str, type_: Type, shape: tuple[int, ...]) -> str | None:
    """What may be behind a field that does not fit its data."""
    if type_.rank and not shape:
        return f"a vector has {_columns(name, type_)}"
    first, rest = type_.shape[:1], list(type_.shape[1:])
    if not first or prod(s for s in rest if isinstance(s, int)) != prod(shape):
        return None
    return f"a spec speaks of one example: `{name}: {rest}`; how many at a time is `train(batch = {first[0]})`"


def _columns(name: str, type_: Type) -> str:
    """The columns that a csv file has for a field."""
    width = prod(s for s in type_.shape if isinstance(s, int))
    return f"the columns `{name}0` to `{name}{width - 1}`" if type_.rank else f"a column `{name}`"


def check_whole(name: str, is_whole: bool) -> None:
    """Refuse fractions where the spec has whole numbers. Raises `MaiError`."""
    if not is_whole:
        raise bad(f"`{name}` holds fractions, the spec has whole numbers")


def check_labels(name: str, type_: Type, least: int, most: int) -> None:
    """Refuse labels below 0, or at or above the spec's number of classes. Raises `MaiError`."""
    classes = type_.classes
    if isinstance(classes, int) and not 0 <= least <= most < classes:
        help = _help_with_labels(least, most, classes)
        raise bad(f"`{name}` has labels {least} to {most}, the spec has class[{classes}]", help=help)


def check_label_count(name: str, type_: Type, cells: Collection[str], named: bool, has_gaps: bool) -> None:
    """Refuse more labels than the spec's number of classes, of the texts of a column's cells. Raises `MaiError`.

    Args:
        named: whether cells are names, also where they look like numbers.
        has_gaps: whether a label more may be for what is missing.
    """
    there = [cell for cell in cells if cell.lower() not in MISSING]
    numbers = [float(cell) for cell in there if is_number(cell)]
    if numbers and not named:
        if len(numbers) == len(there) and all(number.is_integer() for number in numbers):
            check_labels(name, type_, int(min(numbers)), int(max(numbers)))
        return
    words = sorted(there if numbers else (cell for cell in cells if cell.lower() not in LACKING))
    if isinstance(type_.classes, int) and len(words) > type_.classes:
        message = f"`{name}` has {len(words)} labels ({few_of(words, 5)}), the spec has class[{type_.classes}]"
        more = ", or one more, for words that are missing or not known" if has_gaps else ""
        raise bad(message, help=f"write class[{len(words)}]{more}")


def _help_with_labels(least: int, most: int, classes: int) -> str | None:
    if (least, most) == (1, classes):
        return "labels begin with 0"
    return f"`class[{most + 1}]` has labels 0 to {most}" if least >= 0 else None


def window(fields: Mapping[str, Type]) -> tuple[str, int, Type]:
    """The one field of a text, and how many tokens it has."""
    name, type_ = next(iter(fields.items()))
    length = type_.shape[0] if type_.rank == 1 else None
    if not isinstance(length, int) or type_.dtype is not DType.INT:
        raise bad(f"text gives rows of tokens: `{name}: tokens[...]`")
    return name, length, type_


def group_columns(columns: list[str], own: Collection[str] = ()) -> dict[str, list[str]]:
    """Columns by field: `x0`, `x1`, ..., all of them, make the vector `x`, any other is a field of its own, and so is one that is called as one of `own`."""
    groups: dict[str, list[str]] = {name: [name] for name in columns if name in own}
    numbered: dict[str, dict[str, None]] = {}
    for name in columns:
        numbered.setdefault(name.rstrip("0123456789"), {})[name] = None
    vectors = {stem: _parts(stem, [*names], stem in own) for stem, names in numbered.items() if stem}
    for name in columns:
        stem = name.rstrip("0123456789")
        if stem != name and vectors.get(stem):
            groups.setdefault(stem, vectors[stem])
        else:
            groups[name] = [name]
    return groups


def _parts(stem: str, numbered: list[str], is_asked: bool) -> list[str]:
    """The columns of a vector, of those that are called as it, with a number behind; none where there are not all of them and nothing asks for it. Raises `MaiError`."""
    if f"{stem}0" not in numbered:
        return []
    try:
        return vector_columns(stem, numbered)
    except ModelError as error:
        if is_asked:
            raise bad(error.message) from error
        return []
