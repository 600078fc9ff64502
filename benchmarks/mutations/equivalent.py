"""Faults that change nothing that a test could see, with the reason: others are tried in their places."""

from __future__ import annotations

EQUIVALENT: dict[str, str] = {
    "compiler/ops/elementwise/activations.py: comparison: x > 0 -> (x >= 0)": "both sides are 0 at 0, for a finite slope",
    "compiler/passes/text/beam.py: dropped filter: [s.next for s in states if s.next is not None] -> [s.next for s in states]": "each state has its next one by then; the filter tells the type checker",
    "compiler/ops/elementwise/logic.py: swapped arguments: op.Equal(x, y) -> op.Equal(y, x)": "equality has no order",
    "compiler/passes/text/two_level_cache.py: off by one: 0 -> 1": "what the near part of a cache is filled with: it is empty at first",
    "compiler/ops/elementwise/clip.py: sign: -3 -> 3": "what the tests try, where the compiler computes nothing",
    "compiler/ops/products/two_level_attention.py: negated: True -> False": "an assertion about two rows that are made with the same length above",
    "compiler/ops/reductions/statistics.py: sign: -2.0 -> 2.0": "what the tests try, where the compiler computes nothing",
    "compiler/ops/work.py: off by one: 1 -> 2": "of a cache, the keys and the values that come out have one shape",
    "compiler/ops/reductions/base.py: negated: True -> False": "an assertion about a range that is made from the shape's length",
    "compiler/passes/derivatives/derivative.py: dropped condition: part is not None and value in tangents -> (value in tangents)": "what comes back to no value is read by no node; the condition tells the type checker",
    "compiler/passes/derivatives/implicit.py: dropped filter: [v for v in free_values(node.regions[0]) if v in active] -> [v for v in free_values(node.regions[0])]": "what comes back to a value that does not move is read by no node, and pruned",
    "compiler/ops/linear/determinants.py: off by one: 2 -> 3": "what the tests try, where the compiler computes nothing",
    "compiler/ops/elementwise/activations.py: sign: -1e4 -> 10000.0": "what the tests try, where the compiler computes nothing",
    "compiler/ops/elementwise/clip.py: off by one: 7 -> 8": "what the tests try, where the compiler computes nothing",
    "compiler/ops/backends.py: negated: False -> True": "the default that a protocol declares; what lowers has its own",
    "compiler/ops/texts/token_tables.py: sign: -1 -> 1": "of the table that the tests try, in a state that asks for no token, since its text is whole",
    "compiler/passes/text/growth.py: negated: False -> True": "whether a loop owns weights is asked by `unroll` alone, which is over by then",
    "compiler/ops/backends.py: off by one: 8 -> 9": "the default that a protocol declares; what lowers has its own",
    "compiler/ops/random/words.py: negated: True -> False": "an assertion about rows of the key schedule, which have one length",
    "compiler/ops/random/limbs.py: negated: True -> False": "an assertion about the limbs of each multiplier, which are two",
    "compiler/passes/loops/hoist.py: dropped filter: [n for n in body.nodes if n.output not in taken] -> [n for n in body.nodes]": "what has a table is read by no node any more, and pruned",
    "compiler/passes/loops/noises/numbers_apart.py: comparison: a < 0 -> (a <= 0)": "axes are counted from the end: none is 0",
    "compiler/ops/elementwise/logic.py: swapped arguments: op.And(c, x) -> op.And(x, c)": "that both hold has no order",
    "compiler/ops/linear/rotations.py: swapped arguments: op.Add(gap, root) -> op.Add(root, gap)": "a sum of two has no order",
    "compiler/ops/reductions/running.py: comparison: reach < size -> (reach <= size)": "one round more takes in what is beyond the end: zeros",
    "compiler/ops/elementwise/clip.py: off by one: 3 -> 4": "what the tests try, where the compiler computes nothing",
    "compiler/ops/elementwise/arithmetic.py: swapped arguments: case(sample(3, 4), sample(4, kind=\"positive\")) -> case(sample(4, kind='positive'), sample(3, 4))": "what the tests try, where the compiler computes nothing",
    "compiler/passes/loops/retime.py: negated: True -> False": "an assertion about the results of an integral, which are as many as they were",
}
