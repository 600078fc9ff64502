"""The language model written by hand is the spec's: from the same weights, the same losses at every step."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.texts.char_gpt import CharGpt, Run, last_held_out
from mai.compiler.program import Program
from mai.compiler.training.options import Options
from mai.compiler.training.trainer import Trainer

SIZES = {"context": 24, "d": 24, "depth": 2, "heads": 3}
STEPS, BATCH = 110, 4
BLOCK = {
    "norm1": "layer_norm_1", "norm2": "layer_norm_2", "q": "attention_1.linear_1", "k": "attention_1.linear_2",
    "v": "attention_1.linear_3", "out": "attention_1.linear_4", "up": "mlp_1.linear_1", "down": "mlp_1.linear_2",
}  # fmt: skip
OUTER = {"token": "embed_1", "norm": "layer_norm_1", "head": "linear_1"}


def spec_name(name: str) -> str:
    match name.split("."):
        case ["blocks", turn, layer, last]:
            return f"logits.repeat_1.{turn}.{BLOCK[layer]}.{last}"
        case [layer, last]:
            return f"logits.{OUTER[layer]}.{last}"
    return f"logits.{name}"


@pytest.mark.slow
def test_same_losses(example: Callable[..., Program], tmp_path: Path) -> None:
    program = example("char_gpt", **{name: str(size) for name, size in SIZES.items()})
    assert program.training is not None
    trainer = Trainer(program, program.training, tmp_path, Options(steps=STEPS, batch=BATCH, quiet=True, device="cpu"))
    model = CharGpt(**SIZES)
    first = trainer.weights.numpy()
    names = {name: spec_name(name) for name in model.state_dict()}
    assert sorted(names.values()) == sorted(first)
    model.load_state_dict({name: torch.from_numpy(first[named]) for name, named in names.items()})

    run = Run(model, trainer.data, STEPS, BATCH)
    ours, theirs = zip(*[(trainer.step(step, False), run.step(step)) for step in range(STEPS)], strict=True)
    assert ours[-1] < 0.9 * ours[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-3)
    assert trainer.validate()["loss"] == pytest.approx(run.held_out(), rel=1e-3)


def test_a_run_is_read_from_its_metrics(tmp_path: Path) -> None:
    lines = [{"step": 10, "loss": 3.0}, {"step": 20, "loss": 2.0, "held-out loss": 2.5}]
    (tmp_path / "metrics.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert last_held_out(tmp_path, 20) == 2.5
    with pytest.raises(SystemExit, match="ended after 20 steps, not after 30"):
        last_held_out(tmp_path, 30)
