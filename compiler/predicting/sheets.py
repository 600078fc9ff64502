"""Answers as a spreadsheet of one sheet, in Office Open XML (ECMA-376): written row by row, with the standard library alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import IO
from xml.sax.saxutils import escape
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pyarrow as pa

from mai.compiler.data.fields import bad
from mai.runtime.arrays import with_words

MOST_ROWS = 1 << 20  # Of a sheet, with its names.
EXACT = 10**15  # Whole numbers below it are kept by a sheet, which has 15 digits.
DAY_ZERO = datetime(1899, 12, 30)  # Of spreadsheets.
FIRST_DAY = datetime(1900, 3, 1)  # Before it they have a day, the 29th of February 1900, that there was not.
DAY, TIME = 1, 2  # The places of these forms in `FORMS`.
UNREADABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")  # What XML has no letter for.
OFFICE = "http://schemas.openxmlformats.org"
SHEET, PARTS = f"{OFFICE}/spreadsheetml/2006/main", f"{OFFICE}/package/2006/relationships"
LINKS = f"{OFFICE}/officeDocument/2006/relationships"
KIND = "application/vnd.openxmlformats-officedocument.spreadsheetml"
USUAL = 'fontId="0" fillId="0" borderId="0"'
FORMS = "".join(f'<xf numFmtId="{form}" {USUAL} xfId="0" applyNumberFormat="1"/>' for form in (0, 14, 22))
STYLES = (
    '<fonts count="1"><font><sz val="11"/><name val="Calibri"/></font></fonts>'
    '<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>'
    '<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>'
    f'<cellStyleXfs count="1"><xf numFmtId="0" {USUAL}/></cellStyleXfs><cellXfs count="3">{FORMS}</cellXfs>'
    '<cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles>'
)
BOOK = {
    "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    f'<Override PartName="/xl/workbook.xml" ContentType="{KIND}.sheet.main+xml"/>'
    f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{KIND}.worksheet+xml"/>'
    f'<Override PartName="/xl/styles.xml" ContentType="{KIND}.styles+xml"/></Types>',
    "_rels/.rels": f'<Relationships xmlns="{PARTS}"><Relationship Id="r1" Type="{LINKS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    "xl/workbook.xml": f'<workbook xmlns="{SHEET}" xmlns:r="{LINKS}"><sheets><sheet name="Sheet1" sheetId="1" r:id="r1"/></sheets></workbook>',
    "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{PARTS}"><Relationship Id="r1" Type="{LINKS}/worksheet" Target="worksheets/sheet1.xml"/>'
    f'<Relationship Id="r2" Type="{LINKS}/styles" Target="styles.xml"/></Relationships>',
    "xl/styles.xml": f'<styleSheet xmlns="{SHEET}">{STYLES}</styleSheet>',
}
DECLARED = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'


@contextmanager
def write_sheet(stream: IO[bytes]) -> Iterator[Callable[[pa.Table], None]]:
    """What writes tables below one another; the first one's names stand above. Raises `MaiError` for more rows than a sheet has."""
    with ZipFile(stream, "w", ZIP_DEFLATED) as book:
        for name, text in BOOK.items():
            book.writestr(name, DECLARED + text)
        with book.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            sheet.write(f'{DECLARED}<worksheet xmlns="{SHEET}"><sheetData>'.encode())
            count = 0

            def write(table: pa.Table) -> None:
                nonlocal count
                rows = [*([table.column_names] if not count else []), *zip(*map(_values, table.columns), strict=True)]
                count += len(rows)
                if count > MOST_ROWS:
                    raise bad(f"a sheet has {MOST_ROWS:,} rows, these are more", help="write a .csv or .parquet file")
                sheet.write("".join(f"<row>{''.join(map(_cell, row))}</row>" for row in rows).encode())

            yield write
            sheet.write(b"</sheetData></worksheet>")


def _values(column: pa.ChunkedArray) -> list[object]:
    """The values of a column; real numbers of 32 bits in the fewest digits that are theirs alone."""
    if pa.types.is_float32(column.type):
        return [None if value is None else float(str(np.float32(value))) for value in column.to_pylist()]
    return [*column.to_pylist()]


def _cell(value: object) -> str:
    match value:
        case None:
            return "<c/>"
        case bool():
            return f'<c t="b"><v>{value:d}</v></c>'
        case float() if not np.isfinite(value):
            return "<c/>" if np.isnan(value) else _text(str(value))
        case float():
            return f"<c><v>{value!r}</v></c>"
        case int() if abs(value) < EXACT:
            return f"<c><v>{value}</v></c>"
        case datetime() if value.tzinfo is None and value >= FIRST_DAY:
            return f'<c s="{TIME}"><v>{(value - DAY_ZERO).total_seconds() / 86400!r}</v></c>'
        case date() if not isinstance(value, datetime) and value >= FIRST_DAY.date():
            return f'<c s="{DAY}"><v>{(value - DAY_ZERO.date()).days}</v></c>'
        case list() | dict():
            return _text(json.dumps(with_words(value), default=str, ensure_ascii=False))
    return _text(str(value))


def _text(text: str) -> str:
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(UNREADABLE.sub("", text))}</t></is></c>'
