"""The command line. `run`, `draw` and `info` need this package alone; the other verbs come with `mai.compiler`."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

import mai
from mai.runtime.errors import ModelError

# What the compiler imports, by the names under which it is installed.
COMES_WITH_TRAIN = {
    name: name for name in ("torch", "torchdiffeq", "lark", "onnx", "accelerate", "safetensors", "tokenizers")
}
COMES_WITH_TRAIN |= {"onnx_ir": "onnx-ir", "sklearn": "scikit-learn", "ot": "pot", "matplotlib": "matplotlib"}

# click's, or that of typer's own copy of click: the base of what is told about a wrong command line.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]

app = typer.Typer(
    name="mai",
    help="The mathematics of AI: from a text file to one ONNX file.\n\n"
    "Start with [bold]mai new flow.mai[/], then [bold]mai train flow.mai[/], then [bold]mai run[/] what it wrote.",
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.callback(invoke_without_command=True)
def _top(version: Annotated[bool, typer.Option("--version", help="Say which version this is.")] = False) -> None:
    if version:
        typer.echo(f"mai {mai.__version__}")
        raise typer.Exit


@app.command()
def run(
    model: Annotated[Path, typer.Argument(help="A .onnx file that mai compiled.", show_default=False)],
    values: Annotated[
        list[str] | None,
        typer.Argument(
            help="Inputs and settings: y=3, y=0..9, x=[0.5,1], x=@points.npy, x=-2..2:100 (a grid of points), "
            'prompt="Once upon".'
        ),
    ] = None,
    batch: Annotated[int | None, typer.Option(help="How many examples to make.")] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same draws everywhere.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps of the solver.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A picture (.png .svg .pdf), a path that moves (.gif), arrays (.npy .npz .csv .json), or .txt."
        ),
    ] = None,
    range_: Annotated[
        str | None,
        typer.Option(
            "--range",
            help="The numbers that a map's colours span: --range 0..1; else all, or the top of a log density.",
        ),
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Print a text as it grows.")] = False,
    threads: Annotated[int | None, typer.Option(help="Threads for one operation.")] = None,
    provider: Annotated[str | None, typer.Option(help="cpu or cuda; by default what there is.")] = None,
) -> None:
    """Run a compiled file: mai run moons_flow.sample.onnx --batch 1000 --out moons.png"""
    from mai.runtime.running import Wanted, run_file

    options = {"batch": batch, "seed": seed, "steps": steps}
    run_file(model, values or [], options, Wanted(out, range_, stream, threads, provider))


@app.command()
def draw(
    records: Annotated[
        Path, typer.Argument(help="A records.npz that training wrote, or the folder of a run.", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="A picture (.png .svg .pdf), or a .gif.", show_default=False)],
    show: Annotated[str | None, typer.Option(help="The weight to draw; by default one [n, 2], or the first.")] = None,
    colour: Annotated[str | None, typer.Option(help="The weight [n] that colours the particles.")] = None,
) -> None:
    """Draw what `record` kept while a spec trained: mai draw runs/two_layer --out neurons.gif"""
    from mai.runtime.show.records import draw_records

    draw_records(records, out, show, colour)
    typer.echo(f"wrote {out}", err=True)


@app.command()
def page(
    models: Annotated[list[Path], typer.Argument(help=".onnx files that mai compiled.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The .html file to write.", show_default=False)],
    modules: Annotated[
        Path | None,
        typer.Option(
            help="A node_modules folder whose onnxruntime-web goes into the page.",
            show_default="taken from the net when it is opened",
        ),
    ] = None,
) -> None:
    """Write a web page that runs compiled files in the browser: mai page moons_flow.sample.onnx --out moons.html"""
    from mai.runtime.web.page import write_page

    write_page(models, out, modules)
    needs = "" if modules else "; it takes onnxruntime-web from the net, --modules node_modules puts that in"
    typer.echo(f"wrote {out}  {out.stat().st_size / 1e6:.2f} MB: open it in a browser{needs}", err=True)


@app.command()
def info(
    model: Annotated[Path, typer.Argument(help="A .onnx file that mai compiled.", show_default=False)],
    json: Annotated[bool, typer.Option("--json", help="The manifest as it stands in the file.")] = False,
    spec: Annotated[bool, typer.Option("--spec", help="The text that the file was made from.")] = False,
) -> None:
    """Say what a compiled file takes, gives, and was made from."""
    from mai.runtime.inputs.arguments import range_in_words
    from mai.runtime.model.loader import load

    loaded = load(model, providers="cpu")
    if json:
        typer.echo(loaded.manifest.model_dump_json(indent=2))
        return
    if spec:
        typer.echo(loaded.spec.rstrip("\n"))
        return
    manifest = loaded.manifest
    typer.echo(f"{manifest.name}.{manifest.export}" + (f": {manifest.title}" if manifest.title else ""))
    for heading, ports in (("inputs", manifest.inputs), ("settings", manifest.settings), ("outputs", manifest.outputs)):
        for port in ports:
            typer.echo(f"  {heading:9} {port.name:14} {_described(port)}")
    for name in sorted({*manifest.least, *manifest.most}):
        typer.echo(f"  sizes     {name:14} {range_in_words(manifest.least.get(name), manifest.most.get(name))}")
    if manifest.tokenizer:
        typer.echo(f"  text      {'bytes' if manifest.tokenizer == 'bytes' else 'pieces by the tokenizer in the file'}")
    for field, names in manifest.labels.items():
        typer.echo(f"  labels    {field:14} {', '.join(names)}")
    if manifest.text and manifest.text.limit:
        typer.echo(f"  limit     {manifest.text.limit:,} tokens")
    if manifest.text and manifest.text.drafts:
        typer.echo(f"  drafts    up to {manifest.text.drafts} guessed tokens read a turn")
    if manifest.tuned:
        typer.echo(f"  tuned     {_tuned(manifest.tuned)}")
    trained = "untrained" if manifest.trained_steps is None else f"trained for {manifest.trained_steps:,} steps"
    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    size = model.stat().st_size
    kept = manifest.quantize or manifest.precision
    form = "" if kept == "float32" else f", {kept}"
    typer.echo(f"  {size / 1e6:.2f} MB{form}, opset {manifest.opset}, {trained}; made by {versions}")


def _tuned(tuned: Any) -> str:
    """What `mai tune` changed, and what that did to the quality."""
    before, after = tuned.before, tuned.after
    grid = " on uneven steps" if any(after.grid) else ""
    return (
        f"{after.method}({after.steps}){grid} for {before.method}({before.steps}): {after.evaluations} evaluations of the "
        f"velocity for {before.evaluations}, {tuned.metric} {after.quality:.4g} for {before.quality:.4g}"
    )


def _described(port: Any) -> str:
    from mai.runtime.inputs.arguments import range_of

    axes = (["batch"] if port.batch else []) + [str(s) for s in port.shape]
    text = f"{port.dtype} [{', '.join(axes)}]"
    if port.default is not None:
        text += f" = {port.default}"
    return f"{text}, {range_of(port)}" if range_of(port) else text


def _register() -> None:
    """The verbs of the compiler, where it is there. It imports nothing heavy until a verb is used."""
    try:
        from mai.compiler.cli import register
    except ImportError:
        return
    register(app)


def _start_quickly() -> None:
    """Most commands are over in less time than it takes to look through what is imported.

    So garbage is looked for after many objects, not after 700, and not once more at the end; and pydantic does not read
    the metadata of every installed package in search of plugins.
    """
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")


def _build_only(verb: str) -> None:
    """Of all verbs, the one that is asked for."""
    asked = [c for c in app.registered_commands if c.callback and (c.name or c.callback.__name__) == verb]
    app.registered_commands = asked or app.registered_commands


def _say_usage(error: Any) -> None:
    """What is wrong with the command line, in one line, and where its options are listed."""
    message = " ".join(error.format_message().split()).rstrip(".")
    typer.echo(f"error: {message[:1].lower()}{message[1:]}", err=True)
    typer.echo(f"help: {error.ctx.command_path if error.ctx else 'mai'} --help lists what there is", err=True)


def main() -> None:
    """The `mai` command: every error is told in a line or a picture of the line, and never as a traceback."""
    _start_quickly()
    _register()
    arguments = sys.argv[1:] or ["--help"]
    _build_only(arguments[0])
    try:
        code = app(arguments, prog_name="mai", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except UsageError as error:
        _say_usage(error)
        sys.exit(1)
    except ModelError as error:
        typer.echo(f"error[{error.slug}]: {error}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        package = COMES_WITH_TRAIN.get((error.name or "").split(".")[0])
        if package is None:
            raise
        typer.echo(f"error: this needs {package}: pip install {package}", err=True)
        typer.echo(
            "help: pip install '.[train]', in a clone of mai, brings all that checking and training need", err=True
        )
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        typer.echo("stopped", err=True)
        sys.exit(130)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        typer.echo(f"error[file-not-found]: cannot read or write {reason}", err=True)
        sys.exit(1)
    except Exception as error:
        if os.environ.get("MAI_TRACEBACK"):
            raise
        typer.echo(f"error[internal]: mai itself failed: {type(error).__name__}: {error}", err=True)
        typer.echo("help: this is a bug of mai: please report it, with what MAI_TRACEBACK=1 shows", err=True)
        sys.exit(70)


if __name__ == "__main__":
    main()
