"""Adaptive steps: one call of one ONNX file, dopri5 in its loop, against torchdiffeq's around the same network.

    python -m benchmarks.samplers.adaptive

Both have the same weights and tolerances, 1e-4. torchdiffeq controls one step for the whole batch, mai one for every
example. The error is to a solution in double precision with tolerances of 1e-10.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import copy
import math
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torchdiffeq

from benchmarks.measure import interleaved, medians, ratio, record, table
from benchmarks.rivals import Mlp
from mai.compiler.check import check
from mai.compiler.compile_options import Trained
from mai.compiler.onnx.export import export
from mai.runtime import load

SPEC = Path(__file__).parents[1] / "specs" / "mlp.mai"
TOLERANCE = 1e-4
# Batch, rounds, and the ratio to torchdiffeq to reach.
ROWS = [(1, 15, 7.0), (64, 7, 2.7)]


def network() -> Mlp:
    """The network of the spec with weights so large that the velocity bends, and an adaptive solver has to choose."""
    torch.manual_seed(0)
    model = Mlp().eval()
    for parameter in model.parameters():
        if parameter.dim() == 2:
            torch.nn.init.normal_(parameter, std=1.3 / math.sqrt(parameter.shape[1]))
    return model


def weights_of(model: Mlp) -> dict[str, Any]:
    """The network's weights by the names of the spec's parameters."""
    layers = {"linear_1": model.first, "linear_2": model.last}
    layers |= {f"repeat_1.{i}.linear_1": block for i, block in enumerate(model.blocks)}
    return {
        f"velocity.{name}.{part}": getattr(layer, part).detach().numpy()
        for name, layer in layers.items()
        for part in ("weight", "bias")
    }


def solution(model: Mlp, x: torch.Tensor, tolerance: float) -> tuple[torch.Tensor, int]:
    """The end of the path that torchdiffeq's dopri5 computes from `x` [batch, 2], and how often it evaluated the network."""
    count = 0

    def velocity(t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        nonlocal count
        count += 1
        slope: torch.Tensor = model(y, t.expand(len(y)))
        return slope

    with torch.inference_mode():
        span = torch.tensor([0.0, 1.0], dtype=x.dtype)
        path = torchdiffeq.odeint(velocity, x, span, method="dopri5", rtol=tolerance, atol=tolerance)
    return path[-1], count


def main() -> None:
    """Measure, print and record the table."""
    torch.set_num_threads(1)
    program = check(SPEC).program
    assert program is not None
    model = network()
    exact = copy.deepcopy(model).double()
    rows, figures = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = export(program, "dopri5", Trained(weights_of(model)), Path(folder)).path
        ours = load(path, providers="cpu", threads=1)
        for batch, rounds, floor in ROWS:
            x = np.random.default_rng(0).standard_normal((batch, 2)).astype(np.float32)
            start = torch.from_numpy(x)
            times = interleaved(
                {"mai": lambda x=x: ours(x=x), "torchdiffeq": lambda x=start: solution(model, x, TOLERANCE)}, rounds
            )
            best = solution(exact, start.double(), 1e-10)[0].numpy()
            y, counts = ours.counted(x=x)
            theirs, count = solution(model, start, TOLERANCE)
            assert counts is not None
            errors = [float(np.abs(z - best).max()) for z in (y, theirs.numpy())]
            faster, middle = ratio(times, "torchdiffeq", "mai"), medians(times)
            rows.append(
                [
                    f"mlp, batch {batch:,}, dopri5", f"{1e3 * middle['mai']:.3g} ms", f"{faster:.2f} ×",
                    f"{floor} ×", f"{counts.mean():.0f} / {count}", f"{errors[0]:.0e} / {errors[1]:.0e}",
                ]
            )  # fmt: skip
            figures.append(
                {"batch": batch, "seconds": middle, "ratio": faster, "floor": floor, "errors": errors,
                 "evaluations": [float(counts.mean()), count]}
            )  # fmt: skip
    head = ["one call", "mai", "against torchdiffeq", "floor", "evaluations an example / theirs", "error / theirs"]
    record("adaptive", table(head, rows), figures)


if __name__ == "__main__":
    main()
