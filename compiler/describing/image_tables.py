"""A table with a column of images, described as images, with one of its other columns as their labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from mai.compiler.data.fields import bad
from mai.compiler.data.files.image_tables import all_origins, folder_of_names, image_columns
from mai.compiler.data.files.pictures import Origin
from mai.compiler.data.files.saved_sets import STATE
from mai.compiler.data.tables.dialect import Stated
from mai.compiler.data.tables.files import TableFile, open_tables, read_blocks
from mai.compiler.describing.columns.column import ColumnSummary
from mai.compiler.describing.images import ImagesSummary, summary_of
from mai.compiler.describing.tables import Field, TableSummary, why_not
from mai.runtime.inputs.cells import few_of

MOST_LABELS = 1000


def images_of_table(table: TableSummary, target: str | None = None) -> ImagesSummary | None:
    """The images of a table, and their labels: those of the `target`, or of the only column that can be labels; None where it has no images.

    Raises:
        MaiError: there is no such target, or a row has no image.
    """
    tables = open_tables(table.files, Stated())
    images = image_columns(tables[0])
    if not images:
        return None
    image, others = images[0], [each for each in table.columns if each.name not in images]
    setting = f", image = {image}" if len(images) > 1 else ""
    chosen = None if target is None else table.column_called(target)
    if target is not None and (chosen is None or chosen.name in images):
        help = few_of([each.name for each in others])
        raise bad(f"{table.files[0]} has no column `{target}` beside its images", help=help)
    fitting = [each for each in others if _can_be_labels(each) and (chosen is None or each is chosen)]
    if target is not None and not fitting:
        raise bad(f"`{target}` cannot be the label of images: it has no few words or whole numbers")
    folder = folder_of_names(tables[0], image)
    setting += f', folder = "{folder}"' if folder else ""
    origins = tuple(all_origins(tables, image, folder))
    place = _place(table.files)
    label = fitting[0] if len(fitting) == 1 else None
    fields = [field for field in table.fields() if field.name not in images]
    written, more = _written(fields, label)
    beside = tuple(field.name for field in fields if label is None or field.name != label.name)
    if label is None:
        summary = summary_of(place, origins, (), settings=setting)
    else:
        gaps = ", missing = drop" if label.missing else ""
        settings = setting + words_setting([label.name] if _are_names(label) else []) + gaps
        summary = summary_of(place, *_labelled(origins, tables, label), label.name, settings)
    choices = tuple(each.name for each in table.columns if each.name in beside and _can_be_labels(each))
    return replace(
        summary, fields=written, settings_of_fields=setting + more, beside=beside, other_labels=choices,
        columns=tuple(images),
    )  # fmt: skip


def _written(fields: Sequence[Field], label: ColumnSummary | None) -> tuple[tuple[str, ...], str]:
    """Fields beside an image as a spec writes them, and their settings: whole numbers of which one is the label are labels."""
    types = {
        field.name: field.type_text if field.columns[0].kind != "word" else f"class[{field.columns[0].distinct}]"
        for field in fields
    }
    names = [field.name for field in fields if field.columns[0].code is not None]
    if label is not None:
        types[label.name] = f"class[{len(label.words)}]"
        names += [label.name] if _are_names(label) and label.name not in names else []
    gaps = ", missing = drop" if any(field.has_gaps for field in fields) else ""
    return tuple(f"{name}: {type_}" for name, type_ in types.items()), words_setting(names) + gaps


def _are_names(label: ColumnSummary) -> bool:
    """Whether whole numbers are names, since they are not 0, 1, ..."""
    return label.kind == "whole" and {*label.words} != {*map(str, range(len(label.words)))}


def words_setting(names: Sequence[str]) -> str:
    """The setting that says which fields are names; nothing for none."""
    return f", words = {names[0] if len(names) == 1 else '[' + ', '.join(names) + ']'}" if names else ""


def _can_be_labels(column: ColumnSummary) -> bool:
    return column.kind in ("word", "whole") and 1 < len(column.words) <= MOST_LABELS and why_not(column) is None


def _place(files: Sequence[Path]) -> Path:
    """The table, or the folder of its files where it has several, or was saved as one."""
    folder = files[0].parent
    return folder if len(files) > 1 or (folder / STATE).is_file() else files[0]


def _labelled(
    origins: Sequence[Origin], tables: Sequence[TableFile], label: ColumnSummary
) -> tuple[tuple[Origin, ...], tuple[str, ...]]:
    """The images that have a label, and their labels."""
    pairs = [pair for pair in zip(origins, _texts(tables, label.name), strict=True) if pair[1]]
    return tuple(origin for origin, _ in pairs), tuple(text for _, text in pairs)


def _texts(tables: Sequence[TableFile], column: str) -> Iterator[str]:
    for table in tables:
        for block in read_blocks(table, [table.columns[column]]):
            values: pa.Array = block[table.columns[column]]
            yield from ("" if value is None else str(value).strip() for value in values.to_pylist())
