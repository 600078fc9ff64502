"""Sampling on a GPU: files in float32, fp16 and bf16, as loops and as one CUDA graph, against torch on the same device.

    python -m benchmarks.samplers.cuda [mlp] [dit] [unet] [--rounds 7]

A call takes a numpy array and gives one, as on a CPU: the way to the device and back is in the time of all. Where there is no
CUDA that ONNX Runtime and torch can both use, nothing is measured, and what is missing is said.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch

from benchmarks.measure import interleaved, medians, ratio, record, table
from benchmarks.rivals import NETWORKS, SOLVERS
from benchmarks.samplers.sampler import SHAPES, SPECS
from mai.compiler.check import check
from mai.compiler.compile_options import DEFAULTS, CompileOptions, Precision, Trained
from mai.compiler.onnx.export import export
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import ModelError, load
from mai.runtime.arrays import Array
from mai.runtime.model.model import Model

Run = Callable[[], Any]
# Network, solver, batch and steps.
ROWS = [
    ("mlp", "euler", 4096, 20),
    ("dit", "euler", 64, 20),
    ("dit", "rk4", 64, 20),
    ("dit", "euler", 1, 20),
    ("unet", "euler", 16, 4),
]
PRECISIONS: dict[Precision, torch.dtype] = {"float32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
EAGER, COMPILED = "torch eager", "torch.compile"


def missing() -> str | None:
    """Why nothing can be measured here; None where it can be."""
    if not torch.cuda.is_available():
        return f"torch {torch.__version__} sees no CUDA device"
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        return f"onnxruntime {ort.__version__} has no CUDA provider: pip install onnxruntime-gpu"
    with tempfile.TemporaryDirectory() as folder:
        if "CUDAExecutionProvider" not in load(compiled("mlp", "euler", Path(folder)), providers="cuda").providers:
            return f"the CUDA provider of onnxruntime {ort.__version__} does not open: its libraries are not those of CUDA here"
    return None


def compiled(network: str, solver: str, folder: Path, options: CompileOptions = DEFAULTS) -> Path:
    """The file of one export of a network, with random weights."""
    program = check(SPECS / f"{network}.mai").program
    assert program is not None
    weights, _ = load_weights(program, None)
    return export(program, solver, Trained(weights), folder, options).path


def files(network: str, solver: str, folder: Path) -> Iterator[tuple[str, Model]]:
    """Every form of an export on the device, by name; forms that do not open are printed and left out."""
    for precision in PRECISIONS:
        for unroll in (False, True):
            name = f"mai {precision}, {'CUDA graph' if unroll else 'loop'}"
            path = compiled(
                network, solver, folder / name, CompileOptions(precision=precision, unroll=unroll, cuda=True)
            )
            try:
                yield name, load(path, providers="cuda", cuda_graph=unroll)
            except ModelError as error:
                print(f"{name}: left out, {error}", flush=True)


def rival(network: str, solver: str, x: Array, steps: int, precision: str, compiles: bool, device: str = "cuda") -> Run:
    """The loop that a user runs today: the network in a precision, the state of the solver in float32."""
    dtype = PRECISIONS[precision]
    model = NETWORKS[network]().eval().to(device, dtype)
    called: Any = torch.compile(model) if compiles else model

    def velocity(y: torch.Tensor, s: float) -> torch.Tensor:
        slope: torch.Tensor = called(y.to(dtype), torch.full((len(y),), s, dtype=dtype))
        return slope.float()

    def run() -> Any:
        with torch.inference_mode(), torch.device(device):
            return SOLVERS[solver](velocity, torch.from_numpy(x).to(device), steps).cpu().numpy()

    return run


def row(network: str, solver: str, batch: int, steps: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Measure all variants of one network in turns.

    Yields:
        For each variant its seconds a call, and its speed over the rivals of the same precision.
    """
    x = np.random.default_rng(0).standard_normal((batch, *SHAPES[network])).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        variants: dict[str, Run] = {}
        for name, model in files(network, solver, Path(folder)):
            values = {"x": x} if model.manifest.unrolled else {"x": x, "steps": steps}
            variants[name] = lambda model=model, values=values: model(**values)
        for precision in PRECISIONS:
            variants[f"{EAGER} {precision}"] = rival(network, solver, x, steps, precision, False)
            variants[f"{COMPILED} {precision}"] = rival(network, solver, x, steps, precision, True)
        times = interleaved(variants, rounds)
    for name, seconds in medians(times).items():
        rivals = {r: ratio(times, f"{r} {_precision(name)}", name) for r in (EAGER, COMPILED)}
        yield {"row": f"{network}, batch {batch}, {solver} × {steps}", "variant": name, "seconds": seconds, **rivals}


def _precision(variant: str) -> str:
    return next(p for p in PRECISIONS if p in variant)


def main() -> None:
    """Measure, print and record the table. Where there is no CUDA, only the reason is printed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", help=f"some of {', '.join(SHAPES)}; all of them if none is named")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    reason = missing()
    if reason is not None:
        print(f"cuda: skipped, since {reason}")
        return
    wanted = [r for r in ROWS if not options.networks or r[0] in options.networks]
    figures = [line for network, *rest in wanted for line in row(network, *rest, options.rounds)]
    head = ["one call", "variant", "time", f"against {EAGER}", f"against {COMPILED}"]
    rows = [
        [f["row"], f["variant"], f"{1e3 * f['seconds']:.3g} ms", f"{f[EAGER]:.2f} ×", f"{f[COMPILED]:.2f} ×"]
        for f in figures
    ]
    text = f"{table(head, rows)}\n\nRatios are to the rival of the same precision. On {torch.cuda.get_device_name()}."
    if options.networks:
        print(text)
    else:
        record("cuda", text, figures, where="a GPU beside")


if __name__ == "__main__":
    main()
