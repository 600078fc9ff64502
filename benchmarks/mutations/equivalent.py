"""Faults that change nothing that a test could see, with the reason."""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {
    "compiler/ops/elementwise/clip.py: sign: -3 -> 3": "what the tests try, where the compiler computes nothing",
    "compiler/ops/products/two_level_attention.py: negated: True -> False": "an assertion about two rows that are made with the same length above",
}
