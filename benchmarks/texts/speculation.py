"""Speculation: greedy text that repeats itself and text that does not, with and without drafts, against onnxruntime-genai."""

from __future__ import annotations

import os

from mai.runtime.arrays import Array

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.measure import interleaved, medians, ratio, record, table
from benchmarks.texts.rivals_text import Generate, genai_generate, random_model
from benchmarks.texts.text import COUNT, GENAI, PROMPT, ROUNDS, SPECS, possible
from benchmarks.texts.transformers_weights import weights_of
from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.program import Program
from mai.runtime import load

PLAIN, DRAFTED, LOOKED_UP = "mai", "mai, drafts", f"{GENAI}, look-up"
MOST = 7
PERIOD = 32  # Tokens of the passage that is said again and again.
TIMES = 9  # How often the model hears it.
STRENGTH = 24.0  # What a token of the passage gains over the others, whose scores are about normal.


def passage(vocab: int) -> Array:
    """The tokens [32] of the passage that is repeated."""
    return np.random.default_rng(7).integers(3, vocab, PERIOD)


def taught(model: Any, tokens: Array) -> Any:
    """The model after one step of descent on its head, so that it continues a repeated passage.

    The step for token t after the features h adds a multiple of h to the row of t (Hebb 1949).
    """
    lesson = torch.from_numpy(np.tile(tokens, TIMES))
    with torch.no_grad():
        features = model.model(input_ids=lesson[None]).last_hidden_state[0, PERIOD - 1 : -1]
        gained = STRENGTH / (TIMES - 1) * features / (features**2).sum(-1, keepdim=True)
        model.lm_head.weight.index_add_(0, lesson[PERIOD:], gained)
    model.config.taught = [PERIOD, TIMES, STRENGTH]  # The rival's cache tells models apart by their configuration.
    return model


class Counted:
    """Generates with one file, and keeps how many turns the last text took."""

    def __init__(self, path: Path) -> None:
        self.model, self.turns = load(path, providers="cpu", threads=1), 0

    def __call__(self, ids: Array, count: int) -> Array:
        """The `count` tokens that follow `ids` [batch, length], greedy."""
        tokens, turns = self.model.counted(prompt=ids, count=count, temperature=0.0, stop=-1)
        self.turns = count if turns is None else int(turns.max())
        text: Array = tokens[:, ids.shape[1] :]
        return text


class Bench:
    """A Llama in one precision, and what generates with it."""

    def __init__(self, program: Program, model: Any, precision: str, folder: Path) -> None:
        self.program, self.model, self.precision, self.folder = program, model, precision, folder
        self.weights = weights_of(program, model)
        makers: dict[str, Callable[[], Generate]] = {
            PLAIN: lambda: Counted(self.path(0)),
            DRAFTED: lambda: Counted(self.path(MOST)),
            GENAI: lambda: genai_generate(model, precision),
            LOOKED_UP: lambda: genai_generate(model, precision, MOST),
        }
        self.generators = possible(makers)

    def path(self, drafts: int) -> Path:
        """A new file that reads up to so many drafts a turn."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        few = self.precision == "int4"
        options = CompileOptions(drafts=drafts, quantize="int4" if few else None, cpu=not few)
        return export(self.program, "generate", Trained(self.weights), folder, options).path

    def figures(self, ids: Array, options: argparse.Namespace) -> dict[str, Any]:
        """By variant: tokens/s, turns (None where a rival does not say), how many times as fast as the others, the share of the plain form's tokens."""
        texts: dict[str, Array] = {}

        def run(name: str) -> None:
            texts[name] = self.generators[name](ids, options.count)

        times = interleaved({name: lambda name=name: run(name) for name in self.generators}, options.rounds)
        middle = medians(times)
        return {
            name: {
                "tokens/s": texts[name].size / middle[name],
                "turns": getattr(self.generators[name], "turns", None),
                "against": {r: ratio(times, r, name) for r in self.generators if r != name},
                "same tokens": float(np.mean(texts[name] == texts[PLAIN])),
            }
            for name in self.generators
        }


def rows(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, Any]]:
    """Measure each precision on a text that does not repeat itself and on one that does."""
    program = check(SPECS / "llama.mai").program
    assert program is not None
    vocab = int(program.constants["vocab"])
    new = np.random.default_rng(1).integers(3, vocab, (1, options.prompt))
    again = np.resize(passage(vocab), (1, options.prompt))
    for precision in options.precision or ("float32", "int4"):
        for text, ids in (("does not repeat", new), ("repeats", again)):
            model = random_model("llama", program.constants)
            model = taught(model, passage(vocab)) if text == "repeats" else model
            figures = Bench(program, model, precision, folder).figures(ids, options)
            print(f"measured: {precision}, {text}", flush=True)
            yield {"row": f"{precision}, the text {text}", "variants": figures}


def shown(row: Mapping[str, Any]) -> Iterator[list[str]]:
    """The rows of the table for one measurement."""
    for name, figures in row["variants"].items():
        others = [
            f"{figures['against'][r]:.2f} ×" if r in figures["against"] else "–" for r in (PLAIN, GENAI, LOOKED_UP)
        ]
        turns = "–" if figures["turns"] is None else str(figures["turns"])
        same = f"{100 * figures['same tokens']:.0f} %"
        yield [f"{row['row']}: {name}", f"{figures['tokens/s']:.1f}", *others, turns, same]


def main() -> None:
    """Measure, print and record the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.texts.speculation", description=__doc__)
    parser.add_argument("--precision", choices=("float32", "int4"), action="append", help="of several, give several")
    parser.add_argument("--prompt", type=int, default=PROMPT, help="tokens of the prompt")
    parser.add_argument("--count", type=int, default=COUNT, help="tokens to generate")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        measured = list(rows(options, Path(folder)))
    head = [
        "llama, batch 1, greedy",
        "tokens/s",
        "against mai",
        f"against {GENAI}",
        "against its look-up",
        "turns",
        "tokens as mai's",
    ]
    text = table(head, [line for row in measured for line in shown(row)])
    usual = (options.prompt, options.count) == (PROMPT, COUNT) and not options.precision
    if usual:
        record("speculation", text, {"rounds": options.rounds, "rows": measured})
    else:
        print(text)


if __name__ == "__main__":
    main()
