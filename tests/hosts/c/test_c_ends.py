"""Calls in C that take too long or are cancelled end in words."""

from __future__ import annotations

import ctypes
from concurrent.futures import ThreadPoolExecutor
from ctypes import c_double, c_int64, c_size_t, c_void_p
from pathlib import Path

import numpy as np
import pytest

from mai.runtime import ModelError
from tests.support.c_host import Host

pytestmark = pytest.mark.slow

LATE = "the call was ended: it took more than 0.05 seconds"


def test_a_call_that_takes_too_long(host: Host, samplers: Path) -> None:
    """A run, all turns of a progress together; the call goes on with others."""
    for file in ("s.noisy.onnx", "s.noisy.step.onnx"):
        call = host.call(host.load(samplers / file), steps=2)
        (before,) = host.results(call)
        host.right(host.c.mai_set_timeout(call, c_double(0.05)))
        host.give(call, "steps", 2**22)  # for many seconds
        with pytest.raises(ModelError, match=LATE):
            host.results(call)
        assert (host.c.mai_timed_out(call), host.c.mai_was_cancelled(call)) == (1, 0)
        host.right(host.c.mai_set_timeout(call, c_double(np.inf)))
        host.give(call, "steps", 2)
        assert np.array_equal(host.results(call)[0], before)
        assert host.c.mai_timed_out(call) == 0
    host.right(host.c.mai_set_timeout(call, c_double(0.05)))
    host.give(call, "steps", 2**22)
    with pytest.raises(ModelError, match=LATE):
        host.progress(call, 10)
    for seconds in (0.0, -1.0, float("nan")):
        with pytest.raises(ModelError, match="`timeout` is a number of seconds above 0"):
            host.right(host.c.mai_set_timeout(call, c_double(seconds)))


def test_a_text_that_takes_too_long(host: Host, files: Path) -> None:
    """All its turns together: it has as many tokens as fit into the time, then fails, and fails again."""
    call, token = host.call(host.load(files / "text.generate.step.onnx"), seed=3), c_int64()
    host.right(host.c.mai_set_timeout(call, c_double(1e-6)))
    text = c_void_p(host.right(host.c.mai_text_new(call, (c_int64 * 2)(84, 104), c_size_t(2), c_int64(50))))
    for _ in range(2):
        while (state := host.c.mai_next(text, ctypes.byref(token))) == 1:
            pass
        assert state == -1
        assert host.c.mai_message().decode().startswith("the call was ended: it took more than 1e-06 seconds")
    host.c.mai_text_free(text)


def test_a_progress_keeps_the_limit_that_it_began_with(host: Host, samplers: Path) -> None:
    """What is said of it, too. It may be freed after its call."""
    call = host.call(host.load(samplers / "s.noisy.step.onnx"), steps=2)
    host.right(host.c.mai_set_timeout(call, c_double(1e-9)))
    progress = c_void_p(host.right(host.c.mai_progress_new(call, c_int64(1))))
    host.right(host.c.mai_set_timeout(call, c_double(np.inf)))
    assert host.c.mai_advance(progress, None, None) == -1
    assert host.c.mai_message().decode() == "the call was ended: it took more than 1e-09 seconds"
    assert len(host.progress(call, 1)) == 2
    host.c.mai_call_free(call)
    host.c.mai_progress_free(progress)


def test_a_progress_that_is_cancelled(host: Host, samplers: Path) -> None:
    """Between two turns, too; a later one of the same call begins anew."""
    call = host.call(host.load(samplers / "s.noisy.step.onnx"))
    progress = c_void_p(host.right(host.c.mai_progress_new(call, c_int64(1))))
    assert host.c.mai_advance(progress, None, None) == 1
    host.right(host.c.mai_cancel(call))
    for _ in range(2):
        assert host.c.mai_advance(progress, None, None) == -1
        assert host.c.mai_message().decode() == CANCELLED
    assert host.c.mai_was_cancelled(call) == 1
    host.c.mai_progress_free(progress)
    assert len(host.progress(call, 1)) == 5


CANCELLED = "the call was ended by mai_cancel"


def test_a_cancelled_run(host: Host, files: Path) -> None:
    """Only a run that goes on is ended; a cancel before it, or before one that was refused, is forgotten."""
    call = host.call(host.load(files / "flow.sample.onnx"), steps=2)
    (before,) = host.results(call)
    host.right(host.c.mai_cancel(call))
    assert np.array_equal(host.results(call)[0], before)
    host.give(call, "steps", 2**22)  # for many seconds
    with ThreadPoolExecutor(1) as thread:
        running = thread.submit(host.results, call)
        while not running.done():
            host.right(host.c.mai_cancel(call))
        assert str(running.exception()) == CANCELLED
    assert host.c.mai_was_cancelled(call) == 1
    host.give(call, "steps", 2)
    assert np.array_equal(host.results(call)[0], before)
    assert host.c.mai_was_cancelled(call) == 0
    refused = host.call(host.load(files / "flow.far.onnx"))
    host.right(host.c.mai_cancel(refused))
    with pytest.raises(ModelError, match="is missing"):
        host.results(refused)
    host.give(refused, "x", np.array([[0.5]], np.float32))
    host.results(refused)


def test_a_cancelled_text_ends_in_words(host: Host, files: Path) -> None:
    """Also between two tokens, and whenever it is asked again; the call begins other texts."""
    call, token = host.call(host.load(files / "text.generate.step.onnx"), seed=3), c_int64()
    whole = host.text(call, [84, 104], 5)
    text = c_void_p(host.right(host.c.mai_text_new(call, (c_int64 * 2)(84, 104), c_size_t(2), c_int64(5))))
    assert host.c.mai_next(text, ctypes.byref(token)) == 1
    host.right(host.c.mai_cancel(call))
    for _ in range(2):
        assert host.c.mai_next(text, ctypes.byref(token)) == -1
        assert host.c.mai_message().decode() == CANCELLED
    assert host.c.mai_was_cancelled(call) == 1
    host.c.mai_text_free(text)
    assert host.text(call, [84, 104], 5) == whole
