"""Remarks on engines: why they refuse files, and results of theirs that are not right."""

from __future__ import annotations

import re

# Results of an engine, by engine and file, that are described in `docs/hosts.md` instead of being counted as wrong.
TOLD: dict[tuple[str, str], str] = {}
NO_STACK = "it does not stack what a `Loop` keeps of its turns as the standard says"
# Reasons in words for what engines say: the first whose text, in small letters, is in an engine's.
REASONS: dict[str, list[tuple[str, str]]] = {
    "openvino": [
        ("scan", "it does not read a `Scan`, in which a sampler cuts a large batch into parts, and `--unroll` makes too much of these"),
    ],
    "iree": [
        ("onnx.attention", "it has no `Attention`, which opset 23 has"),
        ("onnx.dft", "it has no `DFT` whose axis is an input"),
    ],
    "reference": [
        ("inconsistent permutation", NO_STACK),
        ("cannot reshape array", NO_STACK),  # With `numpy.stack` in the place of its `vstack` all of them are equal.
        ("all dimensions of index", "its `GatherElements` takes no index of other sizes than the data"),
    ],
}  # fmt: skip


def reason_of(engine: str, said: str) -> str:
    """Why an engine refuses, in words."""
    for part, reason in REASONS.get(engine, []):
        if part in said.lower():
            return reason
    return f"`{re.sub(r'/[^ ]*/', '', said)[:160]}`"  # Without the folders of a machine.
