"""The verbs of the compiler: arguments only, one function a verb, nothing heavy imported until it is used."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from mai.compiler.compile_options import DEFAULTS, Cache, CompileOptions, FewBits, OptionError, Precision, Settings
from mai.compiler.tuning.verb import tune
from mai.spec.diagnostics import MaiError

if TYPE_CHECKING:
    from mai.compiler.program import Program
    from mai.spec.diagnostics import Diagnostic

File = Annotated[Path, typer.Argument(help="A .mai file.", show_default=False)]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", help="Override a const: --set width=64, or layers.width=64 of an imported layers.mai."),
]
Format = Annotated[str, typer.Option("--format", help="text or json, for editors.")]
Weights = Annotated[
    Path | None, typer.Option(help="A .safetensors file, its .index.json, or a folder; for the spec's, too.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs to the command line."""
    for verb in (check, show, train, compile_, tune, explain, new):
        app.command(name=verb.__name__.rstrip("_"))(_told(verb))
    files = typer.Typer(help="Weights of other programs.")
    files.command(name="list")(_told(list_weights))
    files.command(name="map")(_told(map_weights))
    app.add_typer(files, name="weights")


def _told(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb whose diagnostics are printed, with exit code 1."""

    @wraps(verb)
    def wrapped(*arguments: Any, **options: Any) -> None:
        try:
            verb(*arguments, **options)
        except MaiError as error:
            _say(error.diagnostics, options.get("format", "text"))
            raise typer.Exit(1) from error

    return wrapped


def _say(diagnostics: Any, format: str) -> None:
    if not diagnostics and format != "json":
        return
    from mai.spec.diagnostics.render import render, to_json

    if format == "json":
        typer.echo(to_json(diagnostics))
    else:
        typer.echo(render(diagnostics, color=sys.stderr.isatty()), err=True)


def _sets(given: list[str] | None) -> dict[str, str]:
    made = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise typer.BadParameter(f"--set {text}: write --set NAME=VALUE")
        made[name.strip()] = value.strip()
    return made


def _write(path: Path, text: str) -> None:
    """A text into a folder that is there."""
    import errno
    import os

    from mai.runtime.files import write_atomically

    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    write_atomically(path, text.encode())


def _program(file: Path, sets: list[str] | None) -> Program:
    from mai.compiler.check import check as check_file

    checked = check_file(file, _sets(sets))
    if checked.program is None:
        raise MaiError(checked.diagnostics)
    return checked.program


def check(
    files: Annotated[list[Path], typer.Argument(help=".mai files.", show_default=False)],
    sets: Sets = None,
    format: Format = "text",
) -> None:
    """Check files: names, types, dimensions, settings. Nothing is run."""
    from mai.compiler.check import ahead
    from mai.compiler.check import check as check_file

    found: list[Diagnostic] = []
    failed = False
    for file in files:
        checked = check_file(file, _sets(sets))
        program, told = checked.program, checked.diagnostics
        told += ahead(program) if program is not None else []
        sound = program is not None and not any(d.severity == "error" for d in told)
        found, failed = found + told, failed or not sound
        if program is not None and sound and format == "text":
            exports = ", ".join(program.exports) or "no exports"
            typer.echo(f"{file}: sound ({exports})")
    _say(found, format)
    if failed:
        raise typer.Exit(1)


def show(
    file: File,
    emit: Annotated[str, typer.Option(help="summary, ast, ir, torch, onnx or diagram.")] = "summary",
    export: Annotated[str | None, typer.Option(help="One export; by default all.")] = None,
    out: Annotated[Path | None, typer.Option(help="A file; a diagram's ending is .svg or .md.")] = None,
    after: Annotated[
        str | None, typer.Option(help="With --emit ir: after this pass, hoist say; an unknown one lists them.")
    ] = None,
    sets: Sets = None,
) -> None:
    """Sum a file up, or show a stage of its compilation: mai show flow.mai --emit torch"""
    from mai.compiler.show import emit_text

    text = emit_text(_program(file, sets), file, emit, export, out.suffix if out else "", after)
    if out is None:
        typer.echo(text.rstrip("\n"))
        return
    _write(out, text)
    typer.echo(f"wrote {out}", err=True)


def train(
    file: File,
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
    opset: Annotated[int, typer.Option(help="The ONNX operator set: 21, 22 or 23.")] = DEFAULTS.opset,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    sets: Sets = None,
) -> None:
    """Train a file, then compile its exports: mai train moons_flow.mai --out runs/moons"""
    program = _program(file, sets)
    folder = out or Path("runs") / program.name
    options_of_compiling = _options(lambda: CompileOptions(opset=opset))
    from mai.compiler.check import growing
    from mai.compiler.compiling import compile_all
    from mai.compiler.training.loop import Options
    from mai.compiler.training.loop import train as train_program
    from mai.compiler.training.resume_command import again

    _say(growing(program), "text")
    options = Options(steps, batch, seed, device, precision, tuple(data or ()), resume, tensorboard, quiet, weights)
    result = train_program(program, folder, options)
    if not result.main:
        return
    if result.weights is None:
        command = again(
            file, folder, set=sets, steps=steps, batch=batch, seed=seed, device=device, precision=precision, data=data,
            weights=weights, tensorboard=tensorboard, opset=None if opset == DEFAULTS.opset else opset, quiet=quiet,
        )  # fmt: skip
        typer.echo(f"stopped at step {result.steps:,}; nothing is lost. Go on with: {command}", err=True)
        raise typer.Exit(130)
    figures = {**result.figures, **{f"held-out {n}": v for n, v in result.validation.items()}}
    told = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
    typer.echo(f"trained for {result.steps:,} steps in {result.seconds:.0f} s: {told}", err=True)
    if result.kept != result.steps:
        typer.echo(f"kept the weights of step {result.kept:,}, the best on the held-out data", err=True)
    compile_all(program, list(program.exports), result.weights, folder, options_of_compiling)


def compile_(
    file: File,
    out: Annotated[Path | None, typer.Option(help="Where the files go.", show_default="where the weights are")] = None,
    weights: Weights = None,
    export: Annotated[list[str] | None, typer.Option(help="Only these exports.")] = None,
    opset: Annotated[int, typer.Option(help="The ONNX operator set: 21, 22 or 23.")] = DEFAULTS.opset,
    unroll: Annotated[bool, typer.Option("--unroll", help="A flat graph without loops; steps are fixed.")] = False,
    cache: Annotated[
        str, typer.Option(help="How a growing text keeps its past: concat, two-level, none (computed whole), or auto.")
    ] = "auto",
    speculate: Annotated[
        int, typer.Option(help="A growing text reads up to so many tokens a turn that it guesses.", min=0)
    ] = 0,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="The same as --cache none.")] = False,
    step: Annotated[
        bool, typer.Option("--step/--no-step", help="Also a file of one turn, where a text grows: for streaming.")
    ] = True,
    precision: Annotated[
        str, typer.Option(help="Of weights and products: float32; for CUDA fp16 or bf16.")
    ] = "float32",
    quantize: Annotated[
        str | None,
        typer.Option(help="Keep weights in int8 or int4; what an integral repeats is multiplied in int8, too."),
    ] = None,
    quantize_limit: Annotated[
        float, typer.Option(help="Refuse where that adds more than this share to the loss on held-out data.")
    ] = 0.05,
    data: Annotated[
        list[Path] | None, typer.Option(help="Held-out data for --quantize, instead of the spec's.")
    ] = None,
    settings: Annotated[
        str,
        typer.Option(help="optional, with defaults; or required, for hosts that can set no optional one: JavaScript."),
    ] = "optional",
    tokenizer: Annotated[
        str | None, typer.Option(help="`bytes` or a tokenizers .json.", show_default="that of the data")
    ] = None,
    seed: Annotated[int, typer.Option(help="For first weights, where there are none.")] = 0,
    timings: Annotated[bool, typer.Option("--timings", help="Say how long each pass took.")] = False,
    sets: Sets = None,
) -> None:
    """Compile exports to one self-contained .onnx file each, verified against torch."""
    from mai.compiler.compiling import compile_all

    program = _program(file, sets)
    found = _weights_file(program, weights, out, sets)
    if found and weights is None:
        typer.echo(f"the weights are those of {found}", err=True)
    names = _exports(program, export)
    folder = out or (found.parent if found else Path())
    options = _options(
        lambda: CompileOptions(
            opset=opset, unroll=unroll, cache=cast(Cache, "none" if no_cache else cache), drafts=speculate, step=step,
            precision=cast(Precision, precision), quantize=cast(FewBits | None, quantize), quantize_limit=quantize_limit,
            held_out=tuple(data or ()), settings=cast(Settings, settings), tokenizer=tokenizer, seed=seed,
        )
    )  # fmt: skip
    if timings:
        from mai.compiler.passes.pipeline import Timings, watching

        with watching(seconds := Timings()):
            compile_all(program, names, found, folder, options)
        typer.echo("\n".join(seconds.lines()), err=True)
    else:
        compile_all(program, names, found, folder, options)


def _options(make: Callable[[], CompileOptions]) -> CompileOptions:
    """Options that go together, or a usage error."""
    try:
        return make()
    except OptionError as error:
        raise typer.BadParameter(str(error)) from error


def _exports(program: Program, wanted: list[str] | None) -> list[str]:
    from mai.spec.diagnostics import Diagnostic
    from mai.spec.diagnostics.suggest import closest

    for name in wanted or []:
        if name not in program.exports:
            guess = closest(name, program.exports)
            help = f"did you mean `{guess}`?" if guess else f"there are {', '.join(program.exports)}"
            raise MaiError([Diagnostic("unknown-name", None, f"{program.name} has no export `{name}`", help=help)])
    return wanted or list(program.exports)


def _weights_file(program: Program, given: Path | None, out: Path | None, sets: list[str] | None) -> Path | None:
    """The weights that are meant: a file, a run's folder; else those of the run in `out`, or of the run of this name."""
    from mai.compiler.training.folder import WEIGHTS, checkpoints

    if given is not None:
        from mai.compiler.weights.tensor_files import weights_file

        return weights_file(given)
    folders = [Path("runs") / program.name] if out is None else [out, Path("runs") / program.name]
    for folder in folders:
        if (folder / WEIGHTS).exists():
            return folder / WEIGHTS
        if checkpoints(folder):
            _refuse_unfinished(program, folder, sets)
    return None


def _refuse_unfinished(program: Program, folder: Path, sets: list[str] | None) -> None:
    from mai.compiler.training.resume_command import again
    from mai.spec.diagnostics import Diagnostic

    help = f"go on with it: {again(program.source.path, folder, set=sets)}"
    message = f"{folder} holds a run that was stopped, without weights yet"
    raise MaiError([Diagnostic("weights-missing", None, message, help=help)])


def list_weights(file: File, sets: Sets = None) -> None:
    """List the parameters of a spec by name and shape, those of the turns of a `repeat` together."""
    from mai.compiler.check import check_without_rules
    from mai.compiler.weights.rules import group_layers

    checked = check_without_rules(file, _sets(sets))
    if checked.program is None:
        raise MaiError(checked.diagnostics)
    for name, shape, count in group_layers({w.name: w.shape for w in checked.program.weights.values()}):
        typer.echo(f"{name}  {list(shape)}{f'  {count} of them' if count > 1 else ''}")


def map_weights(
    weights: Annotated[Path, typer.Argument(help="A .safetensors file, or its .index.json.", show_default=False)],
    file: File,
    sets: Sets = None,
) -> None:
    """Propose the rules that give a file's tensors to a spec: mai weights map model.safetensors gpt2.mai"""
    from mai.compiler.check import check_without_rules
    from mai.compiler.weights.propose import propose
    from mai.compiler.weights.tensor_files import TensorFiles

    checked = check_without_rules(file, _sets(sets))
    if checked.program is None:
        raise MaiError(checked.diagnostics)
    with TensorFiles(weights) as files:
        place, folder = files.path.resolve(), file.resolve().parent
        named = place.relative_to(folder).as_posix() if place.is_relative_to(folder) else place.name
        made = propose(named, checked.program.weights, files.shapes)
    typer.echo(str(made))
    if not place.is_relative_to(folder):
        typer.echo(f"{weights} lies outside {folder}: put it there, or name it with --weights", err=True)
    whose = made.family or (str(file) if made.equal else "no family known here")
    known = f"the names are those of {whose}"
    look = f"lines to look at: {made.doubts}" if made.doubts else "nothing is ambiguous"
    lacking = f"; without a tensor: {len(made.lacking)}" if made.lacking else ""
    typer.echo(f"{known}; {look}{lacking}", err=True)


def explain(
    slug: Annotated[
        str | None,
        typer.Argument(
            help="What stands in brackets after `error`, or a function's or layer's name.", show_default=False
        ),
    ] = None,
) -> None:
    """Explain a diagnostic, with an example, or a function or layer; without a name, list all diagnostics."""
    from mai.compiler.elaborate.function_reference import explained
    from mai.spec.diagnostics.catalog import CATALOG
    from mai.spec.diagnostics.explain import explanation, index
    from mai.spec.diagnostics.foreign import FOREIGN

    if slug is None:
        typer.echo(index())
        return
    function = explained(slug) or FOREIGN.get(slug)
    known = slug in CATALOG or function is not None
    typer.echo(explanation(slug) if slug in CATALOG or function is None else function, err=not known)
    if not known:
        raise typer.Exit(1)


def new(
    file: Annotated[Path, typer.Argument(help="The file to write.", show_default=False)] = Path("model.mai"),
    kind: Annotated[str, typer.Option(help="flow, classifier or images.")] = "flow",
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a commented spec to start from: mai new flow.mai"""
    from mai.spec.starters import STARTERS

    if kind not in STARTERS:
        raise typer.BadParameter(f"--kind {kind}: there are {', '.join(STARTERS)}")
    if file.exists() and not force:
        raise typer.BadParameter(f"{file} is there already; --force writes over it")
    _write(file, STARTERS[kind])
    typer.echo(f"wrote {file}; next: mai check {file}, then mai train {file}")
