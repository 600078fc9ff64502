"""Draws: the published generator, its distribution, and the same bits for every batch size and thread count."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import pytest
import torch
from scipy import stats

from mai.compiler.ir.builder import Builder
from mai.compiler.ir.graph import Graph, Setting, Value
from mai.compiler.ir.sizes import symbol
from mai.compiler.ir.types import BATCH_DEPTH, Axis, DType, Type
from mai.compiler.onnx.build import build
from mai.compiler.ops.random.philox import MULTIPLIERS_SWAPPED, WORD, key_schedule, philox
from mai.compiler.ops.random.random_numbers import RandomBits, RandomNormal, RandomUniform

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
    assert words.tolist() == [*a, *b]


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


def graph_of(op: Any, shape: tuple[int, ...]) -> Graph:
    """A graph as an export has it: the seed a setting, the turn and the examples inputs."""
    batch = Axis("batch", symbol("batch"), BATCH_DEPTH)
    seed, turn = Value(Type(DType.INT), "seed"), Value(Type(DType.INT), "turn")
    example = Value(Type(DType.INT, (), (batch,)), "example")
    graph = Graph(name="draws", inputs=[turn, example], settings={"seed": Setting(seed, 0)})
    graph.sizes["batch"] = (example, 0)
    graph.outputs = [Builder(graph).emit(op, seed, turn, example, place=MASK - 5, shape=shape)]
    graph.output_names = ["y"]
    return graph


@pytest.mark.parametrize("op", [RandomBits, RandomUniform, RandomNormal])
@pytest.mark.parametrize("seed", [0, 1, MASK, WORD, 0x299F31D0A4093822, 2**63 - 1, -1, -(2**63)])
def test_numpy_torch_and_onnx_draw_the_same(op: Any, seed: int, agree: Callable[..., np.ndarray[Any, Any]]) -> None:
    example = np.array([0, 1, 2, MASK, WORD, 2**62])
    for turn in (0, 7, MASK):
        feed = {"turn": np.array(turn), "example": example}
        agree(graph_of(op, (5,)), feed, {"batch": len(example)}, settings={"seed": seed})


def test_a_draw_is_few_operations() -> None:
    """A scalar operation costs a microsecond, as much as a small network."""
    nodes = len(list(build(graph_of(RandomNormal, (2,)), {}).graph))
    assert nodes <= 120


def test_seeds_turns_places_and_examples_all_count() -> None:
    one = RandomBits.reference(np, 3, 4, np.array(5), place=6, shape=(4,), lead=())
    others = [
        RandomBits.reference(np, *counter, place=place, shape=(4,), lead=())
        for *counter, place in [(4, 4, 5, 6), (3 + WORD, 4, 5, 6), (3, 5, 5, 6), (3, 4, 6, 6), (3, 4, 5, 7)]
    ]
    drawn = {tuple(x.tolist()) for x in [one, *others]}
    assert len(drawn) == 6


@pytest.mark.parametrize("op", [RandomBits, RandomNormal])
def test_onnx_runtime_draws_the_same_for_every_batch_and_thread_count(op: Any) -> None:
    raw = ir.serde.serialize_model(build(graph_of(op, (3, 2)), {})).SerializeToString()

    def run(batch: int, threads: int) -> np.ndarray[Any, Any]:
        options = ort.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 4
        session = ort.InferenceSession(raw, options, providers=["CPUExecutionProvider"])
        feed = {"seed": np.array(5), "turn": np.array(1), "example": np.arange(batch)}
        made: np.ndarray[Any, Any] = session.run(None, feed)[0]
        return made

    large = run(1000, 2)
    for batch, threads in ((1, 1), (7, 2), (1000, 1)):
        ours = run(batch, threads)
        assert ours.shape == (batch, 3, 2)
        np.testing.assert_allclose(ours, large[:batch], rtol=0 if op is RandomBits else 1e-5)
