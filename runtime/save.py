"""Results to files: arrays as `.npy`, `.npz`, `.csv` or `.json`; pictures as `.png`, `.svg` or `.pdf`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mai.runtime.errors import ModelError
from mai.runtime.manifest import Manifest

Array = np.ndarray[Any, Any]
PICTURES = (".png", ".svg", ".pdf")
ARRAYS = (".npy", ".npz", ".csv", ".json")


def save(results: Mapping[str, Array], path: Path, manifest: Manifest, *, title: str = "", labels: Array | None = None) -> None:
    """Write results by name; the ending of `path` says how. Raises `ModelError` for another ending."""
    if path.suffix not in PICTURES + ARRAYS:
        known = ", ".join(PICTURES + ARRAYS)
        raise ModelError("out-unknown", f"mai cannot write {path.suffix or 'a file without an ending'}", f"use {known}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(results, path, manifest, title, labels)
    except OSError as error:
        raise ModelError("out-unknown", f"cannot write {path}: {error.strerror}") from error


def _write(results: Mapping[str, Array], path: Path, manifest: Manifest, title: str, labels: Array | None) -> None:
    first = next(iter(results.values()))
    if path.suffix in PICTURES:
        from mai.runtime.picture import draw

        draw(first, manifest.outputs[0], path, title=title, labels=labels)
    elif path.suffix == ".npz":
        np.savez_compressed(path, **{name: array for name, array in results.items()})  # type: ignore[arg-type]
    elif path.suffix == ".npy":
        np.save(path, first)
    elif path.suffix == ".csv":
        np.savetxt(path, first.reshape(len(first), -1) if first.ndim else first[None, None], delimiter=",", fmt="%.9g")
    else:
        path.write_text(json.dumps({name: array.tolist() for name, array in results.items()}) + "\n", encoding="utf-8")
