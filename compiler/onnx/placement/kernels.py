"""The operators and types that ONNX Runtime's CUDA provider has kernels for: a table, and what is asked of it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import onnx

TABLE = Path(__file__).with_name("cuda_kernels.txt")
FIRST_LINE = (
    "# ONNX Runtime {version}, CUDA: operator, versions, types. Written by python -m benchmarks.placement.registry"
)
FOREVER = 2**31 - 1  # The last version of a kernel that has none.
# Which inputs CUDA's kernels read on the host (their shapes and axes; what a loop turns by), by place; and which outputs they leave there.
INPUTS_ON_HOST: dict[str, tuple[int, ...]] = {
    "Clip": (1, 2), "ConstantOfShape": (0,), "CumSum": (1,), "Expand": (1,), "If": (0,), "Loop": (0, 1), "OneHot": (1, 2),
    "Pad": (1, 2, 3), "Range": (0, 1, 2), "ReduceL1": (1,), "ReduceL2": (1,), "ReduceLogSum": (1,),
    "ReduceLogSumExp": (1,), "ReduceMax": (1,), "ReduceMean": (1,), "ReduceMin": (1,), "ReduceProd": (1,), "ReduceSum": (1,),
    "ReduceSumSquare": (1,), "Reshape": (1,), "Resize": (1, 2, 3), "Slice": (1, 2, 3, 4), "Split": (1,), "Squeeze": (1,),
    "Tile": (1,), "TopK": (1,), "Trilu": (1,), "Unsqueeze": (1,),
}  # fmt: skip
OUTPUTS_ON_HOST = frozenset({"Shape", "Size", "SequenceLength"})


@dataclass(frozen=True, slots=True)
class Kernel:
    """A kernel: the versions of its operator that it is for, and the types that each constraint allows."""

    first: int
    last: int
    types: dict[str, frozenset[str]]

    def is_of(self, version: int) -> bool:
        """Whether it is for a version of its operator. One without a last version is for its first alone, as ONNX Runtime has it."""
        return version == self.first or (self.last < FOREVER and self.first <= version <= self.last)


@cache
def table() -> tuple[str, dict[str, list[Kernel]]]:
    """The version of ONNX Runtime, and the kernels of each operator."""
    head, *lines = TABLE.read_text(encoding="utf-8").splitlines()
    kernels: dict[str, list[Kernel]] = {}
    for line in lines:
        name, span, *types = line.split()
        first, last = span.split("-")
        allowed = {c: frozenset(own.split(",")) for c, _, own in (word.partition("=") for word in types)}
        kernels.setdefault(name, []).append(Kernel(int(first), int(last or FOREVER), allowed))
    version = re.search(r"ONNX Runtime (\S+),", head)
    assert version is not None
    return version[1], kernels


def has_kernel(operator: str, opset: int, inputs: Iterable[str | None], outputs: Iterable[str | None]) -> bool:
    """Whether CUDA computes an operator of the standard on inputs and outputs of these types ("float", "int64"; None is left out)."""
    kernels = table()[1].get(operator)
    if kernels is None:
        return False
    schema = onnx.defs.get_schema(operator, opset)
    typed = [*_typed(schema.inputs, inputs), *_typed(schema.outputs, outputs)]
    return any(k.is_of(schema.since_version) and _allows(k, typed) for k in kernels)


def _typed(
    formal: Iterable[onnx.defs.OpSchema.FormalParameter], types: Iterable[str | None]
) -> list[tuple[str, str, str]]:
    """The name, the constraint and the type of each port that is there; the last formal one may stand for several."""
    ports, actual = list(formal), list(types)
    every = [ports[min(i, len(ports) - 1)] for i in range(len(actual))] if ports else []
    return [(p.name, p.type_str, t) for p, t in zip(every, actual, strict=True) if t is not None]


def _allows(kernel: Kernel, typed: list[tuple[str, str, str]]) -> bool:
    """Whether the types of the ports meet the constraints, which are named by the standard's letters or by a port."""
    return all(t in kernel.types.get(name, kernel.types.get(letter, {t})) for name, letter, t in typed)
