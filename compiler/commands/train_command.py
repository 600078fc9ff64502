"""The verb `train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mai.compiler.commands.shared import Opset, Sets, SpecFile, Weights, compile_options, print_diagnostics, program_of
from mai.compiler.compile_options import DEFAULTS, CompileOptions

if TYPE_CHECKING:
    from mai.compiler.training.loop import Result


def train(
    file: SpecFile,
    out: Annotated[Path | None, typer.Option(help="The run's folder.", show_default="runs/NAME")] = None,
    steps: Annotated[int | None, typer.Option(help="Instead of the spec's.", min=1)] = None,
    batch: Annotated[int | None, typer.Option(help="Instead of the spec's.", min=1)] = None,
    seed: Annotated[int | None, typer.Option(help="Instead of the spec's.", min=0)] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda or mps; by default the best there is.")] = None,
    precision: Annotated[str | None, typer.Option(help="float32, bf16 or fp16.")] = None,
    data: Annotated[
        list[Path] | None, typer.Option(help="Data instead of the spec's: .npz, .csv, .onnx, texts, a folder.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's last checkpoint.")] = False,
    weights: Weights = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Write events for TensorBoard, too.")] = False,
    opset: Opset = DEFAULTS.opset,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    sets: Sets = None,
) -> None:
    """Train a file, then compile its exports: mai train moons_flow.mai --out runs/moons"""
    program = program_of(file, sets, data)
    folder = out or Path("runs") / program.name
    compiling = compile_options(lambda: CompileOptions(opset=opset))
    from mai.compiler.check import growing
    from mai.compiler.compiling import compile_all
    from mai.compiler.training import loop
    from mai.compiler.training.run.resume_command import resume_command
    from mai.compiler.warnings import sizes_of_files, untrained_weights

    print_diagnostics([*growing(program), *sizes_of_files(program)])
    options = loop.Options(
        steps, batch, seed, device, precision, tuple(data or ()), resume, tensorboard, quiet, weights
    )
    result = loop.train(program, folder, options)
    if not result.main:
        return
    if result.weights is None:
        command = resume_command(
            file, folder, set=sets, steps=steps, batch=batch, seed=seed, device=device, precision=precision, data=data,
            weights=weights, tensorboard=tensorboard, opset=None if opset == DEFAULTS.opset else opset, quiet=quiet,
        )  # fmt: skip
        typer.echo(f"stopped at step {result.steps:,}; nothing is lost. Go on with: {command}", err=True)
        raise typer.Exit(130)
    _say_trained(result)
    compile_all(program, list(program.exports), result.weights, folder, compiling, check=True, data=options.data)
    print_diagnostics(untrained_weights(program))


def _say_trained(result: Result) -> None:
    figures = {**result.figures, **{f"held-out {n}": v for n, v in result.validation.items()}}
    shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
    typer.echo(f"trained for {result.steps:,} steps in {result.seconds:.0f} s: {shown}", err=True)
    if result.kept != result.steps:
        typer.echo(f"kept the weights of step {result.kept:,}, the best on the held-out data", err=True)
