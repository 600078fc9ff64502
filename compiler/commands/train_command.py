"""The verb `train`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from mai.compiler.commands.shared import (
    Device,
    Opset,
    Precision,
    Sets,
    SpecFile,
    Weights,
    compile_options,
    parse_sets,
    print_diagnostics,
    program_of,
    with_diagnostics,
)
from mai.compiler.compile_options import DEFAULTS, CompileOptions
from mai.runtime.command_line.markers import Exit, Misuse, Option
from mai.runtime.show.terminal import echo

if TYPE_CHECKING:
    from mai.compiler.program import Program
    from mai.compiler.training.options import Result

LEAST = {"steps": 1, "batch": 1, "seed": 0}
ONE_BLOCK = "For one of several train blocks: NAME=NUMBER."


def block_numbers(option: str, words: Sequence[str] | None) -> dict[str | None, int]:
    """`10`, for all train blocks, and `flow=10`, for one, as numbers by block, the last of each. Raises `BadParameter` for anything else."""
    numbers: dict[str | None, int] = {}
    for word in words or ():
        block, _, text = word.rpartition("=")
        if not text.isdecimal() or int(text) < LEAST[option]:
            raise Misuse(f"--{option} {word}: a whole number, at least {LEAST[option]}, or NAME=NUMBER")
        numbers[block or None] = int(text)
    return numbers


# The words of the command line, in their order.
OutOption = Annotated[Path | None, Option(help="The folder that the run is written to.", show_default="runs/NAME")]
StepsOption = Annotated[
    list[str] | None, Option(help=f"How many steps to train, instead of the spec's number. {ONE_BLOCK}")
]
BatchOption = Annotated[
    list[str] | None, Option(help=f"How many examples a step has, instead of the spec's number. {ONE_BLOCK}")
]
SeedOption = Annotated[
    list[str] | None,
    Option(
        help=f"The number of all random choices of training, instead of the spec's, which is 0 by default. {ONE_BLOCK}"
    ),
]
OnlyOption = Annotated[
    list[str] | None,
    Option(
        help="Train only this block, of several with names, on the weights that the run has from earlier ones. May be said several times."
    ),
]
DataOption = Annotated[
    list[Path] | None,
    Option(
        help="Train on these data instead of the spec's: tables, .npz files, texts, a folder, or a compiled file whose draws are the data."
    ),
]
ResumeOption = Annotated[bool, Option("--resume", help="Go on from the last checkpoint in the run's folder.")]
TrackOption = Annotated[
    list[str] | None, Option(help="Also send the figures to tensorboard, wandb or mlflow. May be said several times.")
]
DebugNanOption = Annotated[
    bool,
    Option(
        "--debug-nan", help="Check every gradient, and name the operation in which one becomes NaN or infinite. Slower."
    ),
]
ShardOption = Annotated[
    bool,
    Option(
        "--shard",
        help="With torchrun: each process keeps a part of the weights, for models that do not fit into one GPU.",
    ),
]
CompileOption = Annotated[
    bool,
    Option(
        "--compile", help="Let torch.compile compile the step. It takes a minute at first, and long runs are faster."
    ),
]
WorkersOption = Annotated[
    int | None,
    Option(
        help="How many processes read and prepare examples beside the one that trains; 0: none. By default as many as make it faster."
    ),
]
QuietOption = Annotated[bool, Option("--quiet", help="Print no progress.")]


@with_diagnostics
def train(
    file: SpecFile,
    out: OutOption = None,
    steps: StepsOption = None,
    batch: BatchOption = None,
    seed: SeedOption = None,
    only: OnlyOption = None,
    device: Device = None,
    precision: Precision = None,
    data: DataOption = None,
    resume: ResumeOption = False,
    weights: Weights = None,
    track: TrackOption = None,
    debug_nan: DebugNanOption = False,
    shard: ShardOption = False,
    compile: CompileOption = False,
    workers: WorkersOption = None,
    opset: Opset = DEFAULTS.opset,
    quiet: QuietOption = False,
    sets: Sets = None,
) -> None:
    """Train a file, then compile its exports: mai train moons_flow.mai --out runs/moons

    The run's folder has checkpoints, figures in metrics.jsonl, the weights, and a .onnx for each export. Ctrl-C stops well: nothing is lost.

    mai train titanic.mai --resume               go on where it stopped, bit for bit

    mai train flow.mai --set width=64 --seed 1 --steps 500 --out runs/wide

    mai train titanic.mai --data more.csv --track tensorboard

    Afterwards: mai eval runs/titanic says how good it is, mai predict uses it on a table, mai draw runs/titanic --out curves.png shows how it learnt, mai runs compares runs, and mai sweep makes many.
    """
    program = program_of(file, sets, data)
    folder = out or Path("runs") / program.name
    compiling = compile_options(lambda: CompileOptions(opset=opset))
    from mai.compiler.check import growing
    from mai.compiler.training import loop
    from mai.compiler.training.options import Options
    from mai.compiler.training.run.resume_command import resume_command

    _check_words(workers, track)
    print_diagnostics(growing(program))
    words = {"steps": steps, "batch": batch, "seed": seed}
    numbers = {option: block_numbers(option, each) for option, each in words.items()}
    general = _of(None, numbers)
    options = Options(
        general.get("steps"), general.get("batch"), general.get("seed"), device, precision, tuple(data or ()), resume, tuple(track or ()),
        quiet, weights, shard=shard, only=tuple(only or ()), blocks=_of_blocks(numbers), debug_nan=debug_nan, sets=parse_sets(sets),
        workers=workers, compile=compile,
    )  # fmt: skip
    result = loop.train(program, folder, options, _say_trained)
    if result.weights is not None:
        _compile_exports(program, result.weights, folder, compiling, options.data)
    elif result.main:
        command = resume_command(
            file, folder, set=sets, **words, device=device, precision=precision, data=data,
            only=only, track=track, debug_nan=debug_nan, shard=shard, workers=workers, compile=compile, opset=None if opset == DEFAULTS.opset else opset, quiet=quiet,
        )  # fmt: skip
        _end_stopped(result, command)


def _check_words(workers: int | None, track: Sequence[str] | None) -> None:
    """Raise `Misuse` for a number of processes that is none, or a tracker that there is not."""
    from mai.compiler.training.run.figures.trackers import PACKAGES

    if workers is not None and workers < 0:
        raise Misuse(f"--workers {workers}: 0 or more")
    for name in track or ():
        if name not in PACKAGES:
            raise Misuse(f"--track {name}: one of {', '.join(PACKAGES)}")


def _end_stopped(result: Result, command: str) -> None:
    """Say how to go on with a run that was stopped, and end as one that was. Raises `Exit`."""
    of = f" of {result.block}" if result.block else ""
    echo(f"stopped at step {result.steps:,}{of}; nothing is lost. Go on with: {command}", err=True)
    raise Exit(130)


def _compile_exports(
    program: Program, weights: Path, folder: Path, options: CompileOptions, data: tuple[Path, ...]
) -> None:
    """The exports of a trained program into the run's folder, and what of it has been trained on nothing."""
    from mai.compiler.compiling import compile_all
    from mai.compiler.warnings import untrained_weights

    untrained = _untrained(program, weights)
    if untrained:
        verb = "are" if len(untrained) > 1 else "is"
        echo(f"note: {' and '.join(untrained)} {verb} not trained yet; next is --only {untrained[0]}", err=True)
    compile_all(program, list(program.exports), weights, folder, options, check=not untrained, data=data)
    print_diagnostics(untrained_weights(program))


def _of(block: str | None, numbers: Mapping[str, Mapping[str | None, int]]) -> dict[str, int]:
    """What is said for one train block, or for all, by option."""
    return {option: each[block] for option, each in numbers.items() if block in each}


def _of_blocks(numbers: Mapping[str, Mapping[str | None, int]]) -> dict[str, dict[str, int]]:
    """What is said for single train blocks, by their names."""
    return {block: _of(block, numbers) for each in numbers.values() for block in each if block is not None}


def _untrained(program: Program, weights: Path) -> list[str]:
    """The named train blocks that the weights of a run have not been through, in their order."""
    from mai.compiler.training.run.stage import steps_of_blocks

    done = steps_of_blocks(weights)
    return [training.name for training in program.trainings if training.name and training.name not in done]


def _say_trained(result: Result) -> None:
    figures = {**result.figures, **{f"held-out {n}": v for n, v in result.validation.items()}}
    shown = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
    block = f" {result.block}" if result.block else ""
    echo(f"trained{block} for {result.steps:,} steps in {result.seconds:.0f} s: {shown}", err=True)
    if result.kept != result.steps:
        echo(f"kept the weights of step {result.kept:,}, the best on the held-out data", err=True)
