"""Text: greedy tokens from one compiled file, against transformers and onnxruntime-genai, one thread each."""

from __future__ import annotations

import os

from mai.runtime.arrays import Array

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from benchmarks.measure import interleaved, medians, ratio, record, table
from benchmarks.texts.rivals_text import (
    Generate,
    Missing,
    export_seconds,
    genai_generate,
    random_model,
    transformers_generate,
)
from benchmarks.texts.transformers_weights import weights_of
from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export, export_step
from mai.compiler.program import Program
from mai.compiler.training.initial_weights import load_weights
from mai.runtime import load
from mai.spec.diagnostics import MaiError

Result = TypeVar("Result")

SPECS = Path(__file__).parents[1] / "specs"
TRANSFORMERS, GENAI = "transformers", "onnxruntime-genai"
FIRST, READING = ", first token", "reading the weights"
PROMPT, COUNT, ROUNDS = 128, 128, 5
# Bytes of a number in a matrix: int4 has a float32 scale for each block of 32.
BYTES = {"float32": 4.0, "int4": 0.5 + 4 / 32}


@dataclass(frozen=True)
class Network:
    """A spec's constants, the batches to measure in each precision, and the weights of which a token takes a row."""

    sets: Mapping[str, int]
    batches: Mapping[str, tuple[int, ...]]
    tables: frozenset[str]
    genai: bool


NETWORKS = {
    "llama": Network({}, {"float32": (1, 8), "int4": (1,)}, frozenset({"logits.embed_1.weight"}), genai=True),
    "gpt2": Network(
        {"vocab": 5000, "context": 512, "d": 384, "depth": 6, "heads": 6, "tied": 0},
        {"float32": (1,)},
        frozenset({"logits.token", "logits.place"}),
        genai=False,
    ),
}
# How many times as fast as transformers, and as onnxruntime-genai: what hand-built graphs reached.
FLOORS = {
    "llama, float32, batch 1": {"mai, step": "1.29 ×, 1.00 ×", "mai, whole": "1.26 ×, 0.98 ×"},
    "llama, float32, batch 8": {"mai, step": "1.97 ×, 1.04 ×", "mai, whole": "1.96 ×, 1.03 ×"},
    "llama, int4, batch 1": {"mai, step": "4.25 ×, 1.04 ×", "mai, whole": "3.9 ×, 1.03 ×"},
    "gpt2, float32, batch 1": {"mai, step": "2.86 ×", "mai, whole": "2.64 ×"},
}


def whole(path: Path) -> Generate:
    """Generation by one call of the graph that holds the loop."""
    model = load(path, providers="cpu", threads=1)

    def generate(ids: Array, count: int) -> Array:
        tokens: Array = model(prompt=ids, count=count, temperature=0.0, stop=-1)
        return tokens[:, ids.shape[1] :]

    return generate


def step(path: Path) -> Generate:
    """Generation by a call for each token, of the graph that holds one step."""
    model: Any = load(path, providers="cpu", threads=1)

    def generate(ids: Array, count: int) -> Array:
        return np.stack(list(model.stream(ids, count=count, temperature=0.0, stop=-1)), 1)

    return generate


WINDOWS = ", --cpu"  # The end of a form whose large weights are those of convolutions: in float32 alone.
FORMS: dict[str, Callable[[Path], Generate]] = {
    "whole": whole, "step": step, f"whole{WINDOWS}": whole, f"step{WINDOWS}": step,
}  # fmt: skip


def compiled(program: Program, weights: Mapping[str, Array], folder: Path, form: str, precision: str) -> Path:
    """The file of `generate` in a form and a precision."""
    options = CompileOptions(quantize=None if precision == "float32" else "int4", cpu=form.endswith(WINDOWS))
    file = (export if FORMS[form] is whole else export_step)(program, "generate", Trained(weights), folder, options)
    assert file is not None
    return file.path


def possible(makers: Mapping[str, Callable[[], Result]]) -> dict[str, Result]:
    """Make what can be made here; for the rest, print why not."""
    results = {}
    for name, make in makers.items():
        try:
            results[name] = make()
        except Missing as error:
            print(f"left out: {name}: {error}", flush=True)
        except MaiError as error:
            print(f"left out: {name}: {error.diagnostics[0].message}", flush=True)
    return results


def read_bytes(program: Program, precision: str, tables: frozenset[str]) -> float:
    """The bytes of weights that every token reads: all but those of `tables`, of which it reads a row."""
    read = [weight.shape for name, weight in program.weights.items() if name not in tables]
    return sum(np.prod(shape) * BYTES[precision if len(shape) > 1 else "float32"] for shape in read)


def reader(size: float) -> Callable[[], Any]:
    """A function that reads so many bytes once, by the product of a vector with itself: nothing measured reads faster."""
    vector = torch.rand(max(1, int(size) // 4))
    return lambda: torch.dot(vector, vector)


def measured(
    generators: Mapping[str, Generate], ids: Array, count: int, rounds: int, read: Callable[[], Any]
) -> dict[str, Any]:
    """The figures of one batch of prompts.

    By variant: tokens/s of prompt and tokens together; seconds to the first token, and for each later step; the share
    of the speed at which one step's weights can be read; how many times as fast as each rival; the share of
    transformers' tokens.
    """
    texts: dict[str, Array] = {}
    variants: dict[str, Callable[[], Any]] = {READING: read}
    for name, generate in generators.items():
        variants[name] = lambda name=name, generate=generate: texts.update({name: generate(ids, count)})
        variants[name + FIRST] = lambda generate=generate: generate(ids, 1)
    times = interleaved(variants, rounds)
    middle = medians(times)
    figures: dict[str, Any] = {}
    for name in generators:
        later = (middle[name] - middle[name + FIRST]) / (count - 1)
        rivals = [r for r in (TRANSFORMERS, GENAI) if r in generators and r != name]
        figures[name] = {
            "tokens/s": texts[name].size / middle[name],
            "first token": middle[name + FIRST],
            "step": later,
            "of the limit": middle[READING] / later,
            "against": {r: ratio(times, r, name) for r in rivals},
            "first token against": {r: ratio(times, r + FIRST, name + FIRST) for r in rivals},
            "same tokens": float(np.mean(texts[name] == texts[TRANSFORMERS])) if TRANSFORMERS in texts else None,
        }
    return {"reading": middle[READING], "variants": figures}


class Bench:
    """One network: its program, the weights that all share, and what generates with them."""

    def __init__(self, name: str, folder: Path, options: argparse.Namespace) -> None:
        self.name, self.folder, self.options = name, folder, options
        sets = {constant: str(value) for constant, value in NETWORKS[name].sets.items()}
        program = check(SPECS / f"{name}.mai", sets).program
        assert program is not None
        self.program: Program = program
        rivals = possible({"the rivals": lambda: random_model(name, program.constants)})
        self.rival = rivals.get("the rivals")
        self.weights = weights_of(program, self.rival) if rivals else load_weights(program, None)[0]

    def path(self, form: str, precision: str) -> Path:
        """The file of `generate` in a form, whole or step, and a precision."""
        folder = self.folder / f"{self.name}-{form}-{precision}"
        folder.mkdir(exist_ok=True)
        return compiled(self.program, self.weights, folder, form, precision)

    def ours(self, form: str, precision: str) -> Generate:
        """mai's generation in a form and a precision."""
        return FORMS[form](self.path(form, precision))

    def generators(self, precision: str) -> dict[str, Generate]:
        """Everything that can generate in a precision here, by name."""
        makers: dict[str, Callable[[], Generate]] = {}
        if not self.options.rivals_only:
            forms = [form for form in FORMS if precision == "float32" or not form.endswith(WINDOWS)]
            makers |= {f"mai, {form}": partial(self.ours, form, precision) for form in forms}
        if self.rival is not None:
            makers[TRANSFORMERS] = partial(transformers_generate, self.rival)
        if self.rival is not None and NETWORKS[self.name].genai:
            makers[GENAI] = partial(genai_generate, self.rival, precision)
        return possible(makers)

    def figures(self) -> Iterator[dict[str, Any]]:
        """The figures of every precision and batch of the network."""
        network = NETWORKS[self.name]
        for precision, batches in network.batches.items():
            generators, size = self.generators(precision), read_bytes(self.program, precision, network.tables)
            read = reader(size)
            for batch in batches:
                vocab = int(self.program.constants["vocab"])
                ids = np.random.default_rng(batch).integers(3, vocab, (batch, self.options.prompt))
                figures = measured(generators, ids, self.options.count, self.options.rounds, read)
                row = f"{self.name}, {precision}, batch {batch}"
                bandwidth = size / figures["reading"]
                about = {"row": row, "precision": precision, "batch": batch}
                yield {**about, "weights, bytes": size, "bandwidth, bytes/s": bandwidth, **figures}

    def building(self) -> dict[str, float]:
        """Seconds to build and save the ONNX graph."""

        def ours(gate: bool) -> float:
            began = time.perf_counter()
            export(self.program, "generate", Trained(self.weights), self.folder / "built", CompileOptions(verify=gate))
            return time.perf_counter() - began

        makers: dict[str, Callable[[], float]] = {}
        if not self.options.rivals_only:
            makers = {"mai": partial(ours, False), "mai, with the gate": partial(ours, True)}
        if self.rival is not None:
            makers["torch.onnx.export"] = partial(export_seconds, self.rival, self.folder)
        return possible(makers)


def ratios(against: Mapping[str, float]) -> list[str]:
    """The speed over each rival, as cells of the table."""
    return [f"{against[rival]:.2f} ×" if rival in against else "–" for rival in (TRANSFORMERS, GENAI)]


def tables(figures: Sequence[Mapping[str, Any]], built: Mapping[str, float]) -> str:
    """Speed, the time to the first token, and the time to build, as Markdown."""
    speed, first = [], []
    for row in figures:
        floors = FLOORS.get(row["row"], {})
        for name, measured_row in row["variants"].items():
            who, floor = f"{row['row']}: {name}", floors.get(name, "–")
            bound = row["batch"] == 1 and not (name == TRANSFORMERS and row["precision"] != "float32")
            share = f"{100 * measured_row['of the limit']:.0f} %" if bound else "–"
            comparable = measured_row["same tokens"] is not None and row["precision"] == "float32"
            same = f"{100 * measured_row['same tokens']:.0f} %" if comparable else "–"
            speed.append([who, f"{measured_row['tokens/s']:.1f}", *ratios(measured_row["against"]), floor, share, same])
            first.append(
                [who, f"{1e3 * measured_row['first token']:.1f} ms", *ratios(measured_row["first token against"])]
            )
    rivals = [f"against {rival}" for rival in (TRANSFORMERS, GENAI)]
    parts = [
        table(["greedy", "tokens/s", *rivals, "floor", "of the bandwidth limit", "tokens as transformers'"], speed),
        table(["first token", "time", *rivals], first),
    ]
    if built:
        parts.append(table(["llama's ONNX graph", "built in"], [[name, f"{s:.1f} s"] for name, s in built.items()]))
    return "\n\n".join(parts)


def arguments() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.texts.text", description=__doc__)
    parser.add_argument("--rivals-only", action="store_true", help="leave mai out")
    parser.add_argument("--network", choices=NETWORKS, action="append", help="of several, give several")
    parser.add_argument("--prompt", type=int, default=PROMPT, help="tokens of the prompt")
    parser.add_argument("--count", type=int, default=COUNT, help="tokens to generate, 2 or more")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    return parser.parse_args()


def main() -> None:
    """Measure, print and record the table."""
    options = arguments()
    torch.set_num_threads(1)
    figures, built = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for name in options.network or NETWORKS:
            bench = Bench(name, Path(folder), options)
            for row in bench.figures():
                figures.append(row)
                print(f"measured: {row['row']}", flush=True)
            if name == "llama":
                built = bench.building()
    text = tables(figures, built)
    usual = (options.prompt, options.count) == (PROMPT, COUNT) and not options.network
    if usual:
        record("text", text, {"rounds": options.rounds, "rows": figures, "building, seconds": built})
    else:
        print(text)


if __name__ == "__main__":
    main()
