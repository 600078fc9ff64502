"""Several processes: the same run as one, whatever their number; what cannot be shared out is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.compiler.training.run.folder import WEIGHTS
from mai.compiler.training.run.processes import Processes, accelerator_of
from mai.spec.diagnostics import MaiError

pytestmark = pytest.mark.slow

Maker = Callable[..., Program]
# Fifteen examples are no two equal shares; draws stand in the step, in a loop, in a layer, and in a second turn's net.
SPEC = """data x: [2] from moons()
net f(x: [2]) -> [2] {
  param u: [2, 16] ~ normal(0, 1)
  return u @ relu(linear(dropout(x, 0.2), 16))
}
net g(x: [2]) -> [] {
  param v: [16] ~ normal(0, 1)
  return mean(v * relu(linear(x, 16)))
}
net slow = average(g, 0.8)
net first = copy(f)
train(steps = 16, batch = 15, optimizer = adamw(lr = 1e-2), ema = 0.9, clip = 0.1) {
  z ~ normal([2])
  repeat 3 shared {
    e ~ normal([2])
    z += 0.3 * e
  }
  minimize softplus(g(f(z))) + softplus(-g(x)) over g
  minimize softplus(-g(f(z))) over f
  report sum(f(z)^2), slow(x) as followed, sum(first(z)^2) as held
  record f.u every 4
}
export sample() -> [2] {
  z ~ normal([2])
  return f(z)
}
"""


def launched(count: int, spec: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
    command += ["-m", "mai.compiler", "train", str(spec), "--out", str(out), "--device", "cpu", *more]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


def assert_close(one: Path, other: Path) -> None:
    held, made = load_file(one / WEIGHTS), load_file(other / WEIGHTS)
    assert held.keys() == made.keys()
    for name, array in held.items():
        np.testing.assert_allclose(made[name], array, atol=1e-5, err_msg=name)
    with np.load(one / "records.npz") as kept, np.load(other / "records.npz") as again:
        for name in kept.files:
            np.testing.assert_allclose(again[name], kept[name], atol=1e-5, err_msg=name)
    for line, beside in zip(*(_lines(folder / "metrics.jsonl") for folder in (one, other)), strict=True):
        assert line == pytest.approx(beside, abs=1e-4)


def _lines(path: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name != "examples_per_second"} for line in lines]


def test_two_processes_give_what_one_gives_and_go_on_for_each_other(program: Maker, tmp_path: Path) -> None:
    made = program(SPEC)
    spec = Path(made.source.path)
    train(made, tmp_path / "one", Options(quiet=True, device="cpu"))
    done = launched(2, spec, tmp_path / "two", "--steps", "8")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("trained for") == 1
    assert done.stdout.count("wrote") == 1
    train(made, tmp_path / "two", Options(quiet=True, device="cpu", steps=12, resume=True))
    done = launched(2, spec, tmp_path / "two", "--steps", "16", "--resume")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "two" / "spec.sample.onnx").exists()
    assert_close(tmp_path / "one", tmp_path / "two")


def group(count: int, place: int = 0) -> Processes:
    fake: Any = SimpleNamespace(num_processes=count, process_index=place, is_main_process=place == 0)
    return Processes(fake)


@pytest.mark.parametrize(("batch", "count"), [(15, 2), (7, 7), (64, 3), (5, 1)])
def test_shares_are_all_examples_in_order(batch: int, count: int) -> None:
    shares = [group(count, place).share(batch) for place in range(count)]
    assert [i for share in shares for i in share] == list(range(batch))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(
    ("loss", "told"),
    [("mean(across(x)^2)", "`across`"), ("mean(batch_norm(rearrange(x, 'k -> k 1 1'))^2)", "`batch_norm`")],
)
def test_examples_that_see_each_other_are_refused(loss: str, told: str, program: Maker) -> None:
    text = "data x: [2] from moons()\nnet f(x: [2]) -> [2] { return linear(x, 2) }\n"
    made = program(f"{text}train(steps = 1, batch = 4) {{\n  minimize {loss} + mean(f(x)^2)\n}}\n".replace("'", '"'))
    assert made.training is not None
    group(1).check(made.training.graph, 4)
    with pytest.raises(MaiError) as raised:
        group(2).check(made.training.graph, 4)
    (diagnostic,) = raised.value.diagnostics
    assert diagnostic.slug == "one-process"
    assert told in diagnostic.message
    assert diagnostic.span is not None


def test_every_process_needs_an_example(program: Maker) -> None:
    made = program(SPEC)
    assert made.training is not None
    group(15).check(made.training.graph, 15)
    with pytest.raises(MaiError, match="a batch of 15 has no example for each of 16 processes"):
        group(16).check(made.training.graph, 15)


def test_a_split_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate.utils import DistributedType

    import mai.compiler.training.run.processes as processes

    fake = SimpleNamespace(distributed_type=DistributedType.FSDP)
    monkeypatch.setattr(processes, "Accelerator", lambda **given: fake)
    with pytest.raises(MaiError, match="FSDP"):
        accelerator_of("cpu", "float32")


@pytest.mark.parametrize(("place", "said"), [("0", True), ("1", False)])
def test_the_first_process_of_a_machine_speaks(place: str, said: bool, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mai.compiler", "check", str(tmp_path / "missing.mai")]
    environment = {**os.environ, "LOCAL_RANK": place}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert ("error[file-not-found]" in done.stderr) == said
