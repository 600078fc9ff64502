"""The ranges of constants hold what numpy computes; files of usual numbers are checked without it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.ir.evaluate import Evaluation
from mai.compiler.ir.graph import Graph
from mai.compiler.passes.analyses.constant_ranges import may_overflow, ranges_of

SPEC = "export g(x: [2]) -> [2] {{ return x * sum({}) }}\n"


def graph(expression: str, folder: Path) -> Graph:
    path = folder / "spec.mai"
    path.write_text(SPEC.format(expression), encoding="utf-8")
    program = check(path).program
    assert program is not None
    return program.exports["g"]


@pytest.mark.parametrize(
    "expression",
    [
        "[2, -3] * [5, 0.5] - 1 / [4, 8]",
        "-log([0.1, 7]) / sum(0.25 * ones([30, 2]), axis = 0)",
        "[[1, 2], [3, 4]] + [-1e20, 1e20] * 1e-3",
        "sum([[1, 2], [-3, 4]], axis = 1) / -[2, 3]",
        "exp([1, 2])[:, None] * sqrt(concat([0, 3], [1]))[None]",
        "where([1, 2] > [0, 3], [sin(9), 1e-3 * 2], maximum([1, 2], [5, -1])) - 1e38",
        "where([2, 3] < 4, range(4)[1:3] // [2, 3] + range(7)[2] % 4, log([1, 2])) * cumprod(0.5 * ones([9]))[3]",
        'flip(rearrange([1, 2, 3, 4], "(a b) -> b a", a = 2)[:, 0:1]) + floor(abs([0.5, -2.5]) + log1p(erf(-0.5)))',
    ],
)
def test_ranges_hold_what_is_computed(expression: str, tmp_path: Path) -> None:
    constants = graph(expression, tmp_path)
    ranges, complete = ranges_of(constants)
    assert complete and not may_overflow(constants)
    computed = Evaluation(constants, {})
    for node in constants.walk():
        if node.output in ranges:
            computed.node(node)
            low, high = ranges[node.output]
            array = np.asarray(computed.values[node.output], np.float64)
            assert low <= array.min() and array.max() <= high
    assert len(ranges) > 4


@pytest.mark.parametrize(
    "expression",
    [
        "log([2, 0])",
        "(7e18 * range(3))^2",
        "range(2) * 3000000000 * 2000000000",
        "[1, 2] / [-1, 1]",
        "[1e19] * [3.2e19]",
        "[1e-20] * [1e-20]",
        "exp([1, 88.5])",
        "1 / (log([1, 2]) * 1e-29)",
    ],
)
def test_what_is_not_known_to_be_usual_is_computed(expression: str, tmp_path: Path) -> None:
    assert may_overflow(graph(expression, tmp_path))
