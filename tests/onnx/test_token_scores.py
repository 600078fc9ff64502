"""Results with a number for each token: told by what tokens are in the spec, and shown as tokens with shares."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mai.compiler.onnx.describing.token_scores import outputs_over_tokens
from mai.runtime.text.likeliest import print_likeliest, shares_of
from mai.runtime.text.tokenizer import Bytes

NET = "const vocab = 256\nnet f(x: tokens[P]) -> [P, vocab] { return %s }\nexport g(x: tokens[P]) -> [P, vocab] { return f(x) }\n"
UNTIED = NET % "linear(embed(x, 8), vocab)"
GROWS = """export more(x: tokens[P], n: int = 3) -> tokens[P + n] {
  extend x by n {
    next ~ categorical(f(x)[-1])
    append next
  }
  return x
}
"""
TRAINED = "data x: tokens[9] from text(bytes)\ntrain(steps = 1) { minimize mean(cross_entropy(f(x[:-1]), x[1:])) }\n"


@pytest.mark.parametrize(
    ("text", "over"),
    [
        (UNTIED, set()),  # Nothing says what the columns of the matrix are for.
        (UNTIED + GROWS, {"g"}),
        (UNTIED + TRAINED, {"g"}),
        (
            NET % "embed(x, vocab)" + GROWS.replace("f(x)[-1]", "linear(f(x)[-1], vocab)"),
            set(),
        ),  # As many numbers of a token as there are tokens.
        ((NET % "embed(x, vocab)").replace("return f(x)", "return one_hot(x, vocab)"), {"g"}),
        (UNTIED.replace("return f(x)", "return log_softmax(f(x))") + GROWS, {"g"}),
        (UNTIED.replace("return f(x) }", "return flip(f(x), axis = -1) }") + GROWS, set()),
    ],
)
def test_the_last_axis_is_that_of_tokens_where_the_spec_makes_it_so(text: str, over: set[str], program: Any) -> None:
    assert outputs_over_tokens(program(text), "g") == over


def test_shares_are_the_softmax_of_what_is_no_probability() -> None:
    logits = np.array([[1.0, 3.0, -np.inf], [900.0, 900.0, 0.0]], np.float32)
    expected = np.array([[1 / (1 + np.e**2), 1 / (1 + np.e**-2), 0], [0.5, 0.5, 0]])
    np.testing.assert_allclose(shares_of(logits), expected, atol=1e-12)
    np.testing.assert_array_equal(shares_of(np.float32([[0.25, 0.75]])), [[0.25, 0.75]])


def test_places_are_shown_with_their_tokens(capsys: pytest.CaptureFixture[str]) -> None:
    rows = np.full((2, 256), -9.0)
    rows[0, ord("b")], rows[1, ord("\n")], rows[1, 200] = 9, 9, 8
    print_likeliest(rows, [ord("a"), ord("b")], Bytes())
    _, first, second = capsys.readouterr().out.splitlines()
    assert first.split("  ")[1:3] == ['"a"', '"b" 100.0%']
    assert second.split("  ")[1:4] == ['"b"', '"\\n" 73.1%', "200 26.9%"]
    print_likeliest(np.tile(rows, (8, 1)), [-1, *b"23456789abcdefg"], Bytes())
    head, *places = capsys.readouterr().out.splitlines()
    assert head.endswith("the last 12") and [line.split()[0] for line in places] == [f'"{c}"' for c in "56789abcdefg"]
    print_likeliest(rows, [-1, 98], Bytes())
    assert capsys.readouterr().out.splitlines()[1].split()[0] == "-1"
