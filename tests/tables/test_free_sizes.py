"""Sizes that a `data` line leaves to the data: numbers where the file's header says them, and one for all fields."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from mai.compiler.check import check, check_all
from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.spec.diagnostics import MaiError

RNG = np.random.default_rng(0)
SERIES = """
data a: [N, 1], u: [N, 1] from npz("waves.npz")
net op(a: [N, 1]) -> [N, 1] {
  h = linear(concat(a, linspace(0, 1, N)[:, None]), 8)
  return linear(silu(h + mean(h, axis = 0)), 1)
}
train(steps = 3, batch = 4) { minimize norm(op(a) - u) / N }
export f(a: [N, 1]) -> [N, 1] { return op(a) }
"""
TABLE = """
data x: [d], y: [] from csv("table.csv")
net f(x: [d]) -> [] { return linear(x, 1)[0] }
train(steps = 3, batch = 4) { minimize (f(x) - y)^2 / d }
export g(x: [d]) -> [] { return f(x) }
"""


def write_series(path: Path, length: int, other: int | None = None) -> None:
    rows = RNG.standard_normal((12, length, 1)).astype(np.float32)
    np.savez(path, a=rows, u=rows[:, : other or length])


def write_table(path: Path, width: int) -> None:
    rows = RNG.standard_normal((12, width + 1))
    names = [*(f"x{i}" for i in range(width)), "y"]
    path.write_text("\n".join([",".join(names), *(",".join(f"{v:.3f}" for v in row) for row in rows)]) + "\n")


def program(folder: Path, text: str, data: tuple[Path, ...] = ()) -> Program:
    (folder / "spec.mai").write_text(text)
    checked = check(folder / "spec.mai", data=data)
    assert checked.program is not None, [d.message for d in checked.diagnostics]
    return checked.program


def test_weights_have_the_width_of_the_table_and_so_has_the_export(tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv", 5)
    spec = program(tmp_path, TABLE)
    assert spec.weights["f.linear_1.weight"].shape == (1, 5)
    assert spec.exports["g"].inputs[0].type.shape == (5,)


def test_other_data_have_other_sizes(tmp_path: Path) -> None:
    write_table(tmp_path / "table.csv", 5)
    write_table(tmp_path / "other.csv", 3)
    spec = program(tmp_path, TABLE, (tmp_path / "other.csv",))
    result = train(spec, tmp_path / "run", Options(data=(tmp_path / "other.csv",), quiet=True))
    assert result.weights is not None
    assert load_file(result.weights)["f.linear_1.weight"].shape == (1, 3)


def test_a_size_that_no_parameter_needs_stays_free_in_the_export(tmp_path: Path) -> None:
    write_series(tmp_path / "waves.npz", 9)
    spec = program(tmp_path, SERIES)
    assert spec.training is not None
    assert spec.training.fields["u"].shape == (9, 1)
    assert [str(s) for s in spec.exports["f"].inputs[0].type.shape] == ["N", "1"]


def test_sizes_that_are_not_known_before_are_those_of_the_examples(tmp_path: Path) -> None:
    spec = program(tmp_path, SERIES)  # Without a file: what is said of it holds for any.
    write_series(tmp_path / "waves.npz", 7)
    assert train(spec, tmp_path / "run", Options(quiet=True)).weights is not None
    write_series(tmp_path / "waves.npz", 7, 5)
    with pytest.raises(MaiError, match="`N` is 7 in `a` and 5 in `u`"):
        train(spec, tmp_path / "again", Options(quiet=True))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (SERIES, "`N` is 7 in `a` and 5 in `u`"),
        (TABLE, "`d` is a size of the data"),
        (SERIES.replace("u: [N, 1]", "u: [N, 2]"), "`u` is [N, 2] in the spec and [5, 1] in the data"),
    ],
)
def test_what_does_not_fit_is_said(text: str, said: str, tmp_path: Path) -> None:
    write_series(tmp_path / "waves.npz", 7, 5)
    (tmp_path / "spec.mai").write_text(text.replace("op(a) - u", "op(a) - sum(u)"))
    (only,) = [d for d in check_all(tmp_path / "spec.mai").diagnostics if d.severity == "error"]
    assert said in f"{only.message} {only.help}"
