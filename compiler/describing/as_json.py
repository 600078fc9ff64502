"""Descriptions for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import singledispatch

from mai.compiler.describing.arrays import ArraysSummary, ArraySummary
from mai.compiler.describing.columns.column import ColumnSummary
from mai.compiler.describing.columns.numbers import Numbers
from mai.compiler.describing.drawn import DrawnSummary
from mai.compiler.describing.images import ImagesSummary
from mai.compiler.describing.lines import Summary, data_line, moment
from mai.compiler.describing.tables import TableSummary
from mai.compiler.describing.texts import TextSummary

MOST_VALUES = 1000
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def as_json(summary: Summary | None, taken: Mapping[str, str] | None = None) -> str:
    """A description, the line to paste, and what a spec takes of each column, where one was asked for."""
    described: dict[str, object] = {} if summary is None else _of(summary) | {"data": data_line(summary)}
    return json.dumps(described | ({} if taken is None else {"spec": dict(taken)}), indent=2, ensure_ascii=False)


@singledispatch
def _of(summary: Summary) -> dict[str, object]:
    raise TypeError(type(summary))


@_of.register
def _(summary: TableSummary) -> dict[str, object]:
    reasons = {column.name: why for column, why in summary.left_out()}
    return {
        "files": [str(each) for each in summary.files],
        "kind": summary.kind,
        "rows": summary.rows,
        "notes": [*summary.notes],
        "columns": [_column(each, reasons.get(each.name)) for each in summary.columns],
    }


@_of.register
def _(summary: ImagesSummary) -> dict[str, object]:
    return {
        "folder": str(summary.place),
        "kind": "images",
        "images": len(summary.files),
        "classes": dict(summary.classes),
        "sizes": [{"width": w, "height": h, "images": count} for (w, h), count in summary.sizes],
        "modes": dict(summary.modes),
        "damaged": [str(each) for each in summary.damaged],
    }


@_of.register
def _(summary: TextSummary) -> dict[str, object]:
    return {
        "files": [str(each) for each in summary.files],
        "kind": "text",
        "bytes": summary.size,
        "characters": summary.characters,
        "lines": summary.lines,
        "longest": summary.longest,
        "counts": dict(summary.counts[:MOST_VALUES]),
    }


@_of.register
def _(summary: ArraysSummary) -> dict[str, object]:
    return {
        "files": [str(each) for each in summary.files],
        "kind": "arrays",
        "arrays": [_array(each) for each in summary.arrays],
    }


@_of.register
def _(summary: DrawnSummary) -> dict[str, object]:
    return {
        "source": summary.source,
        "kind": "drawn",
        "examples": summary.count,
        "arrays": [_array(each) for each in summary.arrays.arrays],
    }


def _column(column: ColumnSummary, left_out: str | None) -> dict[str, object]:
    about: dict[str, object] = {
        "name": column.name,
        "kind": column.kind,
        "missing": column.missing,
        "distinct": column.distinct,
        "counts": dict(column.counts[:MOST_VALUES]),
    }
    if column.numbers is not None and column.numbers.count:
        about["numbers"] = _numbers(column.numbers)
        if column.kind == "date":
            about["from"], about["to"] = moment(column.numbers.low), moment(column.numbers.high)
            about["in_utc"] = column.in_utc
    if column.turns is not None:
        about["conversations"] = {
            "messages": _numbers(column.turns.messages),
            "bytes": _numbers(column.turns.bytes),
            "roles": dict(column.turns.roles),
        }
    return about | ({"left_out": left_out} if left_out else {})


def _array(array: ArraySummary) -> dict[str, object]:
    about = {"name": array.name, "shape": [*array.shape], "dtype": array.dtype, "missing": array.missing}
    return about | ({"numbers": _numbers(array.numbers)} if array.numbers.count else {})


def _numbers(numbers: Numbers) -> dict[str, object]:
    return {
        "low": numbers.low,
        "high": numbers.high,
        "mean": numbers.mean,
        "deviation": numbers.deviation,
        "quantiles": {str(share): numbers.quantile(share) for share in QUANTILES},
        "infinite": numbers.infinite,
    }
