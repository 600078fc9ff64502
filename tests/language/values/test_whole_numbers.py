"""Whole numbers stay whole, reals that must be whole can be indices, lists of lists are matrices, labels have types."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.runtime import load
from mai.spec.diagnostics import MaiError

Maker = Callable[[str], Program]
X = "x: [4]"
FOUR: dict[str, Any] = {"x": [[5.0, 6.0, 7.0, 8.0]]}
RESULTS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "a sum": (f"export f({X}) -> [] {{\n  k = sum(range(3))\n  return x[k]\n}}", FOUR, [8]),
    "an extreme": (f"export f({X}) -> [] {{ return x[max([0, 2, 1])] + x[min([3, 1])] }}", FOUR, [13]),
    "running sums": (f"export f({X}) -> [3] {{ return x[cumsum([0, 1, 2])] }}", FOUR, [[5, 6, 8]]),
    "a floor": (f"export f({X}, t: []) -> [] {{ return x[floor(3 * t)] }}", {**FOUR, "t": [0.9]}, [7]),
    "a floor and one": (f"export f({X}, t: []) -> [] {{ return x[floor(3 * t) + 1] }}", {**FOUR, "t": [0.4]}, [7]),
    "truths that are counted": (f"export f({X}) -> [] {{ return x[sum(x > 5.5)] }}", FOUR, [8]),
    "a count that is divided": (f"export f({X}) -> [] {{ return x[sum(x > 5.5) // 2] }}", FOUR, [6]),
    "places that are weighted": (f"export f({X}) -> [] {{ return x[[1, 2] @ [1, 1]] }}", FOUR, [8]),
    "a count that is cut": (f"export f({X}) -> [] {{ return x[clip(sum(x > 5.5) + 1, 0, 3)] }}", FOUR, [8]),
    "a count that is chosen": (f"export f({X}) -> [] {{ return x[where(x[0] > 9, x[1], sum(x > 6.5) % 2)] }}".replace("x[1]", "floor(x[1])"), FOUR, [5]),
    "counts in a row": (f"export f({X}) -> [2] {{ return x[concat([sum(x > 9)], [sum(x > 7.5)])] }}", FOUR, [[5, 6]]),
    "an element of counts": (f"export f({X}) -> [] {{ return x[sum(x[:, None] > x, axis = 1)[2]] }}", FOUR, [7]),
    "a size of a shape": ("export f(x: [N, 3]) -> [N, N] { return shape(x)[0] * identity(shape(x)[0]) }", {"x": [[[1.0, 2, 3]] * 2]}, [[[2, 0], [0, 2]]]),
    "sizes of a shape": ("export f(x: [N, 3]) -> [N, 3] { return 2 * x + ones(shape(concat(x, x))[:1])[:, None] }", {"x": [[[1.0, 2, 3]]]}, [[[3, 5, 7]]]),
    "rolled by half a size": ("export f(x: [N]) -> [N] { return roll(x, N // 2) }", {"x": [[1.0, 2, 3, 4, 5]]}, [[4, 5, 1, 2, 3]]),
    "large extremes": (
        "export f(m: int) -> [5] { a = [m - 1, m, m + 1]\n  (v, i) = top_k(a, 2)\n  return concat([argmax(a), argmin(-a), v[0] - m], argsort(-a)[:1], i[1:]) }",
        {"m": [2**24]}, [[2, 2, 1, 2, 1]],
    ),
    "truths in a list": (f"export f({X}) -> [2] {{ return where([x[0] > 5, x[1] > 5], x[:2], 0) }}", FOUR, [[0, 6]]),
    "truths joined and chosen": (
        f"export f({X}) -> bool[4] {{ return not where(x[3] > 7, concat(x[:3] > 5, [false]), true) }}", FOUR, [[True, False, False, True]],
    ),
    "truths that are kept": (
        f"export f({X}) -> bool[2] {{\n  d = false\n  repeat 2 as i {{ d = d or x[i] > 5 }} keep d as ds\n  return ds\n}}", FOUR, [[False, True]],
    ),
    "truths with a minus": (f"export f({X}) -> [4] {{ return abs(x > 6) - abs(-(x > 7)) - (-true) }}", FOUR, [[1, 1, 2, 1]]),
    "truths that are shifted": (f"export f({X}) -> [4] {{ return where(shift(x < 7, 1), x, 0) }}", FOUR, [[0, 6, 7, 0]]),
    "int cuts towards zero": ("export f(t: []) -> int { return int(t) }", {"t": [-1.7, 1.7]}, [-1, 1]),
    "int of a truth": ("export f(t: []) -> int { return int(t > 0) }", {"t": [-1.7, 1.7]}, [0, 1]),
    "a row of a matrix": (
        "let m = [[1, 0, 1], [0, 1, 0]]\nexport f(x: [3], k: class[2]) -> [3] { return x * m[k] }",
        {"x": [[1.0, 2.0, 3.0]], "k": [1]}, [[0, 2, 0]],
    ),
    "a product with a matrix": (
        "let m = [[0, 1], [-1, 0.5]]\nexport f(x: [2]) -> [2] { return m @ x }", {"x": [[1.0, 2.0]]}, [[2, 0]],
    ),
    "a matrix as an index": (
        f"export f({X}) -> [2, 2] {{ return x[[[0, 1], [2, 3]]] }}", FOUR, [[[5, 6], [7, 8]]],
    ),
    "a list of truths": (f"export f({X}) -> [4] {{ return where([true, false, true, false], x, 0) }}", FOUR, [[5, 0, 7, 0]]),
    "sizes in a list": ("export f(x: [N]) -> [2] { return [N, 2 * N] }", {"x": [[1.0, 2.0, 3.0]]}, [[3, 6]]),
    "a real list of sizes": ("export f(x: [N]) -> [2] { return [N, 0.5] }", {"x": [[1.0, 2.0, 3.0]]}, [[3, 0.5]]),
    "joined to a size": ("export f(x: [N]) -> [N + 1] { return concat(x, [N]) }", {"x": [[1.0, 2.0]]}, [[1, 2, 2]]),
    "labels in a row": (
        "export f(x: class[5][T], y: class[5]) -> class[5][T + 1] { return concat(x, [y]) }",
        {"x": [[1, 4]], "y": [2]}, [[1, 4, 2]],
    ),
    "a table of labels": (
        "export f(x: class[3][2, T]) -> class[3][T] { return where(x[0] > 0, x[1], 0) }", {"x": [[[1, 0], [2, 1]]]}, [[2, 0]],
    ),
    "counted truths": ("export f(x: [4]) -> int { return sum(x > 5) }", FOUR, [3]),
    "whole numbers": ("export f(k: int[3]) -> int[3] { return -2 * k }", {"k": [[1, -2, 3]]}, [[-2, 4, -6]]),
    "reals that are whole": ("export f(x: [2]) -> int[2] { return floor(x) }", {"x": [[1.5, -0.5]]}, [[1, -1]]),
    "truths": ("export f(b: bool[2, 2]) -> bool[2] { return not any(b, axis = 1) }", {"b": [[[False, True], [False, False]]]}, [[False, True]]),
}  # fmt: skip


@pytest.mark.parametrize("name", RESULTS)
def test_results(name: str, program: Maker, tmp_path: Path) -> None:
    text, inputs, expected = RESULTS[name]
    model = load(export(program(text + "\n"), "f", Trained({}), tmp_path).path, providers="cpu")
    result = model(**inputs)
    np.testing.assert_allclose(result, expected, atol=1e-6)
    kind = {"int": np.int64, "bool": np.bool_, "class": np.int64, "": np.float32}[re.findall(r"-> (\w*)", text)[-1]]
    assert result.dtype == kind


EMBEDDED = {
    "joined": "concat(x, [y])",
    "stacked": "[y, y]",
    "chosen": "where(x > 1, x, 0)",
    "indexed": "x[[1, 0]]",
    "turned around": "[x, x]'",
    "of another shape": 'rearrange(x, "t -> t 1")',
}


@pytest.mark.parametrize("name", EMBEDDED)
def test_labels_stay_labels(name: str, program: Maker) -> None:
    """`embed` asks how many there are."""
    spec = program(f"export f(x: class[5][2], y: class[5]) -> [] {{ return sum(embed({EMBEDDED[name]}, 3)) }}\n")
    assert [w.shape for w in spec.weights.values()] == [(5, 3)]


REFUSED = {
    "a real index": (f"export f({X}, t: []) -> [] {{ return x[3 * t] }}\n", "dtype-mismatch", "3 * t"),
    "half of a whole number": (f"export f({X}, t: []) -> [] {{ return x[floor(t) * 0.5] }}\n", "dtype-mismatch", "floor(t) * 0.5"),
    "rows of unlike sizes": ("export f(x: [2]) -> [2] { return x @ [[1, 2], [3]] }\n", "shape-mismatch", "[[1, 2], [3]]"),
    "a number beside a row": ("export f(x: [2]) -> [2] { return x * [[1, 2], 3] }\n", "shape-mismatch", "[[1, 2], 3]"),
    "a truth among numbers": ("export f(x: [2]) -> [2] { return x * [1, true] }\n", "type-mismatch", "[1, true]"),
    "an empty row": ("export f(x: [2]) -> [2] { return x * [[], []] }\n", "type-mismatch", "[[], []]"),
    "real numbers as whole ones": ("export f(x: [2]) -> int[2] { return x / 2 }\n", "return-shape", "x / 2"),
    "truths as numbers": ("export f(x: [2]) -> [2] { return x > 2 }\n", "return-shape", "x > 2"),
    "defaults with axes": ("export f(x: [2], k: int[2] = 1) -> [2] { return x * k }\n", "rank-mismatch", "int[2]"),
    "labels as defaults": ("export f(x: [2], y: class[3][2] = 1) -> [2] { return x }\n", "rank-mismatch", "class[3][2]"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str, tmp_path: Path) -> None:
    text, slug, at = REFUSED[name]
    path = tmp_path / "spec.mai"
    path.write_text(text, encoding="utf-8")
    error = check(path).diagnostics[0]
    assert error.slug == slug and error.span is not None and error.span.text == at


def test_a_long_chain_of_sums_is_seen_as_whole_soon(tmp_path: Path) -> None:
    """Each value is looked at once, however many ways there are to it: 2^200 here."""
    path = tmp_path / "spec.mai"
    body = "  k = floor(t)\n" + "  k = k + k\n" * 200 + "  return x[k]\n"
    path.write_text(f"export f(x: [4], t: []) -> [] {{\n{body}}}\n", encoding="utf-8")
    assert check(path).program is not None


def test_a_division_by_what_may_be_0_is_told_with_its_place_and_nothing_else(
    program: Maker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Torch's code would print a traceback beside the error."""
    spec = program("export f(a: int, b: int) -> int {\n  c = a // 2\n  return c % b\n}\n")
    with pytest.raises(MaiError) as refused:
        export(spec, "f", Trained({}), tmp_path)
    (only,) = refused.value.diagnostics
    assert (only.slug, only.span and only.span.text) == ("division-by-zero", "c % b")
    assert capsys.readouterr().err == ""
