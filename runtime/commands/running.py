"""`mai run`: a file opened, its inputs read from words, its results shown or saved."""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.inputs.arguments import unknown_name_error
from mai.runtime.inputs.cells import is_number
from mai.runtime.inputs.csv_rows import read_rows
from mai.runtime.inputs.dates import as_moments, dates_of, dates_to_numbers
from mai.runtime.inputs.labels import label_names, labels_to_numbers
from mai.runtime.inputs.values import parse_span, parse_value, split_word, takes_text
from mai.runtime.model.loader import load, read_manifest
from mai.runtime.model.manifest import Port
from mai.runtime.model.model import Model
from mai.runtime.model.parts import check_is_of
from mai.runtime.show.look import count_examples, look_of
from mai.runtime.show.picture import Look
from mai.runtime.show.printing import print_count, print_results, print_stream, print_texts, show_progress
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
    progress: bool = False


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
    asked = {"special_tokens": wanted.special_tokens} | values
    with _warnings_as_notes():
        answer, count = (show_progress(model, asked), None) if wanted.progress else model.counted(**asked)
    seconds = time.perf_counter() - began
    if isinstance(answer, (str, list)):
        print_texts([answer] if isinstance(answer, str) else answer, seconds, wanted.out)
        print_count(model, count)
        return
    results = model.by_output(answer)
    examples = count_examples(results)
    say(f"{examples:,} example{'s' if examples != 1 else ''} in {seconds:.3g} s", err=True)
    print_count(model, count)
    if wanted.out is None:
        print_results(model, results, values, wanted.special_tokens)
    else:
        look = replace(look_of(model, values, results, colours), over=over)
        _save(model, results, wanted.out, look)


def read_points(path: Path) -> Array:
    """Points of the plane, [n, 2], from a file of arrays or columns: those called `x`, or the first that are two numbers a row.

    Of a table with other columns, `FILE:ONE,OTHER` names two; without, they are the first two of numbers, which is said.

    Raises:
        ModelError: the file cannot be read, or holds none.
    """
    file, columns = str(path), ""
    if not path.is_file() and ":" in file:
        file, _, columns = file.rpartition(":")
    if not Path(file).is_file():
        raise ModelError(
            "input-missing",
            f"there is no file {file} for --over",
            "`mai data moons --out points.csv` writes one of a source",
        )
    if Path(file).suffix.lower() == ".csv" and (names := _columns(Path(file), columns)):
        ports = [Port(name=name, kind="input", dtype="float32", batch=True) for name in names]
        return np.stack([np.asarray(parse_value(port, f"@{file}:{port.name}", None), np.float32) for port in ports], -1)
    port = Port(name="x", kind="input", dtype="float32", shape=[2], batch=True)
    points: Array = parse_value(port, f"@{path}", None)
    return points


def _columns(path: Path, named: str) -> list[str]:
    """The two columns of a table that are points; none where it has columns of `x`, or no more than two."""
    if named:
        names = [name.strip() for name in named.split(",")]
        if len(names) != 2:
            raise ModelError("input-shape", f"a point has two numbers, {path}:{named} names {len(names)}")
        return names
    head, *rows = read_rows(path)[:2] or [[]]
    if len(head) <= 2 or {"x", "x0"} & {*head} or all(map(is_number, head)):
        return []
    numbers = [name for name, cell in zip(head, rows[0] if rows else [], strict=False) if is_number(cell)][:2]
    if len(numbers) == 2:
        say(
            f"note: the points of {path} are its columns {' and '.join(numbers)}; {path}:ONE,OTHER takes others",
            err=True,
        )
    return numbers if len(numbers) == 2 else []


def _save(model: Model, results: Mapping[str, Array], out: Path, look: Look) -> None:
    """Write the results to files, and say so."""
    for written in save(results, out, model.manifest, look):
        say(f"wrote {written}", err=True)
    still = [name for name in results if out.suffix.lower() in MOVING and model.outputs[name].path is None]
    for name in still:
        say(f"note: `{name}` is no path: nothing moves in it", err=True)


def _opened(path: Path, wanted: Wanted) -> Model:
    """The file, or the step file beside it; what cannot be saved as is asked for is refused before anything is run."""
    beside = step_path(path)
    in_turns = (wanted.stream or wanted.progress) and beside.exists()
    model = load(beside if in_turns else path, providers=wanted.provider, threads=wanted.threads)
    if in_turns:
        check_is_of(model.manifest, read_manifest(path), beside)
    if wanted.provider == "cuda" and "CUDAExecutionProvider" not in model.providers:
        say("note: CUDA is not usable here, the CPU computes", err=True)
    if wanted.progress:
        model.by_parts()  # Which says where there are none.
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


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Warnings as lines of the terminal."""
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        yield
    for note in notes:
        say(f"note: {note.message}", err=True)


def read_value(model: Model, port: Port, text: str, repeated: int | None) -> object:
    """The value of a port from a word, one example `repeated` so many times."""
    names, is_text = label_names(model.manifest, port), takes_text(model.manifest, port)
    dates, written = dates_of(model.manifest, port), text
    with _warnings_as_notes():
        if dates is not None:
            text = dates_to_numbers(port, dates, text)
        numbers = text if is_text else labels_to_numbers(port, names, text)
        value = parse_value(port, numbers, repeated, is_text=is_text, names=names, dates=dates)
    are_dates = dates is not None and (text != written or text.startswith("@"))
    return as_moments(value) if are_dates else value
