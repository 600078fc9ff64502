"""`mai run`: a file opened, its inputs read from words, its results shown or saved."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer

from mai.runtime.errors import ModelError
from mai.runtime.inputs.arguments import unknown_name_error
from mai.runtime.inputs.labels import label_names, labels_to_numbers, result_names
from mai.runtime.inputs.values import parse_span, parse_value, split_word, takes_text
from mai.runtime.model.loader import load
from mai.runtime.model.model import Model
from mai.runtime.show.picture import Look
from mai.runtime.show.printing import print_count, print_results, print_stream, print_texts
from mai.runtime.show.save import MOVING, check_ending, check_kind, path_names, save
from mai.runtime.text.stream import step_path


@dataclass(frozen=True, slots=True)
class Wanted:
    """How a file is run, and what becomes of its results: the command's options."""

    out: Path | None = None
    range: str | None = None
    stream: bool = False
    threads: int | None = None
    provider: str | None = None


def run_file(path: Path, words: list[str], options: Mapping[str, int | None], wanted: Wanted) -> None:
    """Run a file on `name=value` words and on options that are settings. Raises `ModelError`."""
    if wanted.out is not None:
        check_ending(wanted.out)
    colours = None if wanted.range is None else parse_span(wanted.range)
    model = _opened(path, wanted)
    if wanted.stream:
        print_stream(model, words, {n: options[n] for n in ("batch", "seed")}, wanted.out)
        return
    given = _given(model, words, options)
    began = time.perf_counter()
    made, counted = model.counted(**given)
    seconds = time.perf_counter() - began
    if isinstance(made, (str, list)):
        print_texts([made] if isinstance(made, str) else made, seconds, wanted.out)
        print_count(model, counted)
        return
    results = made if isinstance(made, dict) else {next(iter(model.outputs)): made}
    first = np.asarray(next(iter(results.values())))
    count = len(first) if first.ndim else 1
    typer.echo(f"{count:,} example{'s' if count != 1 else ''} in {seconds:.3g} s", err=True)
    print_count(model, counted)
    if wanted.out is None:
        print_results(model, results, given)
        return
    title = f"{path.name}, seed {given.get('seed', 0)}" if model.manifest.draws else path.name
    read = {name: np.asarray(given[name]) for name, port in model.inputs.items() if port.dtype == "float32"}
    inputs = {name: array for name, array in read.items() if len(array) == count}  # the others are one for all
    names = {name: result_names(model.manifest, port) for name, port in model.outputs.items()}
    look = Look(title, _labels(model, given, count), inputs, colours, names)
    for written in save(results, wanted.out, model.manifest, look):
        typer.echo(f"wrote {written}", err=True)
    still = [name for name in results if wanted.out.suffix.lower() in MOVING and model.outputs[name].path is None]
    for name in still:
        typer.echo(f"note: `{name}` is no path: nothing moves in it", err=True)


def _opened(path: Path, wanted: Wanted) -> Model:
    """The file, or the step file beside it; what cannot be saved as is asked for is refused before anything is run."""
    beside = step_path(path)
    model = load(
        beside if wanted.stream and beside.exists() else path, providers=wanted.provider, threads=wanted.threads
    )
    if wanted.provider == "cuda" and "CUDAExecutionProvider" not in model.providers:
        typer.echo("note: CUDA is not usable here, the CPU computes", err=True)
    if wanted.out is not None:
        check_kind(wanted.out, model.manifest)
        if wanted.out.suffix.lower() in MOVING:
            path_names(list(model.outputs.values()))
    return model


def _given(model: Model, words: list[str], options: Mapping[str, int | None]) -> dict[str, Any]:
    """Inputs and settings from `name=value` words and from options."""
    given: dict[str, Any] = {}
    known = {**model.inputs, **model.settings}
    size = options["batch"]
    if size is not None and size < 1:
        raise ModelError("input-range", f"`batch` is at least 1, this is {size}")
    for word in words:
        name, text = split_word(word)
        if name not in known:
            raise unknown_name_error(name, list(known))
        if name in given:
            raise ModelError("input-unknown", f"`{name}` is given twice", f"several examples: {name}=[..., ...]")
        repeated = size if "batch" not in model.settings else None
        port = known[name]
        names, is_text = label_names(model.manifest, port), takes_text(model.manifest, port)
        text = text if is_text else labels_to_numbers(port, names, text)
        given[name] = parse_value(port, text, repeated, is_text=is_text, names=names)
    for name, value in options.items():
        if value is None or (name == "batch" and model.inputs and name not in model.settings):
            continue
        if name in given:
            raise ModelError("input-unknown", f"`{name}` is given twice, as a word and as --{name}")
        given[name] = value
    return given


def _labels(model: Model, given: Mapping[str, Any], count: int) -> Any:
    """The labels that were asked for, to order a picture by; by their names, where the file has them."""
    for name, port in model.inputs.items():
        if port.classes and not port.shape and name in given and np.size(given[name]) == count:
            labels, names = np.asarray(given[name]).reshape(-1).astype(int), label_names(model.manifest, port)
            return np.array([names[k] if 0 <= k < len(names) else str(k) for k in labels]) if names else labels
    return None
