"""Draws: the published generator, its distribution, and the same bits for every batch size and thread count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from mai.compiler.ir.graph import Graph
from mai.compiler.onnx.lowering.build import build
from mai.compiler.ops.random.philox import MASK, MULTIPLIERS_SWAPPED, WORD, key_schedule, philox
from mai.compiler.ops.random.random_numbers import RandomHalves, RandomNormal, RandomUniform
from mai.runtime.arrays import Array
from tests.support.cases.draws import DRAWS, KNOWN, graph_of, opened, run


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers(counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]) -> None:
    even, odd = np.array(counter[::2]), np.array(counter[1::2])
    keys = [(np.array(key) + row) & MASK for row in key_schedule()]
    a, b = philox(even, odd, keys, np.array(MULTIPLIERS_SWAPPED), lambda x: x[::-1])
    assert (a[0], b[0], a[1], b[1]) == expected


def test_the_counter_is_block_example_turn_place() -> None:
    seed, place, turn, example = 0x299F31D0 * WORD + 0xA4093822, 0x03707344, 0x13198A2E, 0x85A308D3
    words = RandomHalves.reference(
        np, np.array(seed), np.array(turn), np.array([example]), place=place, shape=(4,), lead=(1,)
    )[0]
    block = RandomHalves.reference(
        np, np.array(seed), np.array(turn), np.array([example]), place=place, shape=(8,), lead=(1,)
    )[0]
    assert (block[:4] == words).all()
    even, odd = np.array([0, turn]), np.array([example, place])
    keys = [(np.array([0xA4093822, 0x299F31D0]) + row) & MASK for row in key_schedule()]
    a, b = philox(even, odd, keys, np.array(MULTIPLIERS_SWAPPED), lambda x: x[::-1])
    assert (words @ [1, WORD >> 16]).tolist() == [*a, *b]


def draws(op: Any, n: int, shape: tuple[int, ...] = (), seed: int = 3) -> Array:
    drawn: Array = op.reference(np, np.array(seed), np.array(0), np.arange(n), place=11, shape=shape, lead=(n,))
    return drawn


def test_distributions() -> None:
    uniform = draws(RandomUniform, 50_000, (2,)).ravel()
    assert uniform.min() > 0
    assert uniform.max() < 1
    assert stats.kstest(uniform, "uniform").pvalue > 1e-3
    normal = draws(RandomNormal, 50_000, (2,)).ravel()
    assert stats.kstest(normal, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(normal[::2], normal[1::2])[0, 1]) < 0.02
    for half in draws(RandomHalves, 20_000).T:
        assert stats.chisquare(np.bincount(half >> 12, minlength=16)).pvalue > 1e-3


@pytest.mark.parametrize("op", [RandomHalves, RandomUniform, RandomNormal])
def test_an_example_draws_the_same_in_every_batch(op: Any) -> None:
    large = draws(op, 1000, (3,))
    assert (draws(op, 7, (3,)) == large[:7]).all()
    assert (draws(op, 1, (3,)) == large[:1]).all()
    assert not (draws(op, 7, (3,), seed=4) == large[:7]).all()
    tensors = [torch.tensor(3), torch.tensor(0), torch.arange(1000)]
    ours = op.torch(torch, *tensors, place=11, shape=(3,), lead=(1000,)).numpy()
    if op is RandomHalves:
        assert (ours == large).all()
    np.testing.assert_allclose(ours, large, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("op", [RandomHalves, RandomUniform, RandomNormal])
def test_numpy_torch_and_onnx_draw_the_same(
    op: Any, agree: Callable[..., Array], engines_of: Callable[[Graph], dict[str, Any]]
) -> None:
    graph, example = graph_of(op, (5,)), np.array([0, 1, 2, MASK, WORD, 2**62])
    feed, engines = {"turn": np.array(WORD + 7), "example": example}, engines_of(graph)
    others = [opened(graph, draws) for draws in ("fast", "cuda")]
    for seed in (0, WORD + MASK, 0x299F31D0A4093822, 2**63 - 1, -1):
        wanted = agree(graph, feed, {"batch": len(example)}, settings={"seed": seed}, engines=engines)
        for other in others:
            drawn = other({"seed": np.array(seed), **feed})
            np.testing.assert_allclose(drawn, wanted, *((0, 0) if op is not RandomNormal else (2e-5, 2e-5)))


@pytest.mark.parametrize("op", [RandomHalves, RandomUniform])
def test_all_forms_of_draws_are_the_same_bits_beyond_many_blocks(op: Any) -> None:
    """More than 2^16 blocks of four, so that the upper limb of their numbers counts; sizes known and unknown."""
    counts = 4 * 2**16 + 9
    feed = {"seed": np.array(2**40 + 5), "turn": np.array(1), "example": np.array([3])}
    wanted = op.reference(np, feed["seed"], feed["turn"], feed["example"], place=MASK - 5, shape=(counts,), lead=(1,))
    for draws in DRAWS:
        assert (run(graph_of(op, (counts,)), feed, draws) == wanted).all()


@pytest.mark.parametrize(("draws", "most"), [("fast", 120), ("portable", 360), ("cuda", 300)])
def test_a_draw_is_few_operations(draws: str, most: int) -> None:
    """A scalar operation costs half a microsecond, as much as a small network."""
    assert len(list(build(graph_of(RandomNormal, (2,)), {}, DRAWS[draws]).graph)) <= most


def test_seeds_turns_places_and_examples_all_count() -> None:
    one = RandomHalves.reference(np, 3, 4, np.array(5), place=6, shape=(4,), lead=())
    others = [
        RandomHalves.reference(np, *counter, place=place, shape=(4,), lead=())
        for *counter, place in [(4, 4, 5, 6), (3 + WORD, 4, 5, 6), (3, 5, 5, 6), (3, 4, 6, 6), (3, 4, 5, 7)]
    ]
    drawn = {tuple(x.ravel().tolist()) for x in [one, *others]}
    assert len(drawn) == 6


@pytest.mark.parametrize("draws", DRAWS)
@pytest.mark.parametrize("op", [RandomHalves, RandomNormal])
def test_onnx_runtime_draws_the_same_for_every_batch_and_thread_count(op: Any, draws: str) -> None:
    graph = graph_of(op, (3, 2))
    by_threads = {threads: opened(graph, draws, threads) for threads in (1, 2)}

    def drawn(batch: int, threads: int) -> Array:
        return by_threads[threads]({"seed": np.array(5), "turn": np.array(1), "example": np.arange(batch)})

    large = drawn(1000, 2)
    for batch, threads in ((1, 1), (7, 2), (1000, 1)):
        ours = drawn(batch, threads)
        assert ours.shape[:3] == (batch, 3, 2)
        np.testing.assert_allclose(ours, large[:batch], rtol=0 if op is RandomHalves else 1e-5)
