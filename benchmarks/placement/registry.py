"""The kernels of ONNX Runtime's CUDA provider, asked of the library that is installed, in a short form of our own.

    python -m benchmarks.placement.registry        writes compiler/onnx/placement/cuda_kernels.txt

A line is an operator of the standard, the versions of it that a kernel is for, and the types that each of its type constraints
allows: `CumSum 14- T2=int32,int64 T=...`. Kernels that differ in one constraint alone share a line. Versions that no opset from
21 on has are left out.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import onnx
import onnxruntime as ort

from benchmarks.placement.stand_in import build, missing
from mai.compiler.onnx.placement.kernels import FIRST_LINE, FOREVER, TABLE

OPSETS = range(21, onnx.defs.onnx_opset_version() + 1)
ASK = """
import json
from onnxruntime.capi.onnxruntime_pybind11_state import get_all_opkernel_def
kernels = [k for k in get_all_opkernel_def() if k.provider == "CUDAExecutionProvider" and not k.domain]
print(json.dumps([[k.op_name, *k.version_range, k.type_constraints] for k in kernels]))
"""
Types = dict[str, frozenset[str]]
Versions = tuple[int, int]


def kernels() -> list[tuple[str, Versions, Types]]:
    """Every kernel for an operator of the standard: its name, first and last version, and types by constraint."""
    with tempfile.TemporaryDirectory() as folder:
        asked = subprocess.run([sys.executable, "-c", ASK], env=build(Path(folder)), capture_output=True, check=True)
    return [
        (name, (first, last), {c: frozenset(map(_short, types)) for c, types in sorted(constraints.items())})
        for name, first, last, constraints in json.loads(asked.stdout)
        if _is_wanted(name, first, last)
    ]


def _short(type_name: str) -> str:
    """`tensor(float)` as `float`; a sequence of tensors keeps its word."""
    return type_name.removeprefix("tensor(").removesuffix(")") if type_name.startswith("tensor(") else type_name


def _is_wanted(name: str, first: int, last: int) -> bool:
    """Whether an operator of some opset that files may have is of these versions."""
    return any(first <= onnx.defs.get_schema(name, o).since_version <= last for o in OPSETS if onnx.defs.has(name, o))


def merged(kernels: list[tuple[str, Versions, Types]]) -> list[str]:
    """The lines of the table, in the order of names."""
    groups: dict[tuple[str, Versions], list[Types]] = defaultdict(list)
    for name, versions, types in kernels:
        groups[name, versions].append(types)
    return [
        _line(name, versions, types) for (name, versions), rows in sorted(groups.items()) for types in _joined(rows)
    ]


def _joined(rows: list[Types]) -> list[Types]:
    """The same kernels in fewer rows: those that differ in one constraint alone become one."""
    for names in sorted({name for row in rows for name in row}):
        same: dict[tuple[tuple[str, frozenset[str]], ...], set[str]] = {}
        for row in rows:
            rest = tuple(item for item in row.items() if item[0] != names)
            same.setdefault(rest, set()).update(row.get(names, ()))
        rows = [dict(sorted({**dict(rest), names: frozenset(own)}.items())) for rest, own in same.items()]
    return rows


def _line(name: str, versions: Versions, types: Types) -> str:
    first, last = versions
    span = f"{first}-" if last >= FOREVER else f"{first}-{last}"
    return " ".join([name, span, *(f"{c}={','.join(sorted(own))}" for c, own in types.items())])


def main() -> int:
    """Write the table; the exit status."""
    reason = missing()
    if reason is not None:
        print(f"registry: skipped, since {reason}")
        return 1
    lines = merged(kernels())
    TABLE.write_text("\n".join([FIRST_LINE.format(version=ort.__version__), *lines]) + "\n", encoding="utf-8")
    print(f"{len(lines)} kernels of ONNX Runtime {ort.__version__}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
