"""Results to files: arrays as `.npy`, `.npz`, `.csv` or `.json`; pictures as `.png`, `.svg` or `.pdf`, moving as `.gif`."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mai.runtime.arrays import Array, as_npz
from mai.runtime.errors import ModelError
from mai.runtime.files import write_atomically
from mai.runtime.inputs.dates import nearest_date
from mai.runtime.inputs.labels import result_names
from mai.runtime.model.manifest import Manifest, Port

if TYPE_CHECKING:
    from mai.runtime.show.picture import Look

PICTURES = (".png", ".svg", ".pdf")
MOVING = (".gif",)
ARRAYS = (".npy", ".npz", ".csv", ".json")
TEXTS = (".txt",)
HOLDS_SEVERAL = (".npz", ".json")


def check_ending(path: Path) -> None:
    """Check, before a long run, that mai can write a file with this ending.

    Raises:
        ModelError: `out-unknown`: it cannot.
    """
    _check_among(path, "write", PICTURES + MOVING + ARRAYS + TEXTS)


def check_picture(path: Path, endings: Sequence[str] = PICTURES) -> None:
    """Check that mai can draw into a file with this ending.

    Raises:
        ModelError: `out-unknown`: it cannot.
    """
    _check_among(path, "draw", endings)


def _check_among(path: Path, verb: str, endings: Sequence[str]) -> None:
    if path.suffix.lower() not in endings:
        message = f"mai cannot {verb} {path.suffix or 'a file without an ending'}"
        raise ModelError("out-unknown", message, f"use {', '.join(endings)}")


def check_kind(path: Path, manifest: Manifest) -> None:
    """Check, before a long run, that a file which generates text is saved as `.txt`, and no other file is.

    Raises:
        ModelError: `out-unknown`: the ending does not fit.
    """
    is_text = path.suffix.lower() in TEXTS
    gives_text = manifest.text is not None and manifest.tokenizer is not None
    if gives_text and not is_text:
        raise ModelError("out-unknown", f"{manifest.export} gives a text, which is no {path.suffix}", "use .txt")
    if is_text and manifest.text is None:
        raise ModelError("out-unknown", f"{manifest.export} gives no text", "use .npz or .json, or a picture")


def save(results: Mapping[str, Array], path: Path, manifest: Manifest, look: Look | None = None) -> list[Path]:
    """Write results in the format that the ending of `path` names.

    A format that holds one array alone has a file for each result: `out.csv` becomes `out.NAME.csv`, a table as `as_csv` has it. A `.gif`
    is made of each result that is a path; the others are left out.

    Args:
        results: arrays by the names of the outputs, [batch, ...] each.
        look: what a picture shows beside them.

    Returns:
        The files that were written.

    Raises:
        ModelError: the ending is unknown, a file cannot be written, or a `.gif` is asked for and no result is a path.
    """
    check_ending(path)
    ports = {p.name: p for p in manifest.outputs}
    several = len(results) > 1
    if path.suffix.lower() in MOVING:
        results = {name: results[name] for name in path_names([ports[name] for name in results])}
    parts = {path: results}
    if len(results) > 1 and path.suffix.lower() not in HOLDS_SEVERAL:
        parts = {path.with_suffix(f".{name}{path.suffix}"): {name: array} for name, array in results.items()}
    for target, part in parts.items():
        try:
            _write(part, target, manifest, look.of(next(iter(part))) if look and several else look)
        except OSError as error:
            raise ModelError("out-unknown", f"cannot write {target}: {error.strerror}") from error
    return list(parts)


def path_names(ports: Sequence[Port]) -> list[str]:
    """The names of the outputs that are paths, which a `.gif` can show.

    Raises:
        ModelError: `not-a-path`: none is.
    """
    from mai.runtime.show.animate import check_is_path

    paths = [port.name for port in ports if port.path is not None]
    if not paths:
        check_is_path(ports[0])
    return paths


def _write(results: Mapping[str, Array], path: Path, manifest: Manifest, look: Look | None) -> None:
    name, first = next(iter(results.items()))
    ending, ports = path.suffix.lower(), {port.name: port for port in manifest.outputs}
    if ending in PICTURES:
        from mai.runtime.show.picture import draw

        draw(first, ports[name], path, look)
        return
    if ending in MOVING:
        from mai.runtime.show.animate import animate, motion_of

        motion = motion_of(first, ports[name], look.labels if look else None)
        animate(motion, path, title=look.title if look else "")
        return
    if ending in TEXTS:
        raise ModelError("out-unknown", f"`{name}` is no text", "use .npz or .json")
    write_atomically(path, as_csv(first, ports[name], manifest) if ending == ".csv" else _raw(results, ending))


def as_csv(result: Array, port: Port, manifest: Manifest) -> bytes:
    """A result [examples, ...] as a table: a row each, labels by their names and dates as such, as `mai predict` writes them.

    The columns are called as the result is, or `x0`, `x1`, ... of several numbers, or `x.NAME` of those that labels have.
    """
    rows = np.atleast_1d(result).reshape(len(np.atleast_1d(result)), -1)
    is_label, names = port.dtype == "int64", result_names(manifest, port)
    entries = names if not is_label and len(names) == rows.shape[1] else []
    heads = [f"{port.name}.{each}" for each in entries] or [f"{port.name}{place}" for place in range(rows.shape[1])]
    table = io.StringIO(newline="")
    lines = csv.writer(table, lineterminator="\n")
    lines.writerow(heads if result.ndim > 1 else [port.name])
    if is_label and names:
        lines.writerows([names[each] if 0 <= each < len(names) else each for each in row] for row in rows.tolist())
    elif port.dates is not None:
        lines.writerows([nearest_date(each, port.dates) for each in row] for row in rows.astype(float).tolist())
    else:
        np.savetxt(table, rows, delimiter=",", fmt="%.9g" if rows.dtype.kind == "f" else "%d")
    return table.getvalue().encode()


def _raw(results: Mapping[str, Array], ending: str) -> bytes:
    """The bytes of a file of arrays; a `.npy` holds the first result alone."""
    if ending == ".npz":
        return as_npz(results, zipfile.ZIP_DEFLATED)
    file = io.BytesIO()
    if ending == ".npy":
        np.save(file, next(iter(results.values())))
    else:
        file.write(json.dumps({name: array.tolist() for name, array in results.items()}).encode() + b"\n")
    return file.getvalue()
