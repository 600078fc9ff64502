"""What `mai run` prints: texts as they grow, scores, class probabilities, arrays."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from mai.runtime.errors import ModelError
from mai.runtime.files import write_atomically
from mai.runtime.inputs.arguments import unknown_name_error
from mai.runtime.inputs.labels import label_names, names_by_count
from mai.runtime.inputs.values import parse_value, split_word, takes_text
from mai.runtime.text.prompts import NOTHING

if TYPE_CHECKING:
    from mai.runtime.model.model import Model

SHOWN = 20


def print_stream(model: Model, values: list[str], options: Mapping[str, int | None], out: Path | None) -> None:
    """Print a text as it grows, then how fast it grew."""
    step, text = model.manifest.step, model.manifest.text
    if step is None or text is None:
        model.stream("")  # Says why it cannot.
        return
    prompted = model.inputs[step.tokens].model_copy(update={"name": text.prompt})
    ports = {text.prompt: prompted, **model.settings}
    given: dict[str, Any] = {name: v for name, v in options.items() if v is not None and name in model.settings}
    for word in values:
        name, value = split_word(word)
        if name == text.count:
            given["count"] = _whole(name, value)
            continue
        if name not in ports:
            raise unknown_name_error(name, [*ports, str(text.count)])
        given[name] = parse_value(ports[name], value, None, is_text=takes_text(model.manifest, ports[name]))
    if text.prompt not in given:
        raise ModelError("input-missing", f"the input `{text.prompt}` is missing", f'{text.prompt}="Once upon"')
    prompt = given.pop(text.prompt)
    began, count, pieces = time.perf_counter(), 0, [prompt] if isinstance(prompt, str) else []
    typer.echo(prompt if isinstance(prompt, str) else "", nl=False)
    for piece in model.stream(prompt, **given):
        count += len(piece.encode()) if isinstance(piece, str) and model.manifest.tokenizer == "bytes" else 1
        shown = piece if isinstance(piece, str) else " ".join(str(t) for t in piece if t != NOTHING) + " "
        pieces.append(shown)
        typer.echo(shown, nl=False)
    seconds = time.perf_counter() - began
    typer.echo("")
    typer.echo(f"{count / seconds:,.0f} tokens a second", err=True)
    if out is not None:
        write_atomically(out, ("".join(pieces) + "\n").encode())


def _whole(name: str, value: str) -> int:
    if not value.isdigit():
        raise ModelError("input-dtype", f"`{name}` is a whole number, this is {value}")
    return int(value)


def print_texts(rows: list[Any], seconds: float, out: Path | None) -> None:
    """Print texts, or write them; rows of tokens as their numbers."""
    made = [r if isinstance(r, str) else " ".join(map(str, r)) for r in rows]
    typer.echo(f"{len(made):,} text{'s' if len(made) != 1 else ''} in {seconds:.3g} s", err=True)
    if out is not None:
        write_atomically(out, ("\n\n".join(made) + "\n").encode())
        typer.echo(f"wrote {out}", err=True)
        return
    typer.echo(f"\n{'-' * 40}\n".join(made))


def print_count(model: Model, counted: Any) -> None:
    """Print what a file counts: evaluations of its velocity, or the turns of a text, where one may make several tokens."""
    if counted is None:
        return
    least, most = int(np.min(counted)), int(np.max(counted))
    if model.manifest.evaluations:
        span = f"{most}" if least == most else f"{least} to {most}"
        typer.echo(f"{span} evaluations of the velocity", err=True)
    else:
        typer.echo(f"in {most:,} turns", err=True)


def print_results(model: Model, results: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Print results by what they are."""
    for name, array in results.items():
        rows = np.asarray(array)
        if _score(model, rows, given):
            continue
        typer.echo(f"{name}: {rows.dtype} {list(rows.shape)}")
        port = model.outputs[name]
        if rows.ndim == 1 and rows.dtype.kind in "bi":
            _row(rows, label_names(model.manifest, port))
            continue
        if len(port.shape) == 1 and rows.ndim == 2 and np.allclose(rows.sum(-1), 1, atol=1e-3) and rows.min() >= 0:
            _bars(rows[:5], names_by_count(model.manifest, rows.shape[1]))
            continue
        typer.echo(f"  mean {rows.mean():.4g}, deviation {rows.std():.4g}, from {rows.min():.4g} to {rows.max():.4g}")
        with np.printoptions(precision=4, suppress=True, threshold=40, edgeitems=2):
            typer.echo("  " + str(rows[:3]).replace("\n", "\n  "))


def _score(model: Model, rows: Any, given: Mapping[str, Any]) -> bool:
    """Log-probabilities of the tokens of each text but the first, as perplexity and as bits a byte of it."""
    given_texts = [t for t in map(_texts, given.values()) if t]
    if len(given_texts) != 1 or model.tokenizer is None or rows.ndim != 2 or (rows > 1e-6).any() or not rows.size:
        return False
    tokens = [model.tokenizer.encode(text) for text in given_texts[0]]
    if rows.shape != (len(tokens), len(tokens[0]) - 1):
        return False
    for row, read in zip(rows, tokens, strict=True):
        total, size = float(row.sum()), len(model.tokenizer.decode(read[1:]).encode())
        perplexity, bits = np.exp(-total / row.size), -total / np.log(2) / max(size, 1)
        typer.echo(f"log-probability {total:.4g} of {row.size:,} tokens")
        typer.echo(f"perplexity {perplexity:.4g}, {bits:.3g} bits a byte")
    return True


def _texts(value: Any) -> list[str]:
    """The texts that a value is; none where it is something else."""
    texts = value if isinstance(value, list) else [value]
    return texts if all(isinstance(text, str) for text in texts) else []


def _row(rows: Any, names: Sequence[str]) -> None:
    """Whole numbers, one an example, or the names of labels: what they are, as a mean of them says nothing."""
    shown = [names[i] if 0 <= i < len(names) else str(i) for i in rows[:SHOWN].tolist()]
    typer.echo("  " + ", ".join(shown + ["..."] * (len(rows) > SHOWN)))


def _bars(rows: Any, names: Sequence[str]) -> None:
    """Class probabilities as bars."""
    shown = names or [str(label) for label in range(rows.shape[1])]
    width = max(3, *map(len, shown))
    for row in rows:
        for label, p in zip(shown, row, strict=True):
            if p >= 0.01:
                typer.echo(f"  {label:>{width}} {'█' * max(1, round(40 * float(p)))} {p:.1%}")
        typer.echo("")
