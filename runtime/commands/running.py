"""`mai run`: a file opened, its inputs read from words, its results shown or saved."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.inputs.arguments import unknown_name_error
from mai.runtime.inputs.labels import label_names, labels_to_numbers, result_names
from mai.runtime.inputs.values import parse_span, parse_value, split_word, takes_text
from mai.runtime.model.loader import load
from mai.runtime.model.manifest import Port
from mai.runtime.model.model import Model
from mai.runtime.show.picture import Look
from mai.runtime.show.printing import print_count, print_results, print_stream, print_texts
from mai.runtime.show.save import MOVING, PICTURES, check_ending, check_kind, path_names, save
from mai.runtime.show.terminal import say
from mai.runtime.text.stream import step_path


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a file is run, and what becomes of its results: the command's options."""

    out: Path | None = None
    range: str | None = None
    stream: bool = False
    threads: int | None = None
    provider: str | None = None
    special_tokens: bool | None = None
    over: Path | None = None


def run_file(path: Path, words: list[str], options: Mapping[str, int | None], wanted: Wanted) -> None:
    """Run a file on `name=value` words and on options that are settings. Raises `ModelError`."""
    if wanted.out is not None:
        check_ending(wanted.out)
    colours = None if wanted.range is None else parse_span(wanted.range)
    if wanted.over is not None and (wanted.out is None or wanted.out.suffix.lower() not in PICTURES):
        raise ModelError(
            "out-unknown", f"{wanted.over} is drawn over a picture, and none is written", "add --out picture.png"
        )
    over = None if wanted.over is None else read_points(wanted.over)
    model = _opened(path, wanted)
    if wanted.stream:
        print_stream(model, words, {n: options[n] for n in ("batch", "seed")}, wanted.out, wanted.special_tokens)
        return
    values = _values(model, words, options)
    began = time.perf_counter()
    answer, count = model.counted(**{"special_tokens": wanted.special_tokens} | values)
    seconds = time.perf_counter() - began
    if isinstance(answer, (str, list)):
        print_texts([answer] if isinstance(answer, str) else answer, seconds, wanted.out)
        print_count(model, count)
        return
    results = answer if isinstance(answer, dict) else {next(iter(model.outputs)): answer}
    examples = _examples(results)
    say(f"{examples:,} example{'s' if examples != 1 else ''} in {seconds:.3g} s", err=True)
    print_count(model, count)
    if wanted.out is None:
        print_results(model, results, values, wanted.special_tokens)
    else:
        look = replace(_look(model, values, examples, colours), over=over)
        _save(model, results, wanted.out, look)


def read_points(path: Path) -> Array:
    """Points of the plane, [n, 2], from a file of arrays or columns: those called `x`, or the first that are two numbers a row.

    Raises:
        ModelError: the file cannot be read, or holds none.
    """
    port = Port(name="x", kind="input", dtype="float32", shape=[2], batch=True)
    points: Array = parse_value(port, f"@{path}", None)
    return points


def _examples(results: Mapping[str, object]) -> int:
    """How many examples there are: the rows of the first result."""
    first = np.asarray(next(iter(results.values())))
    return len(first) if first.ndim else 1


def _save(model: Model, results: Mapping[str, Array], out: Path, look: Look) -> None:
    """Write the results to files, and say so."""
    for written in save(results, out, model.manifest, look):
        say(f"wrote {written}", err=True)
    still = [name for name in results if out.suffix.lower() in MOVING and model.outputs[name].path is None]
    for name in still:
        say(f"note: `{name}` is no path: nothing moves in it", err=True)


def _look(model: Model, values: Mapping[str, object], examples: int, colours: tuple[float, float] | None) -> Look:
    """How a picture of the results looks: its title, what orders its points, and names."""
    title = f"{model.path.name}, seed {values.get('seed', 0)}" if model.manifest.draws else model.path.name
    numbers = {name: np.asarray(values[name]) for name, port in model.inputs.items() if port.dtype == "float32"}
    inputs = {name: array for name, array in numbers.items() if len(array) == examples}  # the others are one for all
    names = {name: result_names(model.manifest, port) for name, port in model.outputs.items()}
    return Look(title, _labels(model, values, examples), inputs, colours, names, series=model.manifest.series)


def _opened(path: Path, wanted: Wanted) -> Model:
    """The file, or the step file beside it; what cannot be saved as is asked for is refused before anything is run."""
    beside = step_path(path)
    model = load(
        beside if wanted.stream and beside.exists() else path, providers=wanted.provider, threads=wanted.threads
    )
    if wanted.provider == "cuda" and "CUDAExecutionProvider" not in model.providers:
        say("note: CUDA is not usable here, the CPU computes", err=True)
    if wanted.out is not None:
        check_kind(wanted.out, model.manifest)
        if wanted.out.suffix.lower() in MOVING:
            path_names(list(model.outputs.values()))
    return model


def _values(model: Model, words: list[str], options: Mapping[str, int | None]) -> dict[str, Any]:
    """Inputs and settings from `name=value` words and from options."""
    values: dict[str, Any] = {}
    ports = {**model.inputs, **model.settings}
    size = options["batch"]
    if size is not None and size < 1:
        raise ModelError("input-range", f"`batch` is at least 1, this is {size}")
    for word in words:
        name, text = split_word(word)
        if name not in ports:
            raise unknown_name_error(name, list(ports))
        if name in values:
            raise ModelError("input-unknown", f"`{name}` is given twice", f"several examples: {name}=[..., ...]")
        repeated = size if "batch" not in model.settings else None
        values[name] = read_value(model, ports[name], text, repeated)
    for name, value in options.items():
        if value is None or (name == "batch" and model.inputs and name not in model.settings):
            continue
        if name in values:
            raise ModelError("input-unknown", f"`{name}` is given twice, as a word and as --{name}")
        values[name] = value
    return values


def read_value(model: Model, port: Port, text: str, repeated: int | None) -> object:
    """The value of a port from a word, one example `repeated` so many times."""
    names, is_text = label_names(model.manifest, port), takes_text(model.manifest, port)
    numbers = text if is_text else labels_to_numbers(port, names, text)
    return parse_value(port, numbers, repeated, is_text=is_text, names=names)


def _labels(model: Model, values: Mapping[str, object], examples: int) -> Array | None:
    """The labels that were asked for, to order a picture by; by their names, where the file has them."""
    for name, port in model.inputs.items():
        if port.classes and not port.shape and name in values and np.size(np.asarray(values[name])) == examples:
            labels, names = np.asarray(values[name]).reshape(-1).astype(int), label_names(model.manifest, port)
            if not names:
                return labels
            return np.array([names[k] if 0 <= k < len(names) else str(k) for k in labels])
    return None
