"""The first look on a card: files right and placed as foretold, calls timed beside the CPU's, and training that waits for nothing.

    python -m benchmarks.samplers.first_light [moons_flow] [dit] ...      [--batch 64] [--rounds 5] [--steps 50]

Some examples, smaller, with first weights, each as usual and with `--cuda`. Its self-test says whether the card computes what the file
says; the nodes on the CPU and the copies are compared with what `mai show --emit placement` foretells. Of training, the waits for the
device in a step are counted. Without a card it says what is missing, and ends.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from benchmarks.hosts_matrix.subjects import SMALLER
from benchmarks.measure import interleaved, medians, table
from benchmarks.placement.__main__ import foretold
from benchmarks.placement.asked import ask
from benchmarks.samplers.cuda import missing
from mai.compiler.check import check
from mai.compiler.compile_options import CompileOptions, Trained
from mai.compiler.onnx.export import export
from mai.compiler.onnx.placement.report import report
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.training.loop import train
from mai.compiler.training.options import Options
from mai.runtime import ModelError, load
from mai.runtime.model.model import Model
from mai.runtime.self_test.verification import arrays_of

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ("moons_flow", "dit", "digits_unet", "char_gpt", "llama", "normalizing_flow")
HEAD = ["file", "self-test", "placed as foretold", "copies a turn", "CUDA", "CPU"]


def files(name: str, folder: Path) -> Iterator[tuple[str, Path]]:
    """Every export of an example in both forms, by what it is called in the table."""
    program = check(EXAMPLES / f"{name}.mai", SMALLER.get(name, {})).program
    assert program is not None, name
    trained = Trained(load_weights(program, None)[0])
    for cuda in (False, True):
        for own in program.exports:
            exported = export(program, own, trained, folder / str(cuda), CompileOptions(cuda=cuda, step=False))
            yield f"{name}.{own}{' --cuda' if cuda else ''}", exported.path


def row(title: str, path: Path, batch: int, rounds: int, provider: str = "cuda") -> list[str]:
    """A line of the table for one file."""
    models = {p: load(path, providers=p) for p in (provider, "cpu")}
    times = medians(interleaved({p: _call(model, batch) for p, model in models.items()}, rounds))
    turn = report(path).worst_turn
    placed = ask([path], dict(os.environ))[0] == foretold(path) if provider == "cuda" else None
    seconds = [f"{1e3 * times[p]:.3g} ms" for p in (provider, "cpu")]
    return [title, _verified(models[provider]), str(placed), f"{turn.to_host} + {turn.from_host}", *seconds]


def _verified(model: Model) -> str:
    try:
        return str(model.verify())
    except ModelError as error:
        return f"**{error}**"


def _call(model: Model, batch: int) -> Any:
    """A call as the self-test makes it, of a batch that a card can show something with."""
    assert model.manifest.self_test is not None
    recipe = model.manifest.self_test.runs[0].recipe
    sizes = {name: batch if name == "batch" else size for name, size in recipe.sizes.items()}
    feed = arrays_of(model.manifest, recipe.model_copy(update={"sizes": sizes}))
    return lambda: model(**feed)


def waits(name: str, steps: int, folder: Path, device: str = "cuda") -> float:
    """How often a step of training waits for the device: calls that torch warns of, over the steps, reports and all."""
    program = check(EXAMPLES / f"{name}.mai", SMALLER.get(name, {})).program
    assert program is not None, name
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            train(program, folder / "run", Options(steps=steps, device=device, quiet=True))
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(w.message) for w in warned) / steps


def main() -> None:
    """Look, and print a table; a file that fails is a line of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=NAMES)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=50)
    options = parser.parse_args()
    reason = missing()
    if reason is not None:
        print(f"first light: skipped, since {reason}")
        return
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in options.names:
            for title, path in files(name, Path(folder) / name):
                try:
                    rows.append(row(title, path, options.batch, options.rounds))
                except Exception as error:  # Whatever a first look shows is worth a line.
                    rows.append([title, f"**{str(error).splitlines()[0][:200]}**", "", "", "", ""])
        said = [
            f"{n}: {waits(n, options.steps, Path(folder) / n):.2f} waits a step of training" for n in options.names[:1]
        ]
    print(table(HEAD, rows), *said, f"On {torch.cuda.get_device_name()}, a batch of {options.batch}.", sep="\n")


if __name__ == "__main__":
    main()
