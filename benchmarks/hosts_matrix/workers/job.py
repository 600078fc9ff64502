"""A job of a worker in Python: a folder with `job.json`, inputs as raw arrays, and afterwards results, or the reason for none.

A worker runs in the engine's own environment, which has numpy and the engine and nothing of mai.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray[Any, Any]]
Engine = Callable[[Path], Callable[[Arrays], Mapping[str, Any]]]  # A file opened; then its results by name for inputs.


def serve(engine: Engine) -> None:
    """Run the jobs in the folders that the command line names."""
    for word in sys.argv[1:]:
        folder = Path(word)
        try:
            _run(folder, engine)
        except Exception as error:  # Engines raise types of their own.
            (folder / "refused.txt").write_text(f"{type(error).__name__}: {error}", encoding="utf-8")


def _run(folder: Path, engine: Engine) -> None:
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    compute = engine(folder / job["model"])
    for number, inputs in enumerate(job["runs"]):
        results = compute({name: _read(folder, port) for name, port in inputs.items()})
        ports = {name: _write(folder, f"out_{number}_{i}.bin", results[name]) for i, name in enumerate(job["outputs"])}
        (folder / f"out_{number}.json").write_text(json.dumps(ports), encoding="utf-8")


def _read(folder: Path, port: dict[str, Any]) -> np.ndarray[Any, Any]:
    return np.fromfile(folder / port["file"], port["dtype"]).reshape(port["dims"])


def _write(folder: Path, file: str, array: Any) -> dict[str, Any]:
    array = np.asarray(array, order="C")
    array.tofile(folder / file)
    return {"file": file, "dtype": array.dtype.name, "dims": list(array.shape)}
