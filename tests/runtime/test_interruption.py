"""Calls that are ended: by `timeout`, and by Ctrl-C; those of other threads go on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mai.runtime import Model, ModelError, load
from mai.runtime.model.interruption import TimeLimit
from tests.support.cases.small_files import FOREVER, Write, loops


@pytest.fixture
def looping(write: Write) -> Model:
    return load(write(loops()), providers="cpu")


def test_a_call_ends_at_its_timeout(looping: Model) -> None:
    for call in (looping, looping.counted):
        with pytest.raises(ModelError, match=r"more than 0\.05 seconds") as caught:
            call(x=[0.0], n=FOREVER, timeout=0.05)
        assert caught.value.slug == "call-timeout"
    assert looping(x=[0.0], timeout=60) == 3


def test_one_call_is_ended_beside_others(looping: Model) -> None:
    def answer(k: int) -> object:
        if k % 2:
            return looping(x=[0.0], n=k).item()
        with pytest.raises(ModelError, match="seconds"):
            looping(x=[0.0], n=FOREVER, timeout=0.1)
        return None

    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(answer, range(1, 25)))
    assert answers == [k if k % 2 else None for k in range(1, 25)]


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C reaches Python, which ignores it where whoever started the tests does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_ctrl_c_ends_a_call(looping: Model, heard: None) -> None:
    main = threading.main_thread().ident
    assert main is not None
    timer = threading.Timer(0.2, signal.pthread_kill, (main, signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        looping(x=[0.0], n=FOREVER)
    assert looping(x=[0.0]) == 3


def test_a_setting_of_that_name_has_the_value(write: Write) -> None:
    model = load(write(loops("timeout")), providers="cpu")
    assert model(x=[0.0]) == 3
    assert model(x=[0.0], timeout=5) == 5


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), "2", True])
def test_what_is_no_time(looping: Model, seconds: Any) -> None:
    with pytest.raises(ModelError, match="`timeout` is a number of seconds above 0"):
        looping(x=[0.0], timeout=seconds)


def test_a_limit_is_spent_by_one_run_after_another() -> None:
    limit = TimeLimit(0.05)
    ended = threading.Event()
    assert limit.run(lambda options: 1) == 1
    with pytest.raises(ModelError):
        limit.run(lambda options: ended.wait(0.2))
    with pytest.raises(ModelError):
        limit.run(lambda options: ended.wait(0.2))


def test_another_thread_ends_a_call(looping: Model) -> None:
    limit = TimeLimit(None)
    threading.Timer(0.1, limit.cancel).start()
    with pytest.raises(ModelError) as caught:
        looping(x=[0.0], n=FOREVER, timeout=limit)
    assert caught.value.slug == "call-cancelled"
    with pytest.raises(ModelError, match="was ended"):
        looping(x=[0.0], timeout=limit)


def test_a_call_of_another_thread_than_the_main_one_is_ended(looping: Model) -> None:
    limit = TimeLimit(None)

    def call() -> str:
        with pytest.raises(ModelError) as caught:
            looping(x=[0.0], n=FOREVER, timeout=limit)
        return caught.value.slug

    with ThreadPoolExecutor(1) as threads:
        slug = threads.submit(call)
        threading.Timer(0.1, limit.cancel).start()
        assert slug.result() == "call-cancelled"
