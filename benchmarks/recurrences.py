"""Recurrences by blocks of turns against their plain loops, in one run: training, memory, prompts in a file.

`specs/selective.mai` is a selective state space (Gu and Dao 2023), `specs/ssd.mai` one with a decay a head (Dao and Gu 2024). The rival is
the same module with its loops turn by turn, through which autograd goes. Training is timed in the processor's time, of whole models and
of one recurrence alone; memory is that of tensors, with `recompute = true`, too.
"""

from __future__ import annotations

import re
import tempfile
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import onnx_ir as ir
import onnxruntime as ort
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from benchmarks.measure import interleaved, medians, ratio, record, seconds, table
from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions
from mai.compiler.onnx.lowering import interpreter as onnx_interpreter
from mai.compiler.onnx.lowering.build import build
from mai.compiler.passes import forms
from mai.compiler.program import Program
from mai.compiler.torch import interpreter as torch_interpreter
from mai.compiler.torch.module import Form, lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.torch.turns import groups_of
from mai.compiler.training.step.machine import keep_memory

SPECS = Path(__file__).parent / "specs"
KINDS = {"selective": "state space, a decay a number", "ssd": "state space, a decay a head"}
FORMS = ("loop", "blocks")
AGAIN = "blocks, recompute"
BATCH, LONG = 8, 1024


def program_of(kind: str, turns: int) -> Program:
    """A spec whose texts have so many turns."""
    text = re.sub(r"tokens\[\d+\]", f"tokens[{turns + 1}]", (SPECS / f"{kind}.mai").read_text(encoding="utf-8"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{kind}.mai"
        path.write_text(text, encoding="utf-8")
        program = check(path).program
    assert program is not None
    return program


def in_form(form: str, make: Callable[[], Any]) -> Any:
    """What `make()` gives, with loops turn by turn where the form says so."""
    if form != "loop":
        return make()
    turn_by_turn = {name: lambda *_, **__: None for name in ("find_recurrence", "part_loop")}
    with mock.patch.multiple(torch_interpreter, **turn_by_turn), mock.patch.multiple(onnx_interpreter, **turn_by_turn):
        return make()


def step_of(kind: str, turns: int, form: str) -> Callable[[], float]:
    """The loss of a training batch, and its gradients."""
    training = program_of(kind, turns).training
    assert training is not None
    graph = forms.prepare(training.graph)
    weights = Weights(graph.weights).initialise(0)
    code = Form(groups=groups_of(graph), again=True) if form == AGAIN else None
    module = in_form(form, lambda: lower(graph, weights, form=code))
    x = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (BATCH, turns + 1)))
    settings = [torch.tensor(s.default) for s in graph.settings.values()]

    def step() -> float:
        weights.zero_grad()
        (loss, *_) = module(x, *settings)
        loss.mean().backward()
        return float(loss.detach().mean())

    return step


def alone_of(kind: str, turns: int, form: str) -> Callable[[], None]:
    """One recurrence with a batch of 8, and what comes back to all that it reads."""
    graph = forms.prepare(program_of(f"{kind}_alone", turns).exports["f"])
    weights = Weights(graph.weights).initialise(0)
    module = in_form(form, lambda: lower(graph, weights))
    generator = torch.Generator().manual_seed(0)
    sizes = [(BATCH, turns, *v.type.shape[1:]) for v in graph.inputs]
    operands = [(torch.rand(size, generator=generator) / 8).requires_grad_() for size in sizes]

    def step() -> None:
        for x in (*operands, *weights.parameters()):
            x.grad = None
        (result,) = module(*operands)
        result.sum().backward()

    return step


class _Living(TorchDispatchMode):
    """The bytes of all storages that were made and are still there, and the most that they were."""

    def __init__(self) -> None:
        super().__init__()
        self.storages: set[int] = set()
        self.now = self.most = 0

    def __torch_dispatch__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = function(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, (tuple, list)) else (result,):
            if isinstance(tensor, torch.Tensor):
                self._see(tensor.untyped_storage())
        self.most = max(self.most, self.now)
        return result

    def _see(self, storage: torch.UntypedStorage) -> None:
        place, size = storage._cdata, storage.nbytes()
        if place not in self.storages:
            self.storages.add(place)
            self.now += size
            weakref.finalize(storage, self._forget, place, size)

    def _forget(self, place: int, size: int) -> None:
        self.storages.discard(place)
        self.now -= size


def most_alive(call: Callable[[], object]) -> int:
    """Bytes of the tensors that a call makes and reads, weights among them, at its highest."""
    with _Living() as living:
        call()
    return living.most


def file_of(kind: str, form: str) -> Callable[[int], Callable[[], Any]]:
    """For a number of turns, a call of the compiled export on one prompt."""
    graph = forms.optimise(forms.prepare(program_of(kind, 512).exports["scores"]))
    numbers = Weights(graph.weights).initialise(0).numpy()
    model = ir.serde.serialize_model(in_form(form, lambda: build(graph, numbers, CompileOptions())))
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])

    def call_of(turns: int) -> Callable[[], Any]:
        prompt = np.random.default_rng(0).integers(0, 256, (1, turns))
        return lambda: session.run(None, {"prompt": prompt})

    return call_of


def measured(
    what: str, calls: dict[str, Callable[[], Any]], rounds: int, clock: Callable[[], float] = time.perf_counter
) -> tuple[list[str], dict[str, float]]:
    """A row of the table and its figures; no rounds: each call is measured once, since the loop takes a minute."""
    times = interleaved(calls, rounds, clock) if rounds else once(calls, clock)
    middle, how = medians(times), ratio(times, "loop", "blocks")
    return [what, *(seconds(middle[form]) for form in FORMS), f"{how:.2f} ×"], {**middle, "ratio": how}


def once(calls: dict[str, Callable[[], Any]], clock: Callable[[], float]) -> dict[str, list[float]]:
    """The seconds of one call of each."""
    times = {}
    for form, call in calls.items():
        began = clock()
        call()
        times[form] = [clock() - began]
    return times


def rows_of_training(kind: str, name: str) -> Iterator[tuple[list[str], dict[str, float]]]:
    """Rows of training: times of the model and of one recurrence alone, and memory."""
    for turns, rounds in ((512, 3), (2048, 0)):
        for make, part in ((step_of, "training"), (alone_of, "one recurrence alone")):
            calls = {form: make(kind, turns, form) for form in FORMS}
            yield measured(f"{name}: {part}, {turns:,} turns", calls, rounds, time.process_time)
    loop, *ours = (most_alive(step_of(kind, LONG, form)) for form in (*FORMS, AGAIN))
    for blocks, how in zip(ours, ("", " and `recompute`"), strict=True):
        what = f"{name}: memory of a step, {LONG:,} turns{how}"
        row = [what, *(f"{size / 2**20:,.0f} MiB" for size in (loop, blocks)), f"{loop / blocks:.1f} ×"]
        yield row, {"loop": loop, "blocks": blocks, "ratio": loop / blocks}


def rows_of_files(kind: str, name: str) -> Iterator[tuple[list[str], dict[str, float]]]:
    """Rows of compiled files."""
    files = {form: file_of(kind, form) for form in FORMS}
    for turns in (1, 512):
        yield measured(f"{name}: a file, a prompt of {turns:,}", {form: files[form](turns) for form in FORMS}, 9)


def main() -> None:
    """Measure, print and record the table."""
    torch.set_num_threads(1)
    keep_memory(torch.device("cpu"))  # As `mai train` does.
    rows = [
        row for kind, name in KINDS.items() for part in (rows_of_training, rows_of_files) for row in part(kind, name)
    ]
    for row, _ in rows:
        print(*row, sep=" | ")
    figures = {row[0]: numbers for row, numbers in rows}
    record(
        "recurrences", table(["one call", "turn by turn", "mai, by blocks", "gain"], [row for row, _ in rows]), figures
    )


if __name__ == "__main__":
    main()
