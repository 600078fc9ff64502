"""What 8 bits do to samples: digits of the trained DiT, by float32 and by `--quantize int8`, on the same seeds.

    python -m benchmarks.samplers.few_bits [--weights runs/dit/weights.safetensors] [--samples 1000] [--seeds 5]

Two measures: the share that classifiers, trained on the digits alone, read as their label, and the exact W2 to as many digits.
Without `--weights`, the DiT and the classifiers are trained as their files say (the DiT for hours), once.
"""

from __future__ import annotations

import os

from mai.runtime.arrays import Array

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
from pathlib import Path
from statistics import mean

import numpy as np

from benchmarks.fidelity.claim import compiled, program_of, trained
from benchmarks.measure import record, table
from mai.compiler.compile_options import CompileOptions
from mai.compiler.training.initial_weights import load_weights
from mai.compiler.tuning.quality import wasserstein
from mai.runtime.model.model import Model

READERS = ("mlp", "cnn")
CLASSES = 10
FORMS = {"float32": CompileOptions(), "int8": CompileOptions(quantize="int8")}


def digits() -> Array:
    """The 1,797 digits of scikit-learn as the examples scale them, [1797, 1, 8, 8]."""
    from mai.compiler.data.batches import load

    training = program_of("dit").training
    assert training is not None
    source = load(training.data, training.fields, 0, Path(), None)
    return source.batch(0, 1797)["x"]


def read_as(readers: list[Model], x: Array, y: Array) -> float:
    """The share of images `x` that classifiers, on average, take for their labels `y`."""
    shares = []
    for reader in readers:
        (port,) = reader.inputs.values()
        scores = reader(x=x.reshape(len(x), *map(int, port.shape)))
        shares.append(float((scores.argmax(-1) == y).mean()))
    return mean(shares)


def main() -> None:
    """Measure, print and record the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, help="of a run of examples/dit.mai")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    program, weights = (program_of("dit"), options.weights) if options.weights else trained("dit")
    arrays, steps = load_weights(program, weights)
    models = {form: compiled(program, "sample", arrays, form_options) for form, form_options in FORMS.items()}
    readers = [compiled(reader, "classify", arrays) for reader, arrays in map(trained, READERS)]
    y, data = np.arange(options.samples) % CLASSES, digits()
    measures: dict[str, dict[str, list[float]]] = {form: {"read": [], "W2": []} for form in models}
    for seed in range(options.seeds):
        chosen = np.random.default_rng(seed).permutation(len(data))[: options.samples]
        for form, model in models.items():
            x = model(y=y, seed=seed)
            measures[form]["read"].append(read_as(readers, x, y))
            measures[form]["W2"].append(wasserstein(x, data[chosen]))
            print(seed, form, *(f"{name} {values[-1]:.4f}" for name, values in measures[form].items()), flush=True)
    rows = [[form, *(f"{mean(v[name]):.4f}" for name in v), _against(measures, form)] for form, v in measures.items()]
    text = f"The DiT of digits, {steps or 0:,} steps of training; {options.seeds} seeds of {options.samples:,} samples.\n\n"
    head = ["weights and products", "read as their label", "W2", "W2 to float32's"]
    record("few_bits", text + table(head, rows), {"trained_steps": steps, **measures})


def _against(measures: dict[str, dict[str, list[float]]], form: str) -> str:
    """The ratio of a form's W2 to float32's, seed by seed: its mean, and its largest distance from one."""
    ratios = [a / b for a, b in zip(measures[form]["W2"], measures["float32"]["W2"], strict=True)]
    return f"{mean(ratios):.4f}, {max(abs(r - 1) for r in ratios):.4f} from 1 at most"


if __name__ == "__main__":
    main()
