"""Several train blocks: their order, what is held still, going on in any of them, one alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from mai.compiler.check import check
from mai.compiler.commands.train_command import block_numbers
from mai.compiler.ops.random.random_numbers import Draw
from mai.compiler.program import Program
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.compiler.training.run.folder import WEIGHTS, checkpoints
from mai.compiler.training.run.stage import steps_of_blocks
from mai.compiler.training.trainer import Trainer
from mai.runtime.command_line.markers import Misuse
from mai.spec.diagnostics import MaiError

Maker = Callable[[str], Program]
QUIET = Options(quiet=True, device="cpu")
NETS = """
const k = 3
data x: [2] from moons(noise = 0.05)
net encode(x: [2]) -> [k] {
  state m: [k] = zeros
  z = linear(dropout(tanh(linear(x, 8)), 0.1), k)
  if training { m = 0.9 * m + 0.1 * mean(across(z), axis = 0) }
  return z - m
}
net slow = average(encode, 0.9)
net first = copy(encode)
net decode(z: [k]) -> [2] { return linear(tanh(linear(z, 8)), 2) }
net velocity(z: [k], s: []) -> [k] { return linear(tanh(linear(concat(z, fourier(s, 4)), 8)), k) }
"""
CODES = """
train codes(steps = 12, batch = 16, optimizer = adam(lr = 0.01), ema = 0.9, seed = 3) {
  minimize sum((decode(encode(x)) - x)^2)
  report sum(slow(x)^2) as size
  record decode.linear_1.bias every 4
}
"""
FLOW = """
train flow(steps = 10, batch = 8, optimizer = adam(lr = 0.02), schedule = cosine(warmup = 3), ema = 0.8) {
  z = encode(x)
  z0 ~ normal([k])
  s ~ uniform(0, 1)
  minimize sum((z - z0 - velocity((1 - s) * z0 + s * z, s))^2)
  report sum((first(x) - z)^2) as apart
  record velocity.linear_1.bias every 5
}
export code(x: [2]) -> [k] { return encode(x) }
"""
BOTH = NETS + CODES + FLOW


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / WEIGHTS)


def lines(folder: Path) -> list[dict[str, object]]:
    read = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name != "examples_per_second"} for line in read]


def assert_same(a: Path, b: Path) -> None:
    one, other = weights(a), weights(b)
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []


def test_a_block_holds_still_what_those_before_it_trained(program: Maker, tmp_path: Path) -> None:
    """Parameters, states, averages; a copy is new where it is first called, and the nets are as in exports."""
    spec, ended = program(BOTH), []
    train(spec, tmp_path / "both", QUIET, ended.append)
    assert [(r.block, r.steps) for r in ended] == [("codes", 12), ("flow", 10)]
    train(
        program(NETS + CODES.replace("train codes", "train") + "export code(x: [2]) -> [k] { return encode(x) }"),
        tmp_path / "one",
        QUIET,
    )
    one, both = weights(tmp_path / "one"), weights(tmp_path / "both")
    still = [name for name in one if name.split(".")[0] in ("encode", "decode", "slow")]
    assert len(still) == 14 and [n for n in still if not torch.equal(one[n], both[n])] == []
    assert torch.equal(both["first.linear_1.weight"], both["encode.linear_1.weight"])
    assert lines(tmp_path / "both")[-1]["apart"] == 0
    draws = [[n for n in t.graph.walk() if issubclass(n.op, Draw)] for t in spec.trainings]
    assert [len(nodes) for nodes in draws] == [2, 2]  # Two nets with dropout in the one; z0 and s in the other.


def test_what_an_objective_names_moves_again(program: Maker, tmp_path: Path) -> None:
    again = BOTH.replace("s * z, s))^2)", "s * z, s))^2) over velocity, encode")
    spec = program(again)
    train(spec, tmp_path / "again", QUIET)
    train(program(BOTH), tmp_path / "both", QUIET)
    moved, still = weights(tmp_path / "again"), weights(tmp_path / "both")
    assert not torch.equal(moved["encode.linear_1.weight"], still["encode.linear_1.weight"])
    assert torch.equal(moved["decode.linear_1.weight"], still["decode.linear_1.weight"])
    assert sum(issubclass(n.op, Draw) for n in spec.trainings[1].graph.walk()) == 4
    with pytest.raises(MaiError) as refused:
        train(spec, tmp_path / "again", replace(QUIET, only=("flow",)))
    assert "encode" in refused.value.diagnostics[0].message


def test_one_block_alone_gives_what_the_whole_run_gives(program: Maker, tmp_path: Path) -> None:
    spec = program(BOTH)
    train(spec, tmp_path / "whole", QUIET)
    with pytest.raises(MaiError) as refused:
        train(spec, tmp_path / "parts", replace(QUIET, only=("flow",)))
    assert refused.value.diagnostics[0].slug == "weights-missing"
    train(spec, tmp_path / "parts", replace(QUIET, only=("codes",)))
    assert steps_of_blocks(tmp_path / "parts" / WEIGHTS) == {"codes": 12}
    for _ in range(2):  # The second time in the place of the first.
        train(spec, tmp_path / "parts", replace(QUIET, only=("flow",)))
        assert_same(tmp_path / "whole", tmp_path / "parts")
        assert steps_of_blocks(tmp_path / "parts" / WEIGHTS) == {"codes": 12, "flow": 10}
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")[12:]


def test_one_block_alone_goes_on_where_it_was_killed_before_it_had_saved(
    program: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The weights of the earlier block are not lost with the run that it takes the place of."""
    spec, step = program(BOTH), Trainer.step

    def killed(trainer: Trainer, number: int, report: bool) -> float:
        if number == 3:
            raise SystemExit
        return step(trainer, number, report)

    train(spec, tmp_path / "parts", replace(QUIET, only=("codes",)))
    monkeypatch.setattr(Trainer, "step", killed)
    with pytest.raises(SystemExit):
        train(spec, tmp_path / "parts", replace(QUIET, only=("flow",)))
    monkeypatch.setattr(Trainer, "step", step)
    train(spec, tmp_path / "parts", replace(QUIET, only=("flow",), resume=True))
    train(spec, tmp_path / "whole", QUIET)
    assert_same(tmp_path / "whole", tmp_path / "parts")


@pytest.mark.parametrize("at", [5, 12, 17])
def test_a_run_goes_on_in_whichever_block_it_stood(
    program: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Stopped inside the first block, after its last step, and inside the second."""
    spec, count, step = program(BOTH), [0], Trainer.step

    def counted(trainer: Trainer, *arguments: int) -> float:
        count[0] += 1
        trainer.asked = trainer.asked or count[0] == at
        return step(trainer, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Trainer, "step", counted)
    stopped = train(spec, tmp_path / "parts", QUIET)
    assert stopped.stopped and stopped.weights is None and count[0] == at
    with pytest.raises(MaiError):
        train(spec, tmp_path / "parts", replace(QUIET, resume=True, only=("flow",)))
    train(spec, tmp_path / "parts", replace(QUIET, resume=True))
    monkeypatch.setattr(Trainer, "step", step)
    train(spec, tmp_path / "whole", QUIET)
    assert_same(tmp_path / "whole", tmp_path / "parts")
    assert lines(tmp_path / "whole") == lines(tmp_path / "parts")
    assert [path.name[-20:-12] for path in checkpoints(tmp_path / "whole")] == ["00000012", "00000022"]
    with np.load(tmp_path / "whole" / "records.npz") as kept, np.load(tmp_path / "parts" / "records.npz") as again:
        assert kept["decode.linear_1.bias.steps"].tolist() == [0, 4, 8, 12]
        assert kept["velocity.linear_1.bias.steps"].tolist() == [12, 17, 22]
        assert sorted(kept.files) == sorted(again.files)
        assert all(np.array_equal(kept[name], again[name]) for name in kept.files)


def test_the_best_weights_of_a_block_are_handed_on(program: Maker, tmp_path: Path) -> None:
    best = """
data x: [1], y: [] from function("sin(x0)", low = -3, high = 3, count = 64)
net f(x: [1]) -> [] { return linear(tanh(linear(x, 4)), 1)[0] }
net g(x: [1]) -> [] { return linear(x, 1)[0] }
train rough(steps = 30, batch = 8, optimizer = sgd(lr = 0.9), keep = best) { minimize (f(x) - y)^2 }
train fine(steps = 4, batch = 8) { minimize (g(x) - f(x))^2 }
"""
    spec, ended = program(best), []
    train(spec, tmp_path / "both", QUIET, ended.append)
    train(program(best.split("train fine")[0].replace("train rough", "train")), tmp_path / "one", QUIET)
    assert ended[0].kept < ended[0].steps
    one, both = weights(tmp_path / "one"), weights(tmp_path / "both")
    assert all(torch.equal(one[name], both[name]) for name in one)


def test_numbers_for_all_blocks_and_for_one(program: Maker, tmp_path: Path) -> None:
    assert block_numbers("steps", ["10", "flow=4"]) == {None: 10, "flow": 4}
    assert block_numbers("steps", ["10", "2", "flow=4", "flow=5"]) == {None: 2, "flow": 5}, "the last has the word"
    for words in (["flow=0"], ["flow="], ["x"]):
        with pytest.raises(Misuse):
            block_numbers("steps", words)
    train(program(BOTH), tmp_path / "run", replace(QUIET, steps=2, blocks={"flow": {"steps": 3, "batch": 2}}))
    assert steps_of_blocks(tmp_path / "run" / WEIGHTS) == {"codes": 2, "flow": 3}
    with pytest.raises(MaiError) as refused:
        train(program(BOTH), tmp_path / "run", replace(QUIET, blocks={"flw": {"steps": 3}}))
    assert refused.value.diagnostics[0].help == "did you mean `flow`?"


WRONG = {
    "train(steps = 1) { minimize sum(encode(x)^2) }": ("train-name", "train(steps = 1"),
    "train codes(steps = 1) { minimize sum(encode(x)^2) }": ("duplicate-name", "codes"),
    "train still(steps = 1) { minimize sum(encode(x)^2) }": ("nothing-to-train", "minimize sum(encode(x)^2)"),
    "train odd(steps = 1) { minimize sum(encode(x)^2) over code }": ("not-a-net", "code"),
}


@pytest.mark.parametrize("block", WRONG)
def test_what_blocks_cannot_be(tmp_path: Path, block: str) -> None:
    from mai.compiler.check import check_all

    (tmp_path / "spec.mai").write_text(f"{BOTH}{block}\n")
    diagnostics = check_all(tmp_path / "spec.mai").diagnostics
    slug, text = WRONG[block]
    assert [(d.slug, d.span and d.span.text) for d in diagnostics if d.severity == "error"] == [(slug, text)]


def test_a_block_that_moves_nothing_is_refused_before_any_is_trained(program: Maker, tmp_path: Path) -> None:
    """What an earlier block trained stays as it is: the edit trains it again."""
    spec = program(f"{BOTH}train still(steps = 1) {{ minimize sum(encode(x)^2) every 2 }}\n")
    with pytest.raises(MaiError) as refused:
        train(spec, tmp_path / "run", QUIET)
    (error,) = refused.value.diagnostics
    assert "earlier block" in error.message and "`encode`" in error.message
    assert error.help == "write `minimize sum(encode(x)^2) over encode every 2` to train it again"
    assert not (tmp_path / "run").exists()


def test_blocks_of_a_file_are_checked_without_warnings(tmp_path: Path) -> None:
    from mai.compiler.check import check_all

    (tmp_path / "spec.mai").write_text(BOTH)
    assert check_all(tmp_path / "spec.mai").diagnostics == [] and check(tmp_path / "spec.mai").program is not None
