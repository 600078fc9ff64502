"""Inputs whose sizes are made of other sizes: compared in the gate at sizes that go together, and checked in calls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.runtime import ModelError, load
from mai.runtime.inputs.sizes import computed_size

SPEC = "export g(x: [P, 3], w: [P + 2], v: [2 * P], u: [P // 2]) -> [P] { return x[:, 0] + w[1:-1] + v[:P] + sum(u) }\n"
LENGTHS = {"w": 6, "v": 8, "u": 2}


def values(**lengths: int) -> dict[str, np.ndarray]:
    return {"x": np.ones((1, 4, 3), np.float32)} | {
        name: np.ones((1, size), np.float32) for name, size in (LENGTHS | lengths).items()
    }


def test_computed_sizes_go_together(program: Callable[[str], Program], tmp_path: Path) -> None:
    model = load(export(program(SPEC), "g", Trained({}), tmp_path).path, providers="cpu")
    assert model.verify().content
    np.testing.assert_array_equal(model(**values()), np.full((1, 4), 5.0))
    for name, size, words in (("w", 3, "`P + 2` is 6"), ("v", 4, "`2 * P` is 8"), ("u", 1, "is 2 here")):
        with pytest.raises(ModelError, match=f"`{name}` has {size}") as caught:
            model(**values(**{name: size}))
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("text", "size"),
    [("P + 2", 7), ("2 * P", 10), ("-2 + P * Q", 13), ("(P - 2) // 2 + 1", 2), ("R + 1", None), ("__import__('os')", None),
     ("lambda + 1", 5), ("2 * ϕ", 4), ("2P", None), ("True + 1", None)],
)  # fmt: skip
def test_a_size_of_names(text: str, size: int | None) -> None:
    """Names are those of the language: `lambda` is one, and `ϕ` stays what it is, which Python takes for `φ`."""
    assert computed_size(text, {"P": 5, "Q": 3, "lambda": 4, "ϕ": 2}) == size
