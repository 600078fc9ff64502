"""The command line. The verbs of `runtime/commands` need this package alone; the others come with `mai.compiler`."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from typing import Annotated, Protocol, cast

import typer

import mai
from mai.runtime.commands.draw_command import draw
from mai.runtime.commands.info_command import info
from mai.runtime.commands.page_command import page
from mai.runtime.commands.run_command import run
from mai.runtime.commands.verify_command import verify
from mai.runtime.errors import ModelError
from mai.runtime.show.terminal import say

# What the compiler imports, by the names under which it is installed.
COMES_WITH_TRAIN = {
    name: name for name in ("torch", "torchdiffeq", "lark", "onnx", "accelerate", "safetensors", "tokenizers")
}
COMES_WITH_TRAIN |= {"onnx_ir": "onnx-ir", "sklearn": "scikit-learn", "ot": "pot", "matplotlib": "matplotlib"}

# click's, or that of typer's own copy of click: the base of what is told about a wrong command line.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


class Usage(Protocol):
    """What `UsageError` has, of either click."""

    @property
    def ctx(self) -> typer.Context | None: ...

    def format_message(self) -> str: ...


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
        say(f"mai {mai.__version__}")
        raise typer.Exit


for verb in (run, draw, page, info, verify):
    app.command()(verb)


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


def _say_usage(error: Exception) -> None:
    """What is wrong with the command line, in one line, and where its options are listed."""
    usage = cast(Usage, error)
    message = " ".join(usage.format_message().split()).rstrip(".")
    say(f"error: {message[:1].lower()}{message[1:]}", err=True)
    say(f"help: {usage.ctx.command_path if usage.ctx else 'mai'} --help lists what there is", err=True)


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
        say(f"error[{error.slug}]: {error}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        package = COMES_WITH_TRAIN.get((error.name or "").split(".")[0])
        if package is None:
            raise
        say(f"error: this needs {package}: pip install {package}", err=True)
        say("help: pip install '.[train]', in a clone of mai, brings all that checking and training need", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        say("stopped", err=True)
        sys.exit(130)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        say(f"error[file-not-found]: cannot read or write {reason}", err=True)
        sys.exit(1)
    except MemoryError as error:
        say(f"error[dimension-too-large]: there is not enough memory: {error}", err=True)
        sys.exit(1)
    except Exception as error:
        if os.environ.get("MAI_TRACEBACK"):
            raise
        say(f"error[internal]: mai itself failed: {type(error).__name__}: {error}", err=True)
        say("help: this is a bug of mai: please report it, with what MAI_TRACEBACK=1 shows", err=True)
        sys.exit(70)


if __name__ == "__main__":
    main()
