"""`mai run`: a file opened, its inputs read from words, its results shown or saved."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import typer

from mai.runtime import say
from mai.runtime.animate import check_moves
from mai.runtime.arguments import unknown
from mai.runtime.errors import ModelError
from mai.runtime.labels import in_numbers, names_for
from mai.runtime.model import Model, load
from mai.runtime.picture import Look
from mai.runtime.save import MOVING, check_ending, check_kind, save
from mai.runtime.stream import step_path
from mai.runtime.values import parse_span, parse_value, split_word, takes_text


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
        say.stream(model, words, {n: options[n] for n in ("batch", "seed")}, wanted.out)
        return
    given = _given(model, words, options)
    began = time.perf_counter()
    made, counted = model.counted(**given)
    seconds = time.perf_counter() - began
    if isinstance(made, (str, list)):
        say.texts([made] if isinstance(made, str) else made, seconds, wanted.out)
        say.counts(model, counted)
        return
    results = made if isinstance(made, dict) else {next(iter(model.outputs)): made}
    first = np.asarray(next(iter(results.values())))
    count = len(first) if first.ndim else 1
    typer.echo(f"{count:,} example{'s' if count != 1 else ''} in {seconds:.3g} s", err=True)
    say.counts(model, counted)
    if wanted.out is None:
        say.arrays(model, results, given)
        return
    title = f"{path.name}, seed {given.get('seed', 0)}" if model.manifest.draws else path.name
    inputs = {name: np.asarray(given[name]) for name, port in model.inputs.items() if port.dtype == "float32"}
    for written in save(
        results, wanted.out, model.manifest, Look(title, _labels(model, given, count), inputs, colours)
    ):
        typer.echo(f"wrote {written}", err=True)


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
        for port in model.outputs.values() if wanted.out.suffix.lower() in MOVING else ():
            check_moves(port)
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
            raise unknown(name, list(known))
        if name in given:
            raise ModelError("input-unknown", f"`{name}` is given twice", f"several examples: {name}=[..., ...]")
        repeated = size if "batch" not in model.settings else None
        text = in_numbers(known[name], names_for(model.manifest, known[name]), text)
        given[name] = parse_value(known[name], text, repeated, is_text=takes_text(model.manifest, known[name]))
    for name, value in options.items():
        if value is None or (name == "batch" and model.inputs and name not in model.settings):
            continue
        if name in given:
            raise ModelError("input-unknown", f"`{name}` is given twice, as a word and as --{name}")
        given[name] = value
    return given


def _labels(model: Model, given: Mapping[str, Any], count: int) -> Any:
    """The labels that were asked for, to order a picture by."""
    for name, port in model.inputs.items():
        if port.classes and name in given and np.size(given[name]) == count:
            return np.asarray(given[name]).reshape(-1)
    return None
