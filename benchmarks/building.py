"""Building ONNX: mai's direct lowering against `torch.onnx.export` of the same 100-layer residual network; how long commands take.

All times are of the processor, which on a machine with nothing beside are those of the clock.
"""

from __future__ import annotations

import gc
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.measure import interleaved, medians, ratio, record, table
from mai.compiler.check import check, growing
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import model_of
from mai.compiler.onnx.lowering.build import build, serialised
from mai.compiler.onnx.prepared import prepare_export
from mai.compiler.training.initial_weights import load_weights

STAGES = ("check", "passes", "build")
SMALL = {"d": "16", "heads": "2"}
TURNS = ("10", "100", "1000")
DEPTHS = [
    *(("resnet", "classify", {"L": n}) for n in TURNS),
    *(("char_gpt", "generate", {**SMALL, "depth": n}) for n in TURNS),
    *(("llama", "generate", {**SMALL, "kv_heads": "1", "hidden": "32", "vocab": "256", "depth": n}) for n in TURNS),
    ("llama", "generate", {}),
]
CHECKED = ("moons_flow", "dit", "llama")
COMPILED = (("resnet", "classify", "L=1000"), ("llama", "generate", "depth=12"))
EXAMPLES = Path(__file__).parents[1] / "examples"


class Residual(nn.Module):
    """The network of `resnet.mai` by hand: h += W relu(V h + b) / depth, from images [B, 64] to probabilities [B, 10]."""

    def __init__(self, d: int = 64, n: int = 128, depth: int = 100) -> None:
        super().__init__()
        self.first, self.last, self.depth = nn.Linear(64, d), nn.Linear(d, 10), depth
        self.u = nn.ParameterList(torch.zeros(n, d) for _ in range(depth))
        self.v = nn.ParameterList(torch.randn(n, d) / math.sqrt(d) for _ in range(depth))
        self.b = nn.ParameterList(torch.zeros(n) for _ in range(depth))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Images [B, 64] to probabilities [B, 10]."""
        h = self.first(x)
        for u, v, b in zip(self.u, self.v, self.b, strict=True):
            h = h + torch.relu(h @ v.T + b) @ u / self.depth
        return torch.softmax(self.last(h), -1)


def main(rounds: int = 5) -> None:
    """Measure, print and record the table."""
    program = check(EXAMPLES / "resnet.mai").program
    assert program is not None
    weights, _ = load_weights(program, None)
    rival = Residual().eval()

    def ours() -> None:
        model = model_of(program, prepare_export(program, "classify"), Trained(weights))
        serialised(model)

    def theirs() -> None:
        with tempfile.TemporaryDirectory() as folder:
            batch = torch.export.Dim("batch")
            program = torch.onnx.export(
                rival, (torch.zeros(2, 64),), dynamo=True, verbose=False, dynamic_shapes=({0: batch},), f=None
            )
            assert program is not None
            program.save(f"{folder}/resnet.onnx")

    times = interleaved({"mai": ours, "torch.onnx.export": theirs}, rounds, time.process_time)
    middle, how = medians(times), ratio(times, "torch.onnx.export", "mai")
    rows = [["resnet, 100 layers", f"{middle['mai']:.2f} s", f"{middle['torch.onnx.export']:.2f} s", f"{how:.0f} ×"]]
    depths = [stages(*which) for which in DEPTHS]
    text = table(["ONNX built", "mai", "torch.onnx.export", "speed"], rows)
    text += "\n\n" + table(["layers", *STAGES], [[d["what"], *(f"{d[s]:.2f} s" for s in STAGES)] for d in depths])
    checks = commands(rounds)
    text += "\n\n" + table(["a command", "takes"], [[f"`{n}`", f"{s:.2f} s"] for n, s in checks.items()])
    record("building", text, {**middle, "ratio": how, "depths": depths, "commands": checks})


def commands(rounds: int) -> dict[str, float]:
    """Seconds that commands take, each in a process that imports all it needs from compiled bytecode; files are compared with torch."""
    with tempfile.TemporaryDirectory() as folder:
        kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment = {**kept, "PYTHONPYCACHEPREFIX": f"{folder}/code", "OMP_NUM_THREADS": "1"}

        def called(*words: str) -> Callable[[], object]:
            command = [sys.executable, "-m", "mai.runtime.cli", *words]
            return lambda: subprocess.run(command, env=environment, check=True, capture_output=True)

        checks = {f"mai check {name}.mai": called("check", str(EXAMPLES / f"{name}.mai")) for name in CHECKED}
        compiles = {
            f"mai compile {name}.mai --set {size}": called(
                "compile",
                str(EXAMPLES / f"{name}.mai"),
                "--set",
                size,
                "--export",
                export,
                "--no-step",
                "--out",
                folder,
            )
            for name, export, size in COMPILED
        }
        return medians(interleaved(checks, rounds, _children) | interleaved(compiles, 1, _children))


def _children() -> float:
    """Seconds of the processor that ended commands have taken."""
    times = os.times()
    return times.children_user + times.children_system


def stages(name: str, export: str, sets: dict[str, str]) -> dict[str, Any]:
    """Processor seconds of each stage of compiling an example, without its weights and without the gate."""
    gc.collect()  # Of what came before.
    began = time.process_time()
    program = check(EXAMPLES / f"{name}.mai", sets).program
    assert program is not None
    growing(program)
    seconds = {
        "what": ", ".join([name, *(f"{k} = {v}" for k, v in sets.items())]),
        "check": time.process_time() - began,
    }
    weights, _ = load_weights(program, None)
    began = time.process_time()
    optimised = prepare_export(program, export).optimised
    seconds["passes"] = time.process_time() - began
    began = time.process_time()
    build(optimised, weights)
    return {**seconds, "build": time.process_time() - began}


if __name__ == "__main__":
    main()
