"""Sampling: one call of one ONNX file against Python loops around the network, one thread each.

    python -m benchmarks.samplers.sampler [mlp] [dit] [unet] [--compile] [--rivals]

`--compile` adds the loop around `torch.compile` of the network, `--rivals` the loop around its velocity as an ONNX file.
The share of the peak is the speed of the network's products, all else counted as nothing, in that of one product of
matrices, which is measured in turns with it.
"""

from __future__ import annotations

import os

from mai.runtime.arrays import Array

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import torch

from benchmarks.measure import interleaved, medians, ratio, record, seconds, table
from benchmarks.rivals import NETWORKS, SOLVERS, STAGES
from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, FewBits, Trained
from mai.compiler.onnx.export import export
from mai.compiler.onnx.prepared import prepare_export
from mai.compiler.ops.work import known_sizes, multiply_adds
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load

SPECS = Path(__file__).parents[1] / "specs"
Run = Callable[[], Any]
Maker = Callable[[str, str, Array, int], Run]
SHAPES = {"mlp": (2,), "dit": (1, 8, 8), "unet": (3, 32, 32)}
PEAK, SIDE = "one product", 512
INT8: FewBits = "int8"
# Network, solver, weights, batch, steps, rounds, and the ratio to torch's eager loop to reach.
ROWS = [
    ("mlp", "euler", None, 4096, 20, 7, 1.98),
    ("mlp", "rk4", None, 4096, 20, 5, 1.72),
    ("mlp", "euler", None, 1, 20, 15, 6.9),
    ("dit", "euler", None, 64, 20, 5, 1.37),
    ("dit", "rk4", None, 64, 20, 3, 1.37),
    ("dit", "euler", INT8, 64, 20, 5, 2.6),
    ("dit", "euler", None, 8, 20, 7, 1.74),
    ("dit", "euler", None, 1, 20, 15, 3.3),
    ("unet", "euler", None, 16, 4, 5, 1.38),
]


def program_of(network: str) -> Program:
    """The program of a network's spec."""
    program = check(SPECS / f"{network}.mai").program
    assert program is not None
    return program


def compiled(program: Program, solver: str, folder: Path, quantize: FewBits | None = None) -> Path:
    """The file of one solver's export, with random weights."""
    weights, _ = load_weights(program, None)
    return export(program, solver, Trained(weights), folder, CompileOptions(quantize=quantize)).path


def products(program: Program, solver: str, steps: int) -> int:
    """The multiply-adds of matrix products, convolutions and attention for one example, over all steps."""
    plain = prepare_export(program, solver).plain
    return multiply_adds(plain, {**known_sizes(plain), "steps": steps}, products=True)


def peak(folder: Path) -> Run:
    """One product of SIDE^3 multiply-adds by the same runtime, as fast as products get: all of it fits into the cache."""
    path = compiled(program_of("product"), "peak", folder)
    model, x = load(path, providers="cpu", threads=1), np.ones((SIDE, SIDE), np.float32)
    return lambda: model(x=x)


def eager(network: str, solver: str, x: Array, steps: int) -> Run:
    """The loop that a user runs today."""
    return around(NETWORKS[network]().eval(), solver, x, steps)


def optimised(network: str, solver: str, x: Array, steps: int) -> Run:
    """The same loop around the network as `torch.compile` makes it."""
    return around(torch.compile(NETWORKS[network]().eval()), solver, x, steps)


def around(called: Any, solver: str, x: Array, steps: int) -> Run:
    """The loop that a user runs today, around any callable that computes the velocity."""
    start = torch.from_numpy(x)

    def velocity(y: torch.Tensor, s: float) -> torch.Tensor:
        slope: torch.Tensor = called(y, torch.full((len(y),), s))
        return slope

    def run() -> Any:
        with torch.inference_mode():
            return SOLVERS[solver](velocity, start, steps).numpy()

    return run


def exported(network: str, solver: str, x: Array, steps: int) -> Run:
    """The velocity as `torch.onnx.export` makes it for this very batch, in a numpy loop that owns inputs and outputs."""
    time = np.zeros(len(x), np.float32)
    buffer = x.copy()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "velocity.onnx"
        model = NETWORKS[network]().eval()
        torch.onnx.export(model, (torch.from_numpy(x), torch.from_numpy(time)), path, dynamo=True, verbose=False)
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = ort.InferenceSession(path, options, ["CPUExecutionProvider"])
    outputs = [np.empty_like(x) for _ in range(STAGES[solver])]
    bindings = [bound(session, (buffer, time), output) for output in outputs]
    calls = 0

    def velocity(y: Array, s: float) -> Array:
        """A step's velocities live side by side, so that each stage of a step has its own output."""
        nonlocal calls
        stage, calls = calls % len(outputs), calls + 1
        np.copyto(buffer, y)
        time.fill(s)
        session.run_with_iobinding(bindings[stage])
        return outputs[stage]

    return lambda: SOLVERS[solver](velocity, x, steps)


def bound(session: ort.InferenceSession, inputs: tuple[Array, ...], output: Array) -> ort.IOBinding:
    """A binding of a session to the memory of these arrays."""
    binding = session.io_binding()
    for argument, array in zip(session.get_inputs(), inputs, strict=True):
        binding.bind_input(argument.name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
    name = session.get_outputs()[0].name
    binding.bind_output(name, "cpu", 0, np.float32, output.shape, output.ctypes.data)
    return binding


# A rival's name, what makes its loop, the option that asks for it, and the packages that it needs.
RIVALS: list[tuple[str, Maker, str, tuple[str, ...]]] = [
    ("torch eager loop", eager, "", ()),
    ("torch.compile", optimised, "compile", ()),
    ("exported velocity + Python loop", exported, "rivals", ("onnx", "onnxscript")),
]


def chosen(options: argparse.Namespace) -> dict[str, Maker]:
    """The rivals that are asked for and whose packages are installed, by name."""
    makers = {}
    for name, maker, option, packages in RIVALS:
        missing = [p for p in packages if find_spec(p) is None]
        if option and not getattr(options, option):
            continue
        if missing:
            print(f"{name}: left out, since {' and '.join(missing)} cannot be imported", flush=True)
            continue
        makers[name] = maker
    return makers


def measured(
    row: tuple[str, str, FewBits | None, int, int, int, float], rivals: Mapping[str, Maker], folder: Path
) -> dict[str, Any]:
    """The figures of one row: seconds a call, ratios to the rivals, the share of the peak, seconds to open the file."""
    network, solver, quantize, batch, steps, rounds, floor = row
    program = program_of(network)
    path = compiled(program, solver, folder, quantize)
    began = time.perf_counter()
    model = load(path, providers="cpu", threads=1)
    opened = time.perf_counter() - began
    x = np.random.default_rng(0).standard_normal((batch, *SHAPES[network])).astype(np.float32)
    variants: dict[str, Run] = {"mai": lambda: model(x=x, steps=steps), PEAK: peak(folder)}
    times = interleaved(variants | {name: make(network, solver, x, steps) for name, make in rivals.items()}, rounds)
    return {
        "row": f"{network}, batch {batch}, {solver} × {steps}{f', {quantize}' if quantize else ''}",
        "seconds": medians(times),
        "ratios": {rival: ratio(times, rival, "mai") for rival in rivals},
        "of the peak": batch * products(program, solver, steps) / SIDE**3 * ratio(times, PEAK, "mai"),
        "peak, GFLOP/s": 2e-9 * SIDE**3 / medians(times)[PEAK],
        "floor": floor,
        "session": opened,
    }


def shown(figure: Mapping[str, Any]) -> list[str]:
    """A row of the table."""
    ratios = [f"{r:.2f} ×" for r in figure["ratios"].values()]
    opened = f"{1e3 * figure['session']:.0f} ms"
    taken, share = seconds(figure["seconds"]["mai"]), f"{100 * figure['of the peak']:.0f} %"
    return [figure["row"], taken, *ratios, f"{figure['floor']} ×", share, opened]


def main(options: argparse.Namespace) -> None:
    """Measure, print and record the table."""
    torch.set_num_threads(1)
    rivals = chosen(options)
    with tempfile.TemporaryDirectory() as folder:
        rows = [row for row in ROWS if not options.networks or row[0] in options.networks]
        figures = [measured(row, rivals, Path(folder)) for row in rows]
    head = [
        "one call",
        "mai",
        *(f"against {r}" for r in rivals),
        "floor (eager)",
        "of the GEMM peak",
        "session opens in",
    ]
    text = table(head, [shown(f) for f in figures])
    if options.networks:
        print(text)
    else:
        record("sampler", text, figures)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="One call of one ONNX file against Python loops around the network.")
    parser.add_argument("networks", nargs="*", help=f"some of {', '.join(SHAPES)}; all of them if none is named")
    parser.add_argument("--compile", action="store_true", help="also against torch.compile")
    parser.add_argument("--rivals", action="store_true", help="also against the velocity as an ONNX file")
    main(parser.parse_args())
