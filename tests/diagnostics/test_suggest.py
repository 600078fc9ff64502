"""Did you mean ...?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mai.spec.diagnostics.suggest import closest, slips

NAMES = (
    "linear linspace relu silu gelu softmax layer_norm batch_norm cross_entropy attention transpose conv heads width X sgd sin"
).split()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("rleu", "relu"),
        ("widht", "width"),
        ("softmx", "softmax"),
        ("LayerNorm", "layer_norm"),
        ("BATCH_NORM", "batch_norm"),
        ("crossentropy", "cross_entropy"),
        ("transpsoe", "transpose"),
        ("atention", "attention"),
        ("num_heads", "heads"),
        ("conv2d", "conv"),
        ("lin", "linear"),
        ("x", "X"),
    ],
)
def test_what_was_meant(name: str, meant: str) -> None:
    assert closest(name, NAMES) == meant


@pytest.mark.parametrize("name", ["y", "h", "inner", "mae", "matmul", "z0", "", "w" * 10_000])
def test_nothing_is_suggested_for_what_is_far(name: str) -> None:
    assert closest(name, NAMES) is None


def test_a_name_is_not_suggested_for_itself() -> None:
    assert closest("relu", ["relu"]) is None


@pytest.mark.parametrize(
    ("a", "b", "count"),
    [
        ("", "", 0),
        ("", "ab", 2),
        ("abc", "abc", 0),
        ("abc", "acb", 1),
        ("abc", "xbc", 1),
        ("abc", "bc", 1),
        ("ca", "abc", 3),
    ],
)
def test_slips(a: str, b: str, count: int) -> None:
    assert slips(a, b) == slips(b, a) == count


@given(st.text("abc", max_size=6), st.text("abc", max_size=6), st.text("abc", max_size=6))
def test_one_more_letter_is_one_more_slip_at_most(a: str, b: str, c: str) -> None:
    assert abs(len(a) - len(b)) <= slips(a, b) <= max(len(a), len(b))
    assert slips(a + c, b + c) <= slips(a, b)
