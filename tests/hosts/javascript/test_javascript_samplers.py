"""Samplers in JavaScript tell how far they are, and leave room for others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export, export_part, export_step
from mai.compiler.training.initial_weights import load_weights
from tests.support.hosts import TEXT
from tests.support.javascript import JavaScript

pytestmark = pytest.mark.slow

STEPS = """net pull(x: [2]) -> [2] { return linear(tanh(linear(x, 8)), 2) }
export f(z: [N, 2], scale: real = 1.0, steps: int = 3) -> ([N, 2], []) {
  x = z
  e ~ normal([])
  integrate s in 0..1 using ab2(steps) { dx/ds = scale * (pull(x) - mean(x, axis = 0)) }
  return (x, e)
}
"""


def test_a_sampler_tells_how_far_it_is(javascript: JavaScript, program: Any, tmp_path: Path) -> None:
    spec = program(STEPS)
    trained = Trained(load_weights(spec, None)[0])
    file, other = (
        export(spec, "f", Trained(load_weights(spec, None, seed)[0]), folder, CompileOptions(verify=False))
        for seed, folder in ((0, tmp_path), (1, tmp_path / "other"))
    )
    step = export_part(spec, "f", trained, tmp_path, whole=file).path
    values = {"z": [[[1, 2], [3, 4], [0, 1]], [[0, 0], [1, 1], [2, -1]]], "scale": 0.5, "steps": 5, "seed": 4}
    call = {"file": str(file.path), "step": str(step), "values": values}
    unlike = [{**call, "host": "late", **files} for files in ({"file": str(other.path)}, {"step": str(file.path)})]
    whole, parts, wrong, alone, mixed, twice = javascript(
        [
            call,
            {**call, "every": 2},
            {**call, "every": 0.5},
            {**call, "host": "right", "step": None, "every": 1},
            *unlike,
        ]
    )
    assert (
        mixed["error"] == "`step` is of another training or text than spec.f.onnx: compile both together, and copy both"
    )
    assert twice["error"] == "`step` is spec.f.onnx, and the turns of this file are in spec.f.step.onnx"
    assert [(p["turns"], p["total"]) for p in parts["parts"]] == [(2, 5), (4, 5), (5, 5)]
    assert parts["parts"][-1]["results"] == whole["results"] != parts["parts"][0]["results"]
    assert wrong["error"] == "`every` is a number of turns, 1 at least, this is 0.5"
    assert "mai compile --progress" in alone["error"] and '.onnx", { step: "' in alone["error"]


@pytest.mark.parametrize("in_page", [False, True])
def test_other_tasks_come_between_turns_and_a_signal_is_heard(
    javascript: JavaScript, program: Any, tmp_path: Path, in_page: bool
) -> None:
    """onnxruntime-web computes in the thread that asks it: without a task between, a page draws nothing, and no button is heard."""
    sampler, writer = program(STEPS), program(TEXT)
    bare, trained = (
        Trained(load_weights(sampler, None)[0]),
        Trained(load_weights(writer, None)[0], tokenizer="bytes"),
    )
    options = CompileOptions(verify=False)
    part, whole = export_part(sampler, "f", bare, tmp_path), export(sampler, "f", bare, tmp_path, options)
    step, text = (
        export_step(writer, "generate", trained, tmp_path, options),
        export(writer, "generate", trained, tmp_path, options),
    )
    assert step is not None
    progress = {
        "file": str(whole.path),
        "step": str(part.path),
        "values": {"z": [[1, 2], [3, 4]], "steps": 12},
        "every": 1,
    }
    stream = {"file": str(text.path), "step": str(step.path), "values": {"count": 12}, "prompt": "Once"}
    run = {"file": str(whole.path), "host": "late", "values": progress["values"]}
    watched = [
        {**call, "watch": {"abort": abort, "inPage": in_page}}
        for call in (progress, stream) for abort in (None, 3, 0)
    ]  # fmt: skip
    aborted = [{**run, "watch": {"abort": k}} for k in (0, 2, None)]
    busy = {**run, "host": None, "watch": {"abort": "due"}}
    *ended, before, within, after, timer = javascript([*watched, *aborted, busy])
    for whole_way, stopped, never in (ended[:3], ended[3:]):
        assert whole_way["tasks"] >= 11 and whole_way["ended"] is None
        assert stopped["ended"] == "AbortError" and stopped["parts"] <= 4
        assert (never["ended"], never["parts"]) == ("AbortError", 0)
    assert [one["ended"] for one in (before, within, after, timer)] == ["AbortError", "AbortError", None, "AbortError"]
