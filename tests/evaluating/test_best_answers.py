"""Whether what an export answers is what training compares a field with, or another form of it, as its logarithm."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mai.compiler.evaluating.targets.best_answer import is_best_answer
from mai.compiler.program import Program

SPEC = """data x: [3], price: [], weight: [] from csv("t.csv")

net guess(x: [3]) -> [] {{ return linear(x, 1)[0] }}

train(steps = 1) {{
  minimize {loss}
}}

export answer(x: [3]) -> [] {{ return {answer} }}
"""


@pytest.mark.parametrize(
    ("loss", "answer", "expected"),
    [
        ("(guess(x) - price)^2", "guess(x)", True),
        ("(guess(x) - log(price))^2", "guess(x)", False),
        ("(guess(x) - log(price))^2", "exp(guess(x))", True),
        ("((guess(x) - log(price)) / 3)^2", "guess(x)", False),
        ("weight * abs(guess(x) - price)", "guess(x)", True),
        ("(guess(x) - (price - 10) / 3)^2", "guess(x)", False),
        ("(guess(x) - (price - 10) / 3)^2", "guess(x) * 3 + 10", True),
        ("relu(abs(guess(x) - price) - 0.5)", "guess(x)", None),
        ("-log_prob(normal(guess(x), 2.0), price)", "guess(x)", True),
        ("(exp(guess(x)) - price)^2", "exp(guess(x))", True),
        ("(exp(guess(x)) - price)^2", "guess(x)", False),
        ("guess(x) - price * log(guess(x))", "guess(x)", True),
        ("exp(guess(x)) - price * guess(x)", "exp(guess(x))", True),
        ("exp(guess(x)) - price * guess(x)", "guess(x)", False),
        ("price / guess(x) + log(guess(x))", "guess(x)", True),
    ],
)
def test_the_answer_is_where_the_objective_is_least(
    program: Callable[[str], Program], loss: str, answer: str, expected: bool | None
) -> None:
    spec = program(SPEC.format(loss=loss, answer=answer))
    (value,) = spec.exports["answer"].outputs
    assert is_best_answer(spec, "answer", value, spec.trainings[0], "price") is expected
