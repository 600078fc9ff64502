"""A step whose loss or gradient is not finite says what it saw: the operation and its place, the examples, gradients and weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch.distributed as dist

from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.compiler.training.run.processes import among_others
from mai.runtime.run_folders.summary import summary
from mai.spec.diagnostics import Diagnostic, MaiError

Maker = Callable[[str], Program]
QUIET: dict[str, Any] = {"quiet": True, "device": "cpu"}
DATA = 'data x: [2], y: class[2] from table("t.csv", split = random(0.1, seed = 1))\n'
ROWS = "x0,x1,y\n" + "".join(f"{i % 7 + 1},{i},{('no', 'yes')[i % 2]}\n" for i in range(40))


def failed(program: Maker, folder: Path, text: str, rows: str = ROWS, **options: Any) -> list[Diagnostic]:
    (folder / "t.csv").write_text(rows)
    with pytest.raises(MaiError) as error:
        train(program(DATA + text), folder / "run", Options(**{**QUIET, **options}))
    return list(error.value.diagnostics)


def place(diagnostic: Diagnostic) -> str:
    assert diagnostic.span is not None
    return diagnostic.span.text


LOG = """net f(x: [2]) -> [2] { return linear(x, 2) }
train(steps = 9, batch = 40, optimizer = sgd(lr = 1e-4)) { minimize cross_entropy(f(x), y) + log(x[0] - 3) }
"""


def test_the_operation_the_examples_and_the_gradients(program: Maker, tmp_path: Path) -> None:
    """Of those rows alone whose first number is 3 or less; the folder keeps it, and a run that goes well forgets it."""
    rows = "x0,x1,y\n" + "".join(f"{3 if i % 10 == 0 else 9},{i},{('no', 'yes')[i % 2]}\n" for i in range(40))
    main, operation, examples, weights = failed(program, tmp_path, LOG, rows)
    assert main.message.startswith("at step 1 the objective") and (operation.severity, main.severity) == (
        "note",
        "error",
    )
    assert place(operation) == "log(x[0] - 3)" and "computed of x[0] - 3 from 0 to 6" in operation.message
    assert (
        "of the 36 examples" in examples.message
        and "there x = [3, " in examples.message
        and "y = no" in examples.message
    )
    assert "the largest gradient is" in weights.message and "`f.linear_1.weight`" in weights.message
    assert json.loads((tmp_path / "run" / "failure.json").read_text())["step"] == 1
    assert summary(tmp_path / "run").state == "failed"
    train(program(DATA + LOG.replace("log(x[0] - 3)", "0")), tmp_path / "run", Options(**QUIET))
    assert summary(tmp_path / "run").state == "done" and not (tmp_path / "run" / "failure.json").exists()


RECURRENT = """net f(x: [2]) -> [2] {
  h = zeros([2])
  repeat 20 shared as t { h = 0.5 * h + sqrt(x - t) }
  return linear(h, 2)
}
train(steps = 2, batch = 36) { minimize cross_entropy(f(x), y) }
"""


def test_a_recurrence_is_seen_into(program: Maker, tmp_path: Path) -> None:
    _, operation, *_ = failed(program, tmp_path, RECURRENT)
    assert place(operation) == "sqrt(x - t)" and "turn" not in operation.message


MASKED = """net f(x: [2]) -> [2] {
  z = linear(x, 2)
  hidden = where(z > 1e9, z, log(relu(0 * z)))
  p = softmax([0, hidden[0]])
  return linear(p, 2) + SCALE
}
train(steps = 2, batch = 36) { minimize cross_entropy(f(x), y) }
"""


def test_what_is_infinite_on_purpose_is_not_blamed(program: Maker, tmp_path: Path) -> None:
    """A mask is infinite before the fault, and is no part of it."""
    diagnostic = failed(program, tmp_path, MASKED.replace("SCALE", "0 * sqrt(-1 - x[1]^2)"))
    assert place(diagnostic[1]) == "sqrt(-1 - x[1]^2)" and "not a number" in diagnostic[1].message


@pytest.mark.parametrize("accumulate", [1, 2])
def test_in_a_loop_and_in_parts(program: Maker, tmp_path: Path, accumulate: int) -> None:
    """The turn of the loop, and the place in the whole batch."""
    text = """net f(x: [2]) -> [2] {
  h = 1e4 * x
  repeat 4 shared { h = h * h * cos(linear(h, 2)) }
  return h
}
train(steps = 2, batch = 36, accumulate = ACCUMULATE) { minimize sum(f(x)) * y }
"""
    diagnostic = failed(program, tmp_path, text.replace("ACCUMULATE", str(accumulate)))
    assert "in turn 4 of its loop" in diagnostic[1].message or "in turn 3 of its loop" in diagnostic[1].message
    assert place(diagnostic[1]).startswith("h * h")


ROOT = """net f(x: [2]) -> [2] { return linear(x, 2) }
train(steps = 3, batch = 36, optimizer = sgd(lr = 1e-3)) {
  z = f(x)
  minimize cross_entropy(z, y) + sqrt(sum(z - z)^2)
}
"""


def test_a_gradient_alone(program: Maker, tmp_path: Path) -> None:
    """The root of 0 has no derivative: the loss is finite, the weights are spoilt, and the next step tells where to look."""
    first = failed(program, tmp_path, ROOT)
    assert (
        first[0].message.startswith("at step 2")
        and "an earlier gradient was, which --debug-nan tells" in first[1].message
    )
    diagnostic = failed(program, tmp_path, ROOT, debug_nan=True)
    assert (
        diagnostic[0].message.startswith("at step 1 the gradient of `f.linear_1.")
        and "is not finite, while" in diagnostic[0].message
    )
    assert place(diagnostic[1]).startswith("sqrt(sum(z - z)^2)")


@pytest.mark.parametrize(
    ("error", "is_told"),
    [
        (RuntimeError("[/third_party/gloo/gloo/transport/tcp/pair.cc:545] Read error: Connection reset by peer"), True),
        (dist.DistNetworkError("the client socket has timed out"), True),
        (RuntimeError("shapes cannot be multiplied"), False),
    ],
)
def test_a_process_that_is_gone_is_told(error: RuntimeError, is_told: bool) -> None:
    """And no fault of what is not of the others is called theirs."""
    with pytest.raises(MaiError if is_told else RuntimeError) as caught, among_others():
        raise error
    assert caught.value is error or "process-lost" in str(caught.value)
