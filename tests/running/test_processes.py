"""Several processes: the same run as one, whatever their number; what cannot be shared out is refused."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from safetensors.numpy import load_file

from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.compiler.training.run.folder import WEIGHTS, checkpoints
from mai.compiler.training.run.processes import accelerator_of
from mai.spec.diagnostics import MaiError
from tests.support.processes import group

pytestmark = pytest.mark.slow

Maker = Callable[..., Program]
WITHOUT_A_GPU = os.environ | {"CUDA_VISIBLE_DEVICES": ""}
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
train(steps = 16, batch = 15, optimizer = adamw(lr = 1e-2), ema = 0.9, clip = 0.1,
  groups = [group("*.bias", weight_decay = 0), group("g.*", lr = 5e-3)]) {
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


def command(count: int, spec: Path, out: Path, *more: str, restarts: int = 0) -> list[str]:
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
    words = ["--max_restarts", str(restarts), "-m", "mai.compiler", "train", str(spec), "--out", str(out)]
    return [*launcher, *words, *more]


def launched(count: int, spec: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    words = command(count, spec, out, *more)
    return subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, env=WITHOUT_A_GPU)


def assert_close(one: Path, other: Path) -> None:
    weights_of_two, weights_of_one = load_file(one / WEIGHTS), load_file(other / WEIGHTS)
    assert weights_of_two.keys() == weights_of_one.keys()
    for name, array in weights_of_two.items():
        np.testing.assert_allclose(weights_of_one[name], array, atol=1e-5, err_msg=name)
    with np.load(one / "records.npz") as kept, np.load(other / "records.npz") as again:
        for name in kept.files:
            np.testing.assert_allclose(again[name], kept[name], atol=1e-5, err_msg=name)
    for line, beside in zip(*(_lines(folder / "metrics.jsonl") for folder in (one, other)), strict=True):
        assert line == pytest.approx(beside, abs=1e-4)


def _lines(path: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name != "examples_per_second"} for line in lines]


def test_two_processes_give_what_one_gives_and_go_on_for_each_other(program: Maker, tmp_path: Path) -> None:
    checked = program(SPEC)
    spec = Path(checked.source.path)
    train(checked, tmp_path / "one", Options(quiet=True, device="cpu"))
    done = launched(2, spec, tmp_path / "two", "--steps", "8")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("trained for") == 1
    assert done.stdout.count("wrote") == 1
    train(checked, tmp_path / "two", Options(quiet=True, device="cpu", steps=12, resume=True))
    done = launched(2, spec, tmp_path / "two", "--steps", "16", "--resume")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "two" / "spec.sample.onnx").exists()
    assert_close(tmp_path / "one", tmp_path / "two")


LONG = """data x: [2] from moons()
net f(x: [2]) -> [] { return mean(linear(relu(linear(x, 8)), 1)) }
train(steps = 2000, batch = 8, optimizer = adamw(lr = 1e-3)) {
  z ~ normal([2])
  minimize (f(x + z) - mean(x))^2
}
"""


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
def test_a_run_goes_on_after_one_of_its_processes_is_killed(program: Maker, tmp_path: Path) -> None:
    spec, run = program(LONG), tmp_path / "killed"
    train(spec, tmp_path / "one", Options(quiet=True, device="cpu"))
    words = command(2, Path(spec.source.path), run, restarts=1)
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=WITHOUT_A_GPU) as launcher:
        wait_until(lambda: bool(checkpoints(run)))
        os.kill(worker(launcher.pid, 0), signal.SIGKILL)
        _, said = launcher.communicate(timeout=200)
    assert launcher.returncode == 0, said
    assert "bug of mai" not in said
    steps = [line["step"] for line in _lines(run / "metrics.jsonl")]
    assert steps == list(range(20, 2001, 20))
    one, again = (load_file(folder / WEIGHTS) for folder in (tmp_path / "one", run))
    for name, array in one.items():
        np.testing.assert_allclose(again[name], array, atol=1e-3, err_msg=name)


GROUP = """import os, socket
from pathlib import Path
import torch
import torch.distributed as dist
from mai.compiler.training.run.processes import accelerator_of, leave_group
from torch.nn.parallel import DistributedDataParallel

with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    os.environ |= dict(RANK="0", WORLD_SIZE="1", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(free.getsockname()[1]))
accelerator_of("cpu", "float32")
dist.is_initialized() or dist.init_process_group("gloo")
wrapped = DistributedDataParallel(torch.nn.Linear(2, 1), init_sync=False)
wrapped(torch.zeros(1, 2)).sum().backward()
threads = lambda: sum("gloo" in path.read_text() for path in Path("/proc/self/task").glob("*/comm"))
before = threads()
del wrapped
leave_group()
print(before > 0, threads())
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")
def test_the_threads_of_a_group_end_before_python_does() -> None:
    # Other tests have imported what torch would import here after the group is there.
    done = subprocess.run([sys.executable, "-c", GROUP], capture_output=True, text=True, check=True, env=WITHOUT_A_GPU)
    assert done.stdout.split() == ["True", "0"]


def worker(launcher: int, place: int) -> int:
    """The process of a launcher's that is the `place`th."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text(encoding="utf-8").split()
    environments = {int(child): Path(f"/proc/{child}/environ").read_bytes().split(b"\0") for child in children}
    return next(child for child, words in environments.items() if f"LOCAL_RANK={place}".encode() in words)


def wait_until(is_so: Callable[[], bool]) -> None:
    for _ in range(1000):
        if is_so():
            return
        time.sleep(0.1)
    raise TimeoutError


@pytest.mark.parametrize(("batch", "count"), [(15, 2), (7, 7), (64, 3), (5, 1)])
def test_shares_are_all_examples_in_order(batch: int, count: int) -> None:
    shares = [group(count, place).share(batch) for place in range(count)]
    assert [i for share in shares for i in share.places] == list(range(batch))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_every_process_needs_an_example(program: Maker) -> None:
    spec = program(SPEC)
    assert spec.training is not None
    group(15).check(spec.training.graph, 15)
    with pytest.raises(MaiError, match="a batch of 15 has no example for each of 16 processes"):
        group(16).check(spec.training.graph, 15)


def test_fp16_is_refused_where_weights_are_in_parts() -> None:
    fake = group(2)
    fake.accelerator.scaler = object()  # type: ignore[assignment]
    with pytest.raises(
        MaiError, match=r"fp16 needs the whole weights in every process \(--precision bf16, or without --shard\)"
    ):
        fake.check_precision()


def test_a_split_model_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from accelerate.utils import DistributedType

    import mai.compiler.training.run.processes as processes

    fake = SimpleNamespace(distributed_type=DistributedType.FSDP)
    monkeypatch.setattr(processes, "Accelerator", lambda **values: fake)
    with pytest.raises(MaiError, match="FSDP"):
        accelerator_of("cpu", "float32")


@pytest.mark.parametrize(("place", "said"), [("0", True), ("1", False)])
def test_the_first_process_of_a_machine_speaks(place: str, said: bool, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mai.compiler", "check", str(tmp_path / "missing.mai")]
    environment = {**os.environ, "LOCAL_RANK": place}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert ("error[file-not-found]" in done.stderr) == said
