"""The same files in WebAssembly, as a browser has it, against ONNX Runtime here, one thread each.

    python -m benchmarks.hosts

Needs node, and onnxruntime-web as `make test` installs it.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import interleaved, medians, ratio, record, seconds, table
from benchmarks.samplers.sampler import Run
from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load

ROOT = Path(__file__).parents[1]
INSTALLED, LIBRARY = ROOT / ".venv" / "hosts", ROOT / "runtime" / "web" / "mai.mjs"
HERE, THERE = "here", "WebAssembly"
ROUNDS = 5
# An example, its export, what it is called with, and what that makes.
ROWS: list[tuple[str, str, dict[str, Any], str]] = [
    ("moons_flow", "sample", {"batch": 1000}, "1,000 points, rk4 × 20"),
    ("moons_flow", "sample", {"batch": 1}, "one point, rk4 × 20"),
    ("dit", "sample", {"y": list(range(8))}, "8 images with guidance, Euler × 20"),
    ("digits_unet", "sample", {"y": list(range(8))}, "8 images with guidance, Euler × 20"),
    ("char_gpt", "generate", {"prompt": [[84, 104, 101]], "count": 128}, "128 tokens"),
]


def missing() -> str | None:
    """Why nothing can be measured here; None where it can."""
    if shutil.which("node") is None:
        return "there is no node here"
    return None if (INSTALLED / "node_modules").is_dir() else f"there is no onnxruntime-web in {INSTALLED}: make test"


@contextmanager
def node() -> Iterator[Any]:
    """A function that runs a file on values in one Node process, one call after the other."""
    command = ["node", str(Path(__file__).with_suffix(".mjs")), str(LIBRARY), str(INSTALLED)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, answers = process.stdin, process.stdout

        def call(file: Path, values: dict[str, Any]) -> None:
            print(json.dumps({"file": str(file), "values": values}), file=asked, flush=True)
            if answers.readline().strip() != "done":
                raise RuntimeError(f"{file.name} failed in Node")

        yield call
        process.stdin.close()


def compiled(name: str, export_name: str, folder: Path) -> Path:
    """The file of one export of an example, with random weights."""
    program = check(ROOT / "examples" / f"{name}.mai").program
    assert program is not None
    weights, _ = load_weights(program, None)
    return export(program, export_name, Trained(weights), folder, CompileOptions(verify=False)).path


def measured(file: Path, values: dict[str, Any], there: Any) -> dict[str, Any]:
    """Seconds a call here and in WebAssembly, and the ratio of the two."""
    model = load(file, providers="cpu", threads=1)
    arguments = {name: np.array(value) if isinstance(value, list) else value for name, value in values.items()}
    variants: dict[str, Run] = {HERE: lambda: model(**arguments), THERE: lambda: there(file, values)}
    times = interleaved(variants, ROUNDS)
    return {**medians(times), "ratio": ratio(times, THERE, HERE)}


def main() -> None:
    """Measure, print and record the table."""
    reason = missing()
    if reason is not None:
        print(f"left out: {reason}")
        return
    figures = []
    with tempfile.TemporaryDirectory() as folder, node() as there:
        for name, export_name, values, what in ROWS:
            file = compiled(name, export_name, Path(folder))
            figures.append({"row": f"{name}: {what}", **measured(file, values, there)})
            print(f"measured: {figures[-1]['row']}", flush=True)
    rows = [[f["row"], seconds(f[THERE]), seconds(f[HERE]), f"{f['ratio']:.1f} ×"] for f in figures]
    record("hosts", table(["one call", THERE, HERE, "as slow"], rows), {"rounds": ROUNDS, "rows": figures})


if __name__ == "__main__":
    main()
