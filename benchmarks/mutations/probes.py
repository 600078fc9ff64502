"""Probes where faults will be: what a test computes says which faults it can see."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from pathlib import Path

from benchmarks.mutations.faults import Fault

REACHED = "mai_reached"  # A set of numbers in `sys`, so that a probe needs no import and works in every process.


def probe(number: int) -> str:
    """An expression that says that it was computed."""
    return f"__import__('sys').__dict__.setdefault({REACHED!r}, set()).add({number})"


def probed(raw: bytes, faults: Sequence[tuple[int, Fault]]) -> bytes:
    """A file's text with a probe at each fault that can have one; without it, it means the same."""
    pieces = [piece for number, fault in faults for piece in _pieces(raw, number, fault)]
    # Of two at one place, what ends there goes first, and then the wider one.
    for place, _, text in sorted(pieces, key=lambda piece: piece[:2], reverse=True):
        raw = raw[:place] + text.encode() + raw[place:]
    return raw


def put_probes(tree: Path, faults: Sequence[Fault]) -> None:
    """Put a probe at each fault of a tree."""
    for path in sorted({fault.path for fault in faults}):
        place = tree / path
        place.write_bytes(probed(place.read_bytes(), [(n, f) for n, f in enumerate(faults) if f.path == path]))


def _pieces(raw: bytes, number: int, fault: Fault) -> list[tuple[int, int, str]]:
    """What is inserted, with its place and its order there; nothing where the text would have another syntax."""
    width = fault.end - fault.start
    if _parses(f"({fault.before})", "eval"):
        pieces = [(fault.start, -width, f"(({probe(number)}, ("), (fault.end, width - (1 << 40), "))[1])")]
    else:
        pieces = [(fault.start, -width, f"{probe(number)}; ")]
    (start, _, before), end = pieces[0], fault.end
    after = pieces[1][2] if len(pieces) > 1 else ""
    text = raw[:start] + before.encode() + raw[start:end] + after.encode() + raw[end:]
    return pieces if _parses(text.decode(), "exec") else []


def _parses(text: str, mode: str) -> bool:
    try:
        ast.parse(text, mode=mode)
    except SyntaxError:
        return False
    return True
