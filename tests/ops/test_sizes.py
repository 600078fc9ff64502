"""Sizes are equal where their normal forms are, and a normal form has the value of what was written."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mai.compiler.ir.sizes import Size, evaluate, symbol

H, W = symbol("H"), symbol("W")
Written = tuple[Size, str]


def _operations(parts: st.SearchStrategy[Written]) -> st.SearchStrategy[Written]:
    sums = st.tuples(parts, parts).map(lambda p: (p[0][0] + p[1][0], f"({p[0][1]} + {p[1][1]})"))
    products = st.tuples(parts, st.integers(-4, 4)).map(lambda p: (p[0][0] * p[1], f"({p[0][1]} * {p[1]})"))
    quotients = st.tuples(parts, st.integers(1, 7)).map(lambda p: (p[0][0] // p[1], f"({p[0][1]} // {p[1]})"))
    return st.one_of(sums, products, quotients)


SIZES = st.recursive(
    st.one_of(st.sampled_from([(H, "H"), (W, "W")]), st.integers(-9, 9).map(lambda n: (n, str(n)))),
    _operations,
    max_leaves=8,
)


@given(SIZES, st.integers(0, 40), st.integers(0, 9))
def test_a_normal_form_has_the_value_of_what_was_written(written: Written, h: int, w: int) -> None:
    size, text = written
    assert evaluate(size, {"H": h, "W": w}) == eval(text, {"H": h, "W": w})


def test_halves_that_are_equal_are_seen_as_equal() -> None:
    assert (H - 1) // 2 + 1 == (H + 1) // 2 == (H + 3) // 2 - 1
    assert (3 * H) // 2 == H + H // 2
    assert (2 * H + 1) // 4 == H // 2
    assert ((H + 1) // 2 + 1) // 2 == (H + 3) // 4
    assert (H + 1) // 2 != H // 2
