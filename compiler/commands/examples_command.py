"""The verb `examples`."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Annotated

from mai.compiler.commands.shared import with_diagnostics
from mai.runtime.command_line.markers import Argument, Misuse, Option
from mai.runtime.show.terminal import echo

if TYPE_CHECKING:
    from mai.spec.examples import Example

WIDTH, INDENT = 110, 22


@with_diagnostics
def examples(
    name: Annotated[str | None, Argument(help="The example to copy, as the list names it.", show_default=False)] = None,
    out: Annotated[
        Path | None, Option(help="The folder to copy it to.", show_default="one of the example's name")
    ] = None,
    force: Annotated[bool, Option("--force", help="Overwrite files that exist.")] = False,
) -> None:
    """List the examples that come with mai, a line each; with a name, copy one: mai examples moons_flow

    The copy has all that the example needs and shows: its data, the script that made them, its pictures. What is printed then are
    the commands that train it and draw the pictures. A number in brackets, as in (10)-(12), is that of an equation in G. Peyré's
    article "The Mathematics of Artificial Intelligence". `mai new my.mai --kind moons_flow` copies the spec under a name of your own.
    """
    if name is None:
        echo(_listing())
        return
    example = called(name)
    folder = out or Path(example.path.stem)
    _copy(example, folder, force)


def called(name: str) -> Example:
    """The one example of this name. Raises `Misuse` where there is none, or more than one."""
    from mai.spec.diagnostics.suggest import closest
    from mai.spec.examples import examples, examples_called

    matches = examples_called(name.removesuffix(".mai"))
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise Misuse(f"{name} is {' or '.join(example.name for example in matches)}: which?")
    near = closest(name, examples())
    raise Misuse(f"there is no example {name}{f', but {near}' if near else ''}; `mai examples` lists all")


def write_copies(files: dict[Path, bytes], force: bool = False) -> None:
    """Write files, and the folders around them. Raises `Misuse`, and writes none, where one is there with other contents."""
    from mai.runtime.files import write_atomically

    for file, contents in files.items():
        if file.exists() and not force and not (file.is_file() and file.read_bytes() == contents):
            raise Misuse(f"{file} is there already, and is another; --force writes over it")
    for file, contents in files.items():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, contents)


def _copy(example: Example, folder: Path, force: bool) -> None:
    from mai.spec.examples import commands_for_copy, copies, lacking

    files = copies(example, folder)
    write_copies(files, force)
    echo(f"wrote {', '.join(map(str, files))}")
    for name in lacking(example):
        echo(f"it reads {name}, which does not come with it: put it into {folder}")
    echo("\n".join(["next:", *(f"  mai {command}" for command in commands_for_copy(example, folder))]))


def _listing() -> str:
    from mai.spec.examples import examples

    families = groupby(examples().values(), lambda example: example.family)
    return "\n\n".join("\n".join([family, *map(_line, own)]) for family, own in families)


def _line(example: Example) -> str:
    return fill(
        f"{example.name:{INDENT - 2}}{example.says}", WIDTH, initial_indent="  ", subsequent_indent=" " * INDENT
    )
