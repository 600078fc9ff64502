"""Exports compiled one after the other, as the command says; what was written is told, and what was refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mai.spec.diagnostics import Diagnostic, MaiError

if TYPE_CHECKING:
    from mai.compiler.onnx.export import Exported
    from mai.compiler.program import Program

OPSETS = (21, 22, 23)
CACHES = ("auto", "concat", "two-level", "none")
KINDS = (None, "int8", "int4")
PRECISIONS = ("float32", "fp16", "bf16")
SETTINGS = ("optional", "required")


@dataclass(frozen=True, slots=True)
class CompileOptions:
    """How exports are compiled: the command's options, with their defaults."""

    opset: int = 23
    unroll: bool = False
    seed: int = 0
    cache: str = "auto"
    step: bool = True
    tokenizer: str | None = None
    quantize: str | None = None
    limit: float = 0.05
    data: list[Path] | None = None
    precision: str = "float32"
    drafts: int = 0
    settings: str = "optional"


def refused(o: CompileOptions) -> str | None:
    """What is wrong with options: a value that there is not, or two that exclude each other."""
    choices: list[tuple[str, Any, tuple[Any, ...]]] = [
        ("opset", o.opset, OPSETS), ("cache", o.cache, CACHES), ("quantize", o.quantize, KINDS),
        ("precision", o.precision, PRECISIONS), ("settings", o.settings, SETTINGS),
    ]  # fmt: skip
    for name, given, there in choices:
        if given not in there:
            return f"--{name} {given}: {', '.join(str(choice) for choice in there if choice is not None)}"
    if o.quantize and o.precision != "float32":
        return f"--quantize {o.quantize} says how weights are kept, --precision {o.precision} too: one of them"
    if o.unroll and o.cache == "two-level":
        return "--cache two-level is made of loops, --unroll of none"
    if o.drafts and (o.unroll or o.cache not in ("auto", "concat")):
        return "--speculate is a loop with a cache of its own: without --unroll, --cache and --no-cache"
    return None


def compile_all(
    program: Program, names: list[str], weights: Path | None, folder: Path, options: CompileOptions
) -> None:
    """Write the exports `names` to a folder.

    Raises:
        MaiError: some were refused; the others are there.
    """
    if not names:
        typer.echo("note: no exports: nothing is compiled", err=True)
        return
    from mai.compiler.data import label_names as labels
    from mai.compiler.data.tokens import stated_tokenizer
    from mai.compiler.few_bits import few_bits
    from mai.compiler.ir.structure import Extend
    from mai.compiler.onnx.export import USUAL, export, export_step
    from mai.compiler.training.initial_weights import load_weights

    if options.drafts and not any(node.op is Extend for name in names for node in program.exports[name].walk()):
        raise typer.BadParameter("--speculate is for texts that grow, and none of these exports has an `extend`")
    arrays, steps = load_weights(program, weights, options.seed)
    if weights is None and program.loading is not None:
        typer.echo(f"the weights are those of {program.loading.path}", err=True)
    elif weights is None and program.weights:
        typer.echo("no trained weights: the first values are compiled", err=True)
    told: dict[str, Any] = {"opset": options.opset, "trained_steps": steps, "precision": options.precision}
    told["required"] = options.settings == "required"
    told["labels"] = labels.stated(weights)
    told["tokenizer"] = stated_tokenizer(program, weights, options.tokenizer)
    if options.quantize:
        kind, limit, data = options.quantize, options.limit, options.data
        told["quantize"] = few_bits(program, arrays, options.opset, kind, limit, data, told["labels"])
    if options.quantize and options.drafts:
        typer.echo(
            f"note: {options.quantize} rounds a turn of several tokens otherwise: drawn texts may part", err=True
        )
    cache = USUAL if options.cache == "auto" else options.cache
    how: dict[str, Any] = {"unroll": options.unroll, "cache": cache, "drafts": options.drafts}
    found: list[Diagnostic] = []
    for name in names:
        try:
            _say_written(export(program, name, arrays, folder, **how, **told), options.precision)
            if options.step and cache != "none" and not options.unroll:
                _say_written(export_step(program, name, arrays, folder, **told), options.precision)
        except MaiError as error:
            found += error.diagnostics
    if found:
        raise MaiError(found)


def _say_written(made: Exported | None, precision: str) -> None:
    from mai.compiler.onnx.gate import TOLERANCE

    if made is None:
        return
    adaptive = (
        f" (its solver chooses its steps: up to {made.allowed:.0e} is allowed)" if made.allowed > TOLERANCE else ""
    )
    typer.echo(
        f"wrote {made.path}  {made.size / 1e6:.2f} MB, {made.nodes:,} nodes in {made.seconds:.2f} s, "
        f"differs from torch by {made.error:.0e}{adaptive}"
    )
    if precision != "float32":
        typer.echo(f"note: {precision} was compared as float32 with every value rounded", err=True)
    for note in made.notes:
        typer.echo(f"note: {note}", err=True)
