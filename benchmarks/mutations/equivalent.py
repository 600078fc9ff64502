"""Faults that change nothing that a test could see, with the reason."""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {
    "compiler/ops/elementwise/clip.py: sign: -3 -> 3": "what the tests try, where the compiler computes nothing",
    "compiler/ops/products/two_level_attention.py: negated: True -> False": "an assertion about two rows that are made with the same length above",
    "compiler/ops/reductions/statistics.py: sign: -2.0 -> 2.0": "what the tests try, where the compiler computes nothing",
    "compiler/ops/work.py: off by one: 1 -> 2": "of a cache, the keys and the values that come out have one shape",
    "compiler/ops/reductions/base.py: negated: True -> False": "an assertion about a range that is made from the shape's length",
}
