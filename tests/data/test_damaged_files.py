"""Every form of file with every kind of damage: it is read, or refused with the name of the file and what to do; nothing else happens."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import feather, parquet

from mai.compiler.data.batches import load
from mai.compiler.data.source_kinds import Source
from mai.compiler.data.sources.arrays import Arrays
from mai.compiler.data.sources.examples import Examples
from mai.compiler.data.sources.images import Images
from mai.compiler.data.sources.series import Series
from mai.compiler.data.sources.table import Table
from mai.compiler.data.sources.text import Text
from mai.compiler.ir.types import DType, Type
from mai.spec.diagnostics import MaiError

N = 60
NUMBERS, WORDS = np.random.default_rng(0).normal(size=N), ["ant", "bee", "cat"] * (N // 3)
ROWS = "x,y\n" + "".join(f"{x},{y}\n" for x, y in zip(NUMBERS, WORDS, strict=True))
LINES = "".join(json.dumps({"x": x, "y": y, "text": y * 9}) + "\n" for x, y in zip(NUMBERS, WORDS, strict=True))
PIXELS = np.random.default_rng(1).integers(0, 255, (16, 16, 3)).astype(np.uint8)
TABLE = pa.table({"x": NUMBERS, "y": WORDS})
ROW = {"x": Type(DType.REAL), "y": Type(DType.INT, classes=3)}
PICTURE = {"x": Type(DType.REAL, shape=(3, 8, 8))}
TOKENS = {"text": Type(DType.INT, classes=256, shape=(8,))}
WINDOW = {"x": Type(DType.REAL, shape=(4,))}


def image(form: str) -> Callable[[Path], object]:
    return lambda path: Image.fromarray(PIXELS).save(path, form)


def a_table(path: str) -> Source:
    return Table.of({"path": path})


def some_arrays(path: str) -> Source:
    return Arrays.of({"path": path})


def some_images(path: str) -> Source:
    return Images.of({"path": str(Path(path).parent), "size": 8, "channels": 3})


def a_text(path: str) -> Source:
    return Text.of({"path": path})


Form = tuple[Callable[[Path], object], Callable[[str], Source], dict[str, Type]]
FORMS: dict[str, Form] = {
    "a.csv": (lambda p: p.write_text(ROWS), a_table, ROW),
    "a.tsv": (lambda p: p.write_text(ROWS.replace(",", "\t")), a_table, ROW),
    "a.csv.gz": (lambda p: p.write_bytes(gzip.compress(ROWS.encode())), a_table, ROW),
    "a.jsonl": (lambda p: p.write_text(LINES), a_table, ROW),
    "a.parquet": (lambda p: parquet.write_table(TABLE, p), a_table, ROW),
    "a.feather": (lambda p: feather.write_feather(TABLE, str(p)), a_table, ROW),
    "w.csv": (lambda p: p.write_text(ROWS), lambda p: Series.of({"path": p, "window": 4}), WINDOW),
    "x.npy": (lambda p: np.save(p, NUMBERS), some_arrays, {"x": ROW["x"]}),
    "a.npz": (lambda p: np.savez_compressed(p, x=NUMBERS), some_arrays, {"x": ROW["x"]}),
    "a.png": (image("PNG"), some_images, PICTURE),
    "a.jpg": (image("JPEG"), some_images, PICTURE),
    "a.webp": (image("WEBP"), some_images, PICTURE),
    "a.tif": (image("TIFF"), some_images, PICTURE),
    "a.txt": (lambda p: p.write_text(ROWS * 3), a_text, TOKENS),
    "a.txt.gz": (lambda p: p.write_bytes(gzip.compress(ROWS.encode() * 3)), a_text, TOKENS),
    "t.jsonl": (lambda p: p.write_text(LINES), a_text, TOKENS),
    "e.jsonl": (lambda p: p.write_text(LINES), lambda p: Examples.of({"path": p, "longer": "cut"}), TOKENS),
}  # fmt: skip


def over(raw: bytes, value: bytes) -> bytes:
    """The middle of a file written over."""
    begin = len(raw) // 3
    return raw[:begin] + value * 40 + raw[begin + 40 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "whole": lambda raw: raw,
    "empty": lambda raw: b"",
    "a byte": lambda raw: raw[:1],
    "half": lambda raw: raw[: len(raw) // 2],
    "cut": lambda raw: raw[:-10],
    "zeros": lambda raw: over(raw, b"\0"),
    "ones": lambda raw: over(raw, b"\xff"),
    "quotes": lambda raw: over(raw, b'"'),
    "more": lambda raw: raw + b'\n"x',
}
# What is not said with the name of the file: then the `data` line names it.
ELSEWHERE = (
    "`x` holds values that are not finite (NaN or infinite): in row ",
    "the text has 1 tokens",
    "the data has no `",
)


def read(folder: Path, name: str) -> str | None:
    """What is said where a file is refused; None where two batches are read."""
    _, source, fields = FORMS[name]
    try:
        data = load(source(name), fields, 0, folder)
        for step in range(2):
            for field, rows in data.batch(step, 4).items():
                assert rows.shape[1:] == fields[field].shape and np.isfinite(rows).all()
    except MaiError as error:
        (diagnostic,) = error.diagnostics
        assert diagnostic.slug in ("data-bad", "data-missing")
        assert len(diagnostic.message) < 600
        return diagnostic.message
    return None


@pytest.mark.parametrize("name", FORMS)
def test_a_damaged_file_is_read_or_refused(name: str, tmp_path: Path) -> None:
    FORMS[name][0](tmp_path / name)
    raw = (tmp_path / name).read_bytes()
    for damage, change in DAMAGES.items():
        (tmp_path / name).write_bytes(change(raw))
        said = read(tmp_path, name)
        assert said is None or name in said or said.startswith(ELSEWHERE), (damage, said)
        assert damage != "whole" or said is None
        assert said is not None or damage not in ("empty", "a byte")


@pytest.mark.parametrize("name", FORMS)
def test_a_file_with_the_name_of_another_is_read_or_refused(name: str, tmp_path: Path) -> None:
    for other, (write, _, _) in FORMS.items():
        write(tmp_path / other)
        raw = (tmp_path / other).read_bytes()
        (tmp_path / other).unlink()
        (tmp_path / name).write_bytes(raw)
        said = read(tmp_path, name)
        assert said is None or name in said or said.startswith(ELSEWHERE), (other, said)
        assert other != name or said is None
