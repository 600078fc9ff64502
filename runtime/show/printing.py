"""What `mai run` prints: texts as they grow, scores of texts, probabilities of classes, arrays."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mai.runtime.arrays import Array
from mai.runtime.errors import ModelError
from mai.runtime.files import write_atomically
from mai.runtime.inputs.arguments import unknown_name_error
from mai.runtime.inputs.dates import nearest_date
from mai.runtime.inputs.labels import result_names
from mai.runtime.inputs.values import parse_value, split_word, takes_text
from mai.runtime.show.terminal import echo, say, say_text, visible_line
from mai.runtime.text.likeliest import are_probabilities, print_likeliest
from mai.runtime.text.prompts import NOTHING, encode_text

if TYPE_CHECKING:
    from mai.runtime.model.manifest import DateForm, Port, Step, Text
    from mai.runtime.model.model import Model

BAR = 30  # Letters.
MAX_NUMBERS = 20  # Of whole numbers in a row, how many are printed.


def print_stream(
    model: Model, words: list[str], options: Mapping[str, int | None], out: Path | None, special_tokens: bool | None
) -> None:
    """Print a text as it grows, then how fast it grew.

    Args:
        model: a step file.
        words: inputs and settings as `name=value`.
        options: settings that were given as options of the command line.
        out: a file to write the text to as well.
        special_tokens: whether the prompt gets those of its tokenizer; None for as the file says.

    Raises:
        ModelError: the file grows no text, or a word is not as the file says.
        OSError: `out` cannot be written.
    """
    if model.manifest.step is None or model.manifest.text is None:
        model.stream("")  # Raises the error that says why it cannot.
        return
    prompt, settings = _read_words(model, model.manifest.step, model.manifest.text, words, options)
    begin, count, pieces = time.perf_counter(), 0, [prompt] if isinstance(prompt, str) else []
    say_text(prompt if isinstance(prompt, str) else "", end="")
    for piece in model.stream(prompt, special_tokens=special_tokens, **settings):
        count += len(piece.encode()) if isinstance(piece, str) and model.manifest.tokenizer == "bytes" else 1
        shown = piece if isinstance(piece, str) else " ".join(str(t) for t in piece if t != NOTHING) + " "
        pieces.append(shown)
        say_text(shown, end="")
    seconds = time.perf_counter() - begin
    say("")
    say(f"{count / seconds:,.0f} tokens a second", err=True)
    if out is not None:
        write_atomically(out, ("".join(pieces) + "\n").encode())


def _read_words(
    model: Model, step: Step, text: Text, words: list[str], options: Mapping[str, int | None]
) -> tuple[object, dict[str, Any]]:
    """The prompt, and the other inputs and the settings of a stream by name, `count` among them."""
    prompt = model.inputs[step.tokens].model_copy(update={"name": text.prompt})
    ports = {text.prompt: prompt, **model.manifest.steady_inputs, **model.settings}
    values: dict[str, Any] = {name: v for name, v in options.items() if v is not None and name in model.settings}
    for word in words:
        name, value = split_word(word)
        if name == text.count:
            values["count"] = _parse_count(name, value)
            continue
        if name not in ports:
            raise unknown_name_error(name, [*ports, str(text.count)])
        values[name] = parse_value(ports[name], value, None, is_text=takes_text(model.manifest, ports[name]))
    if text.prompt not in values:
        raise ModelError("input-missing", f"the input `{text.prompt}` is missing", f'{text.prompt}="Once upon"')
    return values.pop(text.prompt), values


def _parse_count(name: str, value: str) -> int:
    if not value.isdigit():
        raise ModelError("input-dtype", f"`{name}` is a whole number, this is {value}")
    return int(value)


def show_progress(model: Model, values: Mapping[str, Any]) -> Any:
    """The result of a call, while a line of a terminal says how many of its turns are taken. Raises `ModelError`, as `Model.progress` does."""
    on_terminal, result = sys.stderr.isatty(), None
    for progress in model.progress(**values):
        result = progress.result
        if on_terminal:
            filled = round(BAR * progress.share)
            line = f"\r{'█' * filled}{'·' * (BAR - filled)} {progress.turns:,} of {progress.total:,}"
            echo(line, err=True, end="" if progress.turns < progress.total else "\n")
    if not on_terminal:
        say(f"{progress.total:,} turns", err=True)
    return result


def print_texts(rows: Sequence[str | Array], seconds: float, out: Path | None) -> None:
    """Print texts, or write them to a file; rows of tokens as their numbers. `seconds` is how long they took."""
    texts = [r if isinstance(r, str) else " ".join(map(str, r)) for r in rows]
    say(f"{len(texts):,} text{'s' if len(texts) != 1 else ''} in {seconds:.3g} s", err=True)
    if out is not None:
        write_atomically(out, ("\n\n".join(texts) + "\n").encode())
        say(f"wrote {out}", err=True)
        return
    say_text(f"\n{'-' * 40}\n".join(texts))


def print_count(model: Model, count: Array | None) -> None:
    """Print the count of work that `Model.counted` gives: evaluations of the velocity [batch], or turns of a text []."""
    if count is None:
        return
    least, most = int(np.min(count)), int(np.max(count))
    if model.manifest.evaluations:
        span = f"{most}" if least == most else f"{least} to {most}"
        say(f"{span} evaluations of the velocity", err=True)
    else:
        say(f"in {most:,} turns", err=True)


def print_results(
    model: Model, results: Mapping[str, Array], values: Mapping[str, object], special_tokens: bool | None
) -> None:
    """Print each result in the form that suits it: scores of texts, labels, bars of probabilities, or a summary.

    Args:
        results: arrays [batch, ...] by the names of the outputs.
        values: the inputs and settings that they were computed from.
        special_tokens: whether texts got those of their tokenizer; None for as the file says.
    """
    for name, array in results.items():
        rows = np.asarray(array)
        if _print_scores(model, rows, values, special_tokens):
            continue
        say(f"{visible_line(name)}: {rows.dtype} {list(rows.shape)}")
        port = model.outputs[name]
        names = result_names(model.manifest, port)
        if rows.ndim == 1 and rows.dtype.kind in "bi":
            _print_labels(rows, names)
        elif port.dates is not None:
            _print_dates(rows.reshape(-1), port.dates)
        elif port.tokens and rows.size:
            _print_tokens(model, port, rows, values, special_tokens)
        elif _are_probabilities(rows, port):
            _print_bars(rows[:5], names)
        else:
            _print_numbers(rows)


def _print_numbers(rows: Array) -> None:
    if rows.dtype.kind == "b":
        say(f"  {rows.mean():.1%} are true")
    elif rows.size > 1:  # One number is shown below.
        say(f"  mean {rows.mean():.4g}, deviation {rows.std():.4g}, from {rows.min():.4g} to {rows.max():.4g}")
    with np.printoptions(precision=4, suppress=True, threshold=40, edgeitems=2):
        say("  " + str(rows[:3]).replace("\n", "\n  "))


def _print_tokens(
    model: Model, port: Port, rows: Array, values: Mapping[str, object], special_tokens: bool | None
) -> None:
    """Print the likeliest tokens of each example [batch, tokens], or of each place of the first one [batch, places, tokens]."""
    if rows.ndim == 2:
        print_likeliest(rows, [], model.tokenizer, "example")
        return
    if len(rows) > 1:
        say("  of the first example:")
    tokens = _tokens_before(model, port, values, special_tokens)
    print_likeliest(rows[0].reshape(-1, rows.shape[-1]), tokens, model.tokenizer)


def _tokens_before(model: Model, port: Port, values: Mapping[str, object], special_tokens: bool | None) -> list[int]:
    """The tokens that stand at the places of a result [places, tokens]: of the first text that has as many; none where no text has."""
    special = model.manifest.special_tokens if special_tokens is None else special_tokens
    for text in model.manifest.inputs:
        value = values.get(text.name)
        if text.classes and text.shape == port.shape[:-1] and len(text.shape) == 1 and value is not None:
            first = value[0] if isinstance(value, list) and isinstance(value[0], (list, str)) else value
            rows = (
                encode_text(text, first, model.tokenizer, special_tokens=special) if isinstance(first, str) else first
            )
            return [int(token) for token in np.atleast_2d(np.asarray(rows))[0]]
    return []


def _are_probabilities(rows: Array, port: Port) -> bool:
    """Whether each row holds the probabilities of classes."""
    is_row = len(port.shape) == 1 and rows.ndim == 2 and rows.dtype.kind == "f"
    return is_row and are_probabilities(rows)


def _print_scores(model: Model, rows: Array, values: Mapping[str, object], special_tokens: bool | None) -> bool:
    """Print log-probabilities [texts, tokens - 1] as perplexity and bits a byte; False where `rows` are something else.

    Every token of a text but the first has a log-probability, given those before it.
    """
    texts = [t for t in map(_texts_in, values.values()) if t]
    if len(texts) != 1 or model.tokenizer is None or rows.ndim != 2 or (rows > 1e-6).any() or not rows.size:
        return False
    special = model.manifest.special_tokens if special_tokens is None else special_tokens
    tokens = [model.tokenizer.encode(text) for text in texts[0]]
    before, after = map(len, model.tokenizer.special_tokens(texts[0][0])) if special else (0, 0)
    if rows.shape != (len(tokens), before + len(tokens[0]) + after - 1):
        return False
    for row, own in zip(rows, tokens, strict=True):
        total, size = float(row.sum()), len(model.tokenizer.decode(own if before else own[1:]).encode())
        perplexity, bits = np.exp(-total / row.size), -total / np.log(2) / max(size, 1)
        say(f"log-probability {total:.4g} of {row.size:,} tokens")
        say(f"perplexity {perplexity:.4g}, {bits:.3g} bits a byte")
    return True


def _texts_in(value: object) -> list[str]:
    """The texts that a value holds: itself, or the items of a list; none where it holds anything else."""
    items = value if isinstance(value, list) else [value]
    texts = [item for item in items if isinstance(item, str)]
    return texts if len(texts) == len(items) else []


def _print_labels(rows: Array, names: Sequence[str]) -> None:
    """Print whole numbers [batch], or the names of the labels that they are, one by one: their mean would say nothing."""
    shown = [names[i] if 0 <= i < len(names) else str(i) for i in rows[:MAX_NUMBERS].tolist()]
    say(visible_line("  " + ", ".join(shown + ["..."] * (len(rows) > MAX_NUMBERS))))


def _print_dates(days: Array, form: DateForm) -> None:
    """Print days since 1970-01-01 as the nearest dates."""
    shown = [nearest_date(each, form) for each in days[:MAX_NUMBERS].tolist()]
    say("  " + ", ".join(shown + ["..."] * (len(days) > MAX_NUMBERS)))


def _print_bars(rows: Array, names: Sequence[str]) -> None:
    """Print probabilities of classes [batch, classes] as bars; those below 1 % are left out."""
    shown = [visible_line(name) for name in names] or [str(label) for label in range(rows.shape[1])]
    width = max(3, *map(len, shown))
    for row in rows:
        for label, p in zip(shown, row, strict=True):
            if p >= 0.01:
                say(f"  {label:>{width}} {'█' * max(1, round(40 * float(p)))} {p:.1%}")
        say("")
