"""Patterns of axes, with `...` too: as einops and numpy read them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.runtime import load

X, Y = np.random.default_rng(0).normal(size=(2, 5, 2, 3, 4)).astype(np.float32)
CASES = {
    'rearrange(x, "... a -> a ...")': ("[4, 2, 3]", X.transpose(0, 3, 1, 2)),
    'rearrange(x, "a ... -> a (...)")': ("[2, 12]", X.reshape(5, 2, 12)),
    'rearrange(x, "a b c ... -> c ... a b")': ("[4, 2, 3]", X.transpose(0, 3, 1, 2)),
    'reduce(x, "... a -> a", "mean")': ("[4]", X.mean((1, 2))),
    'einsum("... a, ... b -> ... a b", x, y)': ("[2, 3, 4, 4]", np.einsum("n...a,n...b->n...ab", X, Y)),
    'einsum(x, y, "c a b, d a b -> c d")': ("[2, 2]", np.einsum("ncab,ndab->ncd", X, Y)),
    'einsum("... a -> ...", x)': ("[2, 3]", X.sum(-1)),
}


@pytest.mark.parametrize("pattern", CASES)
def test_patterns(program: Callable[[str], Program], tmp_path: Path, pattern: str) -> None:
    shape, expected = CASES[pattern]
    spec = program(f"export f(x: [2, 3, 4], y: [2, 3, 4]) -> {shape} {{ return {pattern} + 0 * sum(y) }}\n")
    result = load(export(spec, "f", Trained({}), tmp_path).path, providers="cpu")(x=X, y=Y)
    assert np.allclose(result, expected, atol=1e-5)


def test_more_names_than_axes(tmp_path: Path) -> None:
    path = tmp_path / "spec.mai"
    path.write_text('export f(x: [2]) -> [2] { return rearrange(x, "... a b -> a b ...") }\n')
    (diagnostic,) = check(path).diagnostics
    assert diagnostic.message == "the pattern has 2 axes on its left, the tensor is [2]"
