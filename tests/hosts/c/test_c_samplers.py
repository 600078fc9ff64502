"""Samplers in C, some steps at a time."""

from __future__ import annotations

import ctypes
from ctypes import c_int64, c_size_t, c_void_p
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.runtime import ModelError, load
from tests.support.c_host import Host

pytestmark = pytest.mark.slow

Z = np.linspace(-1, 1, 24, dtype=np.float32).reshape(3, 4, 2)
ALL: dict[str, dict[str, Any]] = {"sized": {"z": Z, "w": Z[:1, :, 0], "seed": 3}, "noisy": {"batch": 3, "seed": 2**60 + 1},
       "falls": {"height": np.array([1.0, 5.0, 40.0], np.float32)}}  # fmt: skip


@pytest.mark.parametrize("folder", ["", "required"])
@pytest.mark.parametrize("name", ALL)
def test_a_sampler_some_steps_at_a_time_is_that_of_python(host: Host, samplers: Path, name: str, folder: str) -> None:
    """How far it is and what it has come to, to the bit: draws at each step, sizes of inputs, methods that remember, ends of their own."""
    path, values = samplers / folder / f"s.{name}.onnx", ALL[name]
    plain = load(path, providers="cpu", threads=1)
    first = next(iter(plain.outputs))
    step = host.load(path.with_suffix(".step.onnx"))
    for every in (1, 2, 1000):
        seen = host.progress(host.call(step, **values), every)
        expected = [(p.turns, p.total, plain.by_output(p.result)[first]) for p in plain.progress(every, **values)]
        assert [s[:2] for s in seen] == [e[:2] for e in expected]
        for (*_, here), (*_, there) in zip(seen, expected, strict=True):
            np.testing.assert_array_equal(here, there, strict=True)
    for whole in (step, host.load(path)):
        (result,) = host.results(host.call(whole, **values))
        np.testing.assert_array_equal(result, seen[-1][2])


def test_the_ports_of_some_steps_are_those_of_the_sampler(host: Host, samplers: Path) -> None:
    step, count = host.load(samplers / "s.sized.step.onnx"), c_size_t()
    host.c.mai_ports(step, ctypes.byref(count))
    assert count.value == len(("z", "w", "seed", "scale", "steps", "sized", "e"))
    names = (b"turns_before", b"turns_now", b"turns_total", b"x_next")
    assert [host.c.mai_port_named(step, name) for name in names] == [None] * 4
    with pytest.raises(
        ModelError, match=r"there is no input or setting `turns_before` \(it takes z, w, seed, scale, steps\)"
    ):
        host.call(step, turns_before=3)
    host.results(call := host.call(step, z=Z, w=Z[:1, :, 0]))
    assert not host.c.mai_output(call, b"turns_total")


def test_a_sampler_that_cannot_be_taken_apart(host: Host, samplers: Path) -> None:
    whole, step = (host.load(samplers / f"s.sized.{end}") for end in ("onnx", "step.onnx"))
    for call, every, words in (
        (
            host.call(whole),
            1,
            "this is no file of some turns: take NAME.step.onnx, which mai compile --progress writes",
        ),
        (host.call(step, z=Z, w=Z[:1, :, 0]), 0, "`every` is at least 1, a whole number, this is 0"),
        (host.call(step, z=Z), 1, "the input `w` is missing (it takes z, w, seed, scale, steps)"),
        (host.call(step, z=Z, w=Z[:2, :, 0]), 1, "the batch is 3 in `z` and 2 in `w`"),
    ):
        with pytest.raises(ModelError) as caught:
            host.progress(call, every)
        assert str(caught.value) == words


def test_a_progress_whose_call_gets_another_value(host: Host, samplers: Path) -> None:
    """States of two examples and draws of one would go together without a word; a progress that begins then has the new value."""
    call = host.call(host.load(samplers / "s.noisy.step.onnx"), batch=2, steps=3)
    progress = c_void_p(host.right(host.c.mai_progress_new(call, c_int64(1))))
    assert host.c.mai_advance(progress, None, None) == 1
    host.give(call, "batch", 1)
    for _ in range(2):
        assert host.c.mai_advance(progress, None, None) == -1
        assert host.c.mai_message().decode().startswith("the call was given a value between two turns")
        assert not host.c.mai_output(call, None)
    host.c.mai_progress_free(progress)
    assert [result.shape for *_, result in host.progress(call, 2)] == [(1, 2)] * 2
