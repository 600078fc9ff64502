"""What Arrow's types and schemas say of columns: lists, texts, images, and names of labels, as Hugging Face's `datasets` keeps them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from mai.compiler.data.fields import bad
from mai.compiler.data.tables.numerals import CODE, Decimal, ways_to_write
from mai.runtime.files import UNREADABLE
from mai.runtime.inputs.cells import MISSING, TRUTHS, is_number

METADATA, CLASS_LABEL = b"huggingface", "ClassLabel"
BYTES, PATH = "bytes", "path"  # Of an image, the fields of its struct.

Names = Mapping[str, Sequence[str]]


def label_names(schema: pa.Schema) -> Names:
    """The names of the whole numbers of columns, from 0 on, by column; none where no metadata has them."""
    try:
        features = json.loads((schema.metadata or {})[METADATA])["info"]["features"].items()
    except UNREADABLE:
        return {}
    # A list of values is described by a list.
    described = {name: each for name, each in features if isinstance(each, dict)}
    labels = {name: each.get("names") for name, each in described.items() if each.get("_type") == CLASS_LABEL}
    return {name: each for name, each in labels.items() if isinstance(each, list) and _is_whole(schema, name)}


def with_names(path: Path, block: Mapping[str, pa.Array], names: Names) -> Mapping[str, pa.Array]:
    """Columns, those of labels by their names; -1 stands for no label. Raises `MaiError` for a number that has no name."""
    return {
        column: _named(path, column, each, names[column]) if column in names else each for column, each in block.items()
    }


def _named(path: Path, column: str, numbers: pa.Array, names: Sequence[str]) -> pa.Array:
    most = pc.max(numbers).as_py()
    if most is not None and most >= len(names):
        raise bad(f"{path}: `{column}` has the label {most}, its schema has the names of {len(names)}, from 0 on")
    numbers = pc.if_else(pc.less(numbers, 0), pa.scalar(None, numbers.type), numbers)
    return pa.DictionaryArray.from_arrays(numbers.cast(pa.int32()), pa.array(map(str, names), pa.string()))


def _is_whole(schema: pa.Schema, name: str) -> bool:
    return name in schema.names and bool(pa.types.is_integer(schema.field(name).type))


def decoded(values: pa.Array) -> pa.Array:
    """Values themselves, where Arrow keeps their numbers in a dictionary of them."""
    return values.dictionary_decode() if pa.types.is_dictionary(values.type) else values


def is_list(kind: pa.DataType) -> bool:
    """Whether the values of Arrow's type are lists."""
    return bool(pa.types.is_fixed_size_list(kind) or pa.types.is_list(kind) or pa.types.is_large_list(kind))


def is_text(kind: pa.DataType) -> bool:
    """Whether the values of Arrow's type are texts."""
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or str(kind) == "string_view")


def is_image(kind: pa.DataType) -> bool:
    """Whether values of a type can be images: the bytes of a file, or a struct of them and the file's path."""
    if not pa.types.is_struct(kind):
        return _is_bytes(kind)
    fields = {field.name: field.type for field in kind}
    return {*fields} == {BYTES, PATH} and _is_bytes(fields[BYTES])


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def plain_numbers(text: pa.Array, decimal: Decimal) -> pa.Array | None:
    """Texts as numbers, where all are without signs of money, shares and thousands; None where some are not."""
    if decimal == ",":
        if pc.any(pc.match_substring(text, ".")).as_py():
            return None
        text = pc.replace_substring(text, ",", ".")
    try:
        return text.cast(pa.float64())
    except pa.ArrowInvalid:
        return None


def numbers_or_truths(text: pa.Array, decimal: Decimal) -> pa.Array | None:
    """The same, and 1 and 0 where all that say something are `true` and `false`, in any letters."""
    numbers = plain_numbers(text, decimal)
    if numbers is not None:
        return numbers
    words = pc.if_else(lacks_values(text), pa.scalar(None, pa.string()), pc.utf8_lower(text))
    are_truths = pc.all(pc.is_in(words, value_set=pa.array(TRUTHS)).filter(words.is_valid())).as_py()
    return pc.equal(words, TRUTHS[1]).cast(pa.float64()) if are_truths and words.null_count < len(words) else None


def without(values: pa.Array, absent: Collection[str]) -> pa.Array:
    """Values, null in the place of those that are `absent`, texts or numbers."""
    values = decoded(values) if absent else values
    kind = values.type
    if absent and is_text(kind):
        written = sorted({way for each in absent for way in ways_to_write(each)})
        are_absent = pc.is_in(
            pc.utf8_trim_whitespace(values.cast(pa.string())), value_set=pa.array(written, pa.string())
        )
    elif absent and (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        exact = (
            kind.to_pandas_dtype() if pa.types.is_floating(kind) else np.float64
        )  # -99.9 of 32 bits is another number.
        numbers = np.array([float(each) for each in absent if is_number(each)], exact).astype(np.float64)
        are_absent = pc.is_in(values.cast(pa.float64(), safe=False), value_set=pa.array(numbers))
    else:
        return values
    return pc.if_else(are_absent, pa.scalar(None, kind), values)


def first_code(text: pa.Array) -> str:
    """The first of some texts that is digits which begin with a 0, as a postcode is; nothing where none is."""
    begin_so = text.filter(pc.starts_with(text, "0"))
    codes = begin_so.filter(pc.match_substring_regex(begin_so, CODE))
    return codes[0].as_py() if len(codes) else ""


def lacks_values(text: pa.Array) -> pa.Array:
    """Whether each of some texts says, as among numbers and dates, that there is no value."""
    return pc.is_in(pc.utf8_lower(text.fill_null("")), value_set=pa.array(sorted(MISSING)))


def as_names(values: pa.Array) -> pa.Array:
    """Values as names: a whole number is the same however it is written, 3 or 3.0."""
    return pc.replace_substring_regex(values.cast(pa.string()), r"^([-+]?\d+)\.0+$", r"\1")
