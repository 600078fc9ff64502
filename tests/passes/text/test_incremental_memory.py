"""What a growing text looks at beside itself, and does not grow: a memory, a label, a setting."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.ir.evaluate import evaluate
from mai.compiler.onnx.export import export, export_step
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.runtime import load
from tests.support.cases.growing_texts import MEMORY_NETS, memory_spec, side_by_side, weights

Maker = Callable[..., Program]
FORMS: list[dict[str, Any]] = [{"cache": "concat"}, {"cache": "two-level"}, {"cache": "concat", "drafts": 4}]
FILES = ("attends to it",)


def inputs(prompt: Any, program: Program) -> dict[str, Any]:
    """A prompt, and what stands beside it, of two places for each example; a net need not read all of it."""
    rng = np.random.default_rng(7)
    beside = {"m": rng.standard_normal((len(prompt), 2, 4)).astype(np.float32), "y": np.arange(len(prompt)) % 5}
    named = {v.name for v in program.exports["generate"].inputs}
    return {"prompt": prompt} | {name: array for name, array in beside.items() if name in named}


def run(program: Program, values: dict[str, Any], form: dict[str, Any], **settings: Any) -> Any:
    graph = forms.prepare(program.exports["generate"], **form)
    return evaluate(graph, values, {"seed": 5, "count": 9, **settings}, weights(program))[0]


@pytest.mark.parametrize("name", MEMORY_NETS)
def test_incremental_is_recomputed(program: Maker, name: str) -> None:
    spec = program(memory_spec(MEMORY_NETS[name]))
    values = inputs(np.random.default_rng(0).integers(0, 13, (2, 5)), spec)
    wanted = run(spec, values, {"cache": "none"}, w=2)
    for form in FORMS:
        np.testing.assert_array_equal(run(spec, values, form, w=2), wanted)


@pytest.mark.parametrize("name", MEMORY_NETS)
def test_a_row_of_a_batch_is_its_run_alone(program: Maker, name: str) -> None:
    spec = program(memory_spec(MEMORY_NETS[name]))
    rows = [np.random.default_rng(size).integers(0, 13, size) for size in (5, 1, 3)]
    values = inputs(side_by_side(rows), spec)
    together = [run(spec, values, form, temperature=0.0) for form in (*FORMS, {"cache": "none"})]
    for place, row in enumerate(rows):
        own = {n: v[place : place + 1] for n, v in values.items()} | {"prompt": row[None]}
        alone = run(spec, own, {"cache": "none"}, temperature=0.0)[0]
        for text in together:
            np.testing.assert_array_equal(text[place, 5 - len(row) :], alone)


@pytest.mark.parametrize("name", [n if n in FILES else pytest.param(n, marks=pytest.mark.slow) for n in MEMORY_NETS])
def test_the_file_and_its_stream(program: Maker, tmp_path: Path, name: str) -> None:
    """In one call, and token by token with the memory beside the prompt; with drafts the same."""
    spec = program(memory_spec(MEMORY_NETS[name]))
    trained, values = Trained(weights(spec)), inputs(side_by_side([np.array([3, 1, 2, 7]), np.array([5, 4])]), spec)
    wanted = run(spec, values, {"cache": "concat"})
    for drafts in (4, 0):
        path = export(spec, "generate", trained, tmp_path, CompileOptions(drafts=drafts)).path
        np.testing.assert_array_equal(load(path, providers="cpu", threads=1)(seed=5, count=9, **values), wanted)
    export_step(spec, "generate", trained, tmp_path)
    beside = {n: v for n, v in values.items() if n != "prompt"}
    rows = load(path, providers="cpu", threads=1).stream(values["prompt"], count=9, seed=5, **beside)
    np.testing.assert_array_equal(np.stack(list(rows), 1), wanted[:, 4:])
