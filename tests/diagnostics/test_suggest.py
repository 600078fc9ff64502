"""Did you mean ...?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mai.spec.diagnostics.edit import is_sure
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


@pytest.mark.parametrize(
    ("name", "guess", "sure"),
    [
        ("LayerNorm", "layer_norm", True),
        ("linaer", "linear", True),
        ("softmx", "softmax", True),
        ("reluu", "relu", True),
        ("sigmoyd", "sigmoid", True),
        ("sinr", "sin", False),
        ("conv1d", "conv3d", False),
        ("gelu7", "gelu", False),
        ("rint", "int", False),
        ("erfi", "erf", False),
        ("fftn", "fft", False),
        ("celu", "selu", False),
    ],
)
def test_only_a_misspelling_is_changed(name: str, guess: str, sure: bool) -> None:
    """What another library has by this name, or what is merely alike, is something else."""
    assert is_sure(name, guess) is sure
