"""Draws: the published generator, its distribution, and the same bits for every batch size and thread count."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from mai.compiler.ops.philox import MULTIPLIERS_SWAPPED, WORD, key_schedule, philox
from mai.compiler.ops.random import RandomBits, RandomNormal, RandomUniform

MASK = 0xFFFFFFFF
# Random123 (Salmon et al. 2011), kat_vectors: philox4x32 10
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((MASK,) * 4, (MASK,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers(counter: tuple[int, ...], key: tuple[int, ...], expected: tuple[int, ...]) -> None:
    even, odd = np.array(counter[::2]), np.array(counter[1::2])
    keys = [(np.array(key) + row) & MASK for row in key_schedule()]
    a, b = philox(even, odd, keys, np.array(MULTIPLIERS_SWAPPED), lambda x: x[::-1])
    assert (a[0], b[0], a[1], b[1]) == expected


def test_the_counter_is_block_example_turn_place() -> None:
    seed, place, turn, example = 0x299F31D0 * WORD + 0xA4093822, 0x03707344, 0x13198A2E, 0x85A308D3
    words = RandomBits.reference(
        np, np.array(seed), np.array(turn), np.array([example]), place=place, shape=(4,), lead=(1,)
    )[0]
    block = RandomBits.reference(
        np, np.array(seed), np.array(turn), np.array([example]), place=place, shape=(8,), lead=(1,)
    )[0]
    assert (block[:4] == words).all()
    even, odd = np.array([0, turn]), np.array([example, place])
    keys = [(np.array([0xA4093822, 0x299F31D0]) + row) & MASK for row in key_schedule()]
    a, b = philox(even, odd, keys, np.array(MULTIPLIERS_SWAPPED), lambda x: x[::-1])
    assert words.tolist() == [a[0], b[0], a[1], b[1]]


def draws(op: Any, n: int, shape: tuple[int, ...] = (), seed: int = 3) -> np.ndarray[Any, Any]:
    made: np.ndarray[Any, Any] = op.reference(
        np, np.array(seed), np.array(0), np.arange(n), place=11, shape=shape, lead=(n,)
    )
    return made


def test_distributions() -> None:
    uniform = draws(RandomUniform, 50_000, (2,)).ravel()
    assert uniform.min() > 0
    assert uniform.max() < 1
    assert stats.kstest(uniform, "uniform").pvalue > 1e-3
    normal = draws(RandomNormal, 50_000, (2,)).ravel()
    assert stats.kstest(normal, "norm").pvalue > 1e-3
    assert abs(np.corrcoef(normal[::2], normal[1::2])[0, 1]) < 0.02
    bits = draws(RandomBits, 20_000)
    counts = np.bincount(bits >> 28, minlength=16)
    assert stats.chisquare(counts).pvalue > 1e-3


@pytest.mark.parametrize("op", [RandomBits, RandomUniform, RandomNormal])
def test_an_example_draws_the_same_in_every_batch(op: Any) -> None:
    large = draws(op, 1000, (3,))
    assert (draws(op, 7, (3,)) == large[:7]).all()
    assert (draws(op, 1, (3,)) == large[:1]).all()
    assert not (draws(op, 7, (3,), seed=4) == large[:7]).all()
    tensors = [torch.tensor(3), torch.tensor(0), torch.arange(1000)]
    ours = op.torch(torch, *tensors, place=11, shape=(3,), lead=(1000,)).numpy()
    if op is RandomBits:
        assert (ours == large).all()
    np.testing.assert_allclose(ours, large, rtol=1e-5, atol=1e-6)
