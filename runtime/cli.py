"""The command line. The verbs of `runtime/commands` need this package alone; the others come with `mai.compiler`."""

from __future__ import annotations

import atexit
import gc
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import TYPE_CHECKING

from mai.runtime.command_line.frames import in_one_piece
from mai.runtime.command_line.markers import Exit, Misuse
from mai.runtime.command_line.plain_words import read_plain
from mai.runtime.errors import ModelError
from mai.runtime.show.terminal import say

if TYPE_CHECKING:
    import typer

    Verb = Callable[..., None]

VERBS = {
    name: f"mai.runtime.commands.{name}_command:{name}"
    for name in ("run", "chat", "draw", "page", "serve", "info", "sign", "verify", "runs", "clean")
}
# How `mai --help` lists the verbs, also those of the compiler: as somebody comes to need them.
ORDER = (
    "new", "examples", "data", "check", "explain", "format", "show", "train", "eval", "draw", "run", "predict", "page", "info", "verify",
    "runs", "sweep", "tune", "compile", "import", "weights", "chat", "serve", "sign", "clean", "lsp",
)  # fmt: skip

# What is imported and comes with an extra: the packages that have another name, and the extra of each.
PACKAGES = {
    "onnx_ir": "onnx-ir", "sklearn": "scikit-learn", "ot": "pot", "PIL": "pillow", "prometheus_client": "prometheus-client",
}  # fmt: skip
EXTRAS = dict.fromkeys(
    ("torch", "torchdiffeq", "lark", "onnx", "onnx_ir", "sklearn", "scipy", "ot", "matplotlib", "PIL", "accelerate", "pyarrow",
     "safetensors", "tokenizers", "jinja2"), "train",
) | dict.fromkeys(("starlette", "uvicorn", "prometheus_client"), "serve")  # fmt: skip
_PLAIN = warnings.formatwarning
NEEDS = {"train": "checking and training need", "serve": "serving needs"}


def application(verb: str = "") -> typer.Typer:
    """All verbs as an application of typer's, or the one that is asked for, if there is such a one."""
    from mai.runtime.command_line.typer_application import application as application_of

    verbs = places_of_verbs()
    asked = {name: place for name, place in verbs.items() if name.split()[0] == verb} or verbs
    return application_of({name: load_verb(place) for name, place in asked.items()})


def places_of_verbs() -> dict[str, str]:
    """Where each verb is defined, those of the compiler too, where it is there."""
    try:
        from mai.compiler.cli import VERBS as OF_THE_COMPILER
    except ImportError:
        return VERBS
    verbs = VERBS | OF_THE_COMPILER
    return dict(sorted(verbs.items(), key=lambda verb: ORDER.index(verb[0].split()[0])))


def load_verb(place: str) -> Verb:
    """The verb `module:function`. Its module imports nothing heavy until the verb is used."""
    module, _, name = place.partition(":")
    verb: Verb = getattr(import_module(module), name)
    return verb


def _run(words: Sequence[str]) -> int:
    """The exit code of the command with these words: most are plain, and typer need not be imported for them."""
    verbs = places_of_verbs()
    for length in (2, 1):  # `weights list`, `check`
        name = " ".join(words[:length])
        if name in verbs:
            verb = load_verb(verbs[name])
            arguments = read_plain(verb, words[length:])
            if arguments is not None:
                return _call(verb, arguments, name)
    from mai.runtime.command_line.typer_application import run_application

    return run_application(application(words[0]), words)


def _call(verb: Verb, arguments: dict[str, object], name: str) -> int:
    try:
        verb(**arguments)
    except Exit as end:
        return end.code
    except Misuse as error:
        raise error.of(f"mai {name}") from error
    return 0


def _start_quickly() -> None:
    """Most commands are over in less time than it takes to look through what is imported.

    So garbage is looked for after many objects, not after 700, and not once more at the end; and pydantic does not read
    the metadata of every installed package in search of plugins.
    """
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")


def _as_note(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, line: str | None = None
) -> str:
    """A warning of mai's own, which points at the program that called it, as a note; another library's as Python writes it."""
    is_own = filename == getattr(sys.modules["__main__"], "__file__", None)
    return f"note: {message}\n" if is_own else _PLAIN(message, category, filename, lineno, line)


def _say_misuse(error: Misuse) -> None:
    """What is wrong with the command line, in one line, and where its options are listed."""
    message = " ".join(error.message.split()).rstrip(".")
    say(f"error: {message[:1].lower()}{message[1:]}", err=True)
    own = f"{error.help}; " if error.help else ""
    say(f"help: {own}{error.command} --help lists what there is", err=True)


def _say_missing(package: str, extra: str) -> None:
    """What brings a package that is not installed: its extra first, which saves being told of the next one."""
    say(f"error: this needs {package}, which is not installed", err=True)
    brought = f"pip install 'mai-lang[{extra}]', or '.[{extra}]' in a clone of mai, brings all that {NEEDS[extra]}"
    say(f"help: {brought}; pip install {package} brings this one alone", err=True)


def main() -> None:
    """The `mai` command: every error is printed in a line or a picture of the line, and never as a traceback."""
    _start_quickly()
    warnings.formatwarning = _as_note
    try:
        sys.exit(in_one_piece(_run, sys.argv[1:] or ["--help"]))
    except Misuse as error:
        _say_misuse(error)
        sys.exit(1)
    except ModelError as error:
        say(f"error[{error.slug}]: {error}", err=True)
        sys.exit(1)
    except ModuleNotFoundError as error:
        name = (error.name or "").split(".")[0]
        if name not in EXTRAS:
            raise
        _say_missing(PACKAGES.get(name, name), EXTRAS[name])
        sys.exit(1)
    except KeyboardInterrupt:
        say("stopped", err=True)
        sys.exit(130)
    except BrokenPipeError:  # Whoever reads the output, as `head`, has read enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # So that nothing is flushed into it at the end.
        sys.exit(1)
    except OSError as error:
        reason = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        say(f"error[file-not-found]: cannot read or write {reason}", err=True)
        sys.exit(1)
    except Exception as error:
        from mai.runtime.model.failures import first_line, is_of_memory  # Only where something has failed.

        if is_of_memory(error):
            say(f"error[dimension-too-large]: there is not enough memory: {first_line(error)}", err=True)
            sys.exit(1)
        if os.environ.get("MAI_TRACEBACK"):
            raise
        say(f"error[internal]: mai itself failed: {type(error).__name__}: {error}", err=True)
        say("help: this is a bug of mai: please report it, with what MAI_TRACEBACK=1 shows", err=True)
        sys.exit(70)


if __name__ == "__main__":
    main()
