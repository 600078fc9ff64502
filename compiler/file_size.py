"""How many bytes weights take in a file, in each form that a file may keep them in."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from math import prod

from mai.compiler.ir.graph import Graph

LARGEST = 2**31 - 1  # Bytes of one file, which is a protobuf message; what is more has a file of data beside.
TOLD = 10**8  # Bytes of weights whose sizes are printed.
BLOCK = 32  # Numbers in few bits that share a scale.
LEAST = 4096  # Elements of the smallest matrix that gains from few bits.
BESIDE = " (in two files)"
Shape = tuple[int, ...]
# The bits of a number in a matrix, by the option of `mai compile`: codes of few bits have a float32 for each block.
FORMS = {"": 32.0, "--precision fp16": 16.0, "--quantize int8": 8 + 32 / BLOCK, "--quantize int4": 4 + 32 / BLOCK}


def suits(shape: Shape) -> bool:
    """Whether a matrix is large enough for few bits, and its rows are whole blocks."""
    return len(shape) == 2 and shape[1] % BLOCK == 0 and shape[0] * shape[1] >= LEAST


def form_bytes(shapes: Iterable[Shape], form: str) -> int:
    """About how many bytes weights of these shapes take in a form, a key of `FORMS`; what does not suit it stays float32."""
    return sum(int(prod(shape) * (FORMS[form] if _is_narrowed(shape, form) else 32) / 8) for shape in shapes)


def sizes_in_words(graphs: Collection[Graph]) -> str | None:
    """How large the file of the largest export is in each form, and which need a second file; None for small ones."""
    sizes = {form: max((_size(graph, form) for graph in graphs), default=0) for form in FORMS}
    if sizes[""] < TOLD:
        return None
    words = [
        f"{size / 1e9:.2f} GB {f'by {form}' if form else 'as it is'}{BESIDE if size > LARGEST else ''}"
        for form, size in sizes.items()
    ]
    return ", ".join(words)


def _size(graph: Graph, form: str) -> int:
    return sum(prod(weight.counts) * form_bytes([weight.shape], form) for weight in graph.weights.values())


def _is_narrowed(shape: Shape, form: str) -> bool:
    return suits(shape) if form.startswith("--quantize") else len(shape) > 1
