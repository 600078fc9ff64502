"""The generator in limbs: the published numbers, and no whole number on the way that 32 bits do not hold."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Value
from mai.compiler.ir.types import DType, Type
from mai.compiler.onnx.lowering.build import build
from mai.compiler.ops.random.below import Below
from mai.compiler.ops.random.limbs import balanced, limbs_of, philox_in_limbs, round_keys
from mai.compiler.ops.random.philox import LOW, MASK, MULTIPLIERS_SWAPPED, WORD
from mai.compiler.ops.random.random_numbers import RandomHalves, RandomNormal, RandomUniform
from mai.compiler.ops.random.words import NumpyWords
from mai.runtime.arrays import Array
from tests.support.cases.draws import DRAWS, KNOWN, graph_of, run

GENERATOR = np.random.default_rng(0)


class Narrow:
    """Whole numbers of which each operation is checked to be one of int32, exact where it divides."""

    def __init__(self, numbers: Any) -> None:
        self.numbers = np.asarray(numbers, np.int64)
        assert np.abs(self.numbers).max() < 2**31

    def _with(self, other: Any, compute: Callable[[Any, Any], Any]) -> Narrow:
        return Narrow(compute(self.numbers, other.numbers if isinstance(other, Narrow) else other))

    def __add__(self, other: Any) -> Narrow:
        return self._with(other, operator.add)

    def __sub__(self, other: Any) -> Narrow:
        return self._with(other, operator.sub)

    def __mul__(self, other: Any) -> Narrow:
        return self._with(other, operator.mul)

    def __and__(self, other: Any) -> Narrow:
        return self._with(other, operator.and_)

    def __xor__(self, other: Any) -> Narrow:
        return self._with(other, operator.xor)

    def __floordiv__(self, other: int) -> Narrow:
        assert not (self.numbers % other).any()
        return self._with(other, operator.floordiv)


def drawn(counter: Array, key: Array) -> Array:
    """The four words of each counter, [N, 4], for keys [N, 2], by the limbs of both."""
    pair = lambda first, second: Narrow(np.array([first, second]).reshape(2, 1, -1))  # noqa: E731
    even, odd = ([Narrow(limb.T[..., None]) for limb in limbs_of(counter[:, i::2])] for i in (0, 1))  # type: ignore[arg-type, attr-defined]
    low, high = (Narrow(limb.T[..., None]) for limb in limbs_of(key))  # type: ignore[arg-type, attr-defined]
    keys = round_keys(low, high, pair)
    rows = [tuple(Narrow(limb.numbers[..., r : r + 1]) for limb in keys) for r in range(10)]
    a, b = philox_in_limbs(tuple(even), tuple(odd), rows, pair, lambda x: Narrow(x.numbers[::-1]))  # type: ignore[arg-type]
    words = [low.numbers[..., 0] + (high.numbers[..., 0] << 16) for low, high in (a, b)]
    return np.stack([words[0][0], words[1][0], words[0][1], words[1][1]], -1)


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers(counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert tuple(drawn(np.array([counter]), np.array([key]))[0]) == expected


def test_the_words_are_those_of_64_bits() -> None:
    """Of seeds, turns and examples whose limbs are at their ends or anywhere; `Narrow` sees every number on the way."""
    extremes = np.array([0, 1, LOW, LOW + 1, 2**31 - 1, 2**31, MASK - LOW, MASK])
    numbers = np.where(
        GENERATOR.random((2000, 6)) < 0.5, GENERATOR.choice(extremes, (2000, 6)), GENERATOR.integers(0, WORD, (2000, 6))
    )
    block, example, turn, place, lower, upper = numbers.T
    counter = np.stack([0 * block, example, turn, 0 * place + 7], -1)
    seed = lower + (upper << 32)
    even, odd = NumpyWords(np, 1).words(seed, turn, example, 7, 4)
    wanted = np.stack([even[0], odd[0], even[1], odd[1]], -1)[:, 0]
    np.testing.assert_array_equal(drawn(counter, np.stack([lower, upper], -1)), wanted)


@pytest.mark.parametrize("multiplier", MULTIPLIERS_SWAPPED)
def test_a_multiplier_in_balanced_limbs(multiplier: int) -> None:
    low, high = balanced(multiplier)
    assert low + (high << 16) + WORD == multiplier and max(abs(low), abs(high)) <= 2**15


def below(length: int) -> Graph:
    """`length` numbers below a bound that is an input."""
    values = [Value(Type(DType.INT, (length,)), name) for name in ("low", "high")]
    bound = Value(Type(DType.INT), "bound")
    graph = Graph(name="below", inputs=[*values, bound])
    graph.outputs, graph.output_names = [Builder(graph).emit(Below, *values, bound)], ["y"]
    return graph


@pytest.mark.parametrize("count", [1, 2, 3, 10, 1000, 2**16, 2**16 + 1, 2**24 - 1, 2**31 - 1, -7])
def test_a_number_below_a_bound_is_exact(count: int) -> None:
    words = np.concatenate([[0, 1, LOW, LOW + 1, MASK, MASK - 1, 2**31], GENERATOR.integers(0, WORD, 500)])
    graph = below(len(words))
    feed = {"low": words & LOW, "high": words >> 16, "bound": np.array(count)}
    wanted = [word * count >> 32 for word in words.tolist()]
    assert run(graph, feed, "portable").tolist() == run(graph, feed, "fast").tolist() == wanted
    assert Below.reference(np, *feed.values()).tolist() == wanted


def test_with_whole_numbers_of_64_bits_a_bound_takes_few_operations() -> None:
    fast, portable = (len(build(below(3), {}, DRAWS[draws]).graph) for draws in ("fast", "portable"))
    assert fast < portable / 2


DRAWN = [graph_of(op, (3,)) for op in (RandomHalves, RandomUniform, RandomNormal)]


@pytest.mark.parametrize("graph", [*DRAWN, below(3)], ids=lambda graph: graph.name)
def test_portable_draws_have_no_constant_beyond_31_bits(graph: Graph) -> None:
    for value in build(graph, {}).graph.initializers.values():
        assert value.const_value is not None
        assert np.abs(value.const_value.numpy()).max(initial=0) < 2**31
