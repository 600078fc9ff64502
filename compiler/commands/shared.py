"""What several verbs share: their arguments, and how diagnostics and files leave them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec

from mai.compiler.compile_options import CompileOptions, OptionError
from mai.runtime.command_line.markers import Argument, Exit, Misuse, Option
from mai.runtime.show.terminal import echo
from mai.spec.diagnostics import MaiError

if TYPE_CHECKING:
    from mai.compiler.program import Program
    from mai.spec.diagnostics import Diagnostic

Arguments = ParamSpec("Arguments")
SpecFile = Annotated[Path, Argument(help="A .mai file.", show_default=False)]
Sets = Annotated[
    list[str] | None,
    Option("--set", help="Override a const: --set width=64, or layers.width=64 of an imported layers.mai."),
]
Weights = Annotated[
    Path | None,
    Option(
        help="The weights to take: a .safetensors file, its .index.json, or the folder of a run or a model. They also stand in for the file of the spec's `weights from`."
    ),
]
Opset = Annotated[
    int,
    Option(help="The version of ONNX's operators that the files use: 21, 22 or 23. Older programs read lower ones."),
]
Device = Annotated[
    str | None, Option(help="Where to train: cpu, cuda or mps; by default the best that this machine has.")
]
Precision = Annotated[
    str | None,
    Option(
        help="How products are computed in training: float32, bf16 or fp16; by default as the spec says, else float32."
    ),
]


def with_diagnostics(verb: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """A verb whose errors are printed, as its option `format` says, and end it with exit code 1."""

    @wraps(verb)
    def wrapped(*arguments: Arguments.args, **options: Arguments.kwargs) -> None:
        try:
            verb(*arguments, **options)
        except MaiError as error:
            print_diagnostics(error.diagnostics, str(options.get("format", "text")))
            raise Exit(1) from error

    return wrapped


def print_diagnostics(diagnostics: Sequence[Diagnostic], format: str = "text") -> None:
    """Diagnostics for people on stderr, or as JSON for editors on stdout."""
    if not diagnostics and format != "json":
        return
    from mai.spec.diagnostics.render import render, to_json

    if format == "json":
        echo(to_json(diagnostics))
    else:
        echo(render(diagnostics, color=sys.stderr.isatty()), err=True)


def parse_sets(words: Sequence[str] | None) -> dict[str, str]:
    """`NAME=VALUE` words as values by name."""
    values = {}
    for text in words or []:
        name, equals, value = text.partition("=")
        if not equals:
            raise Misuse(f"--set {text}: write --set NAME=VALUE")
        values[name.strip()] = value.strip()
    return values


def program_of(file: Path, sets: Sequence[str] | None, data: Sequence[Path] | None = None) -> Program:
    """The program of a file, with `data` in the place of its own. Raises `MaiError` where it is not sound."""
    from mai.compiler.check import check

    return check(file, parse_sets(sets), data or ()).meaning()


def compile_options(make: Callable[[], CompileOptions]) -> CompileOptions:
    """Options that go together, or a usage error."""
    try:
        return make()
    except OptionError as error:
        raise Misuse(str(error)) from error


def write_text(path: Path, text: str) -> None:
    """Write a text into a folder that is there."""
    import errno
    import os

    from mai.runtime.files import write_atomically

    if not path.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    write_atomically(path, text.encode())
