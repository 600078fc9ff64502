"""The verb `new`."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path
from typing import Annotated

from mai.compiler.commands.examples_command import called, write_copies
from mai.compiler.commands.shared import with_diagnostics, write_text
from mai.runtime.command_line.markers import Argument, Misuse, Option
from mai.runtime.show.terminal import echo, say


@with_diagnostics
def new(
    file: Annotated[
        Path | None, Argument(help="The file to write.", show_default="model.mai, or the data's name")
    ] = None,
    kind: Annotated[str, Option(help="Without data: flow, classifier, images, or one of `mai examples`.")] = "flow",
    data: Annotated[
        Path | None, Option(help="Write a spec for these data: a table, a folder of images, a text, a .npz.")
    ] = None,
    target: Annotated[
        str | None, Option(help="Of a table, or arrays: the column, or the array, to predict from the others.")
    ] = None,
    numbers: Annotated[
        bool | None,
        Option(
            "--numbers/--labels",
            help="Predict a target of whole numbers as a number, or as labels. By default few different numbers are labels.",
        ),
    ] = None,
    horizon: Annotated[
        int | None,
        Option(
            help="Forecast so many of the next rows of the target. The table's rows are in the order of time.", min=1
        ),
    ] = None,
    window: Annotated[
        int | None, Option(help="With --horizon: how many rows before them the forecast is made from.", min=1)
    ] = None,
    force: Annotated[bool, Option("--force", help="Overwrite a file that exists.")] = False,
) -> None:
    """Write a commented spec to start from: mai new flow.mai, or for your data: mai new --data houses.csv --target price

    From a table comes a model that predicts one column from the others, from arrays (.npz) one of these. A column of words or of few whole numbers is predicted as labels
    with probabilities, another column of numbers as numbers. Texts in the other columns are read as tokens. With --horizon 12 the table is a
    series, and the next 12 rows are forecast. From images in folders comes a classifier, from images without folders a model that draws
    more of them, from a text a model that continues it, from conversations or prompts with answers a small model that answers. The spec is for you to read and change. `mai data FILE` shows what is in the data.
    """
    if data is None and any(each is not None for each in (target, numbers, horizon)):
        raise Misuse("--target is of data: mai new --data FILE --target COLUMN")
    if window is not None and horizon is None:
        raise Misuse("--window is of a forecast: --horizon says of how many rows")
    file = file or Path("model.mai" if data is None else f"{_stem(data)}.mai")
    if file.exists() and not force:
        raise Misuse(f"{file} is there already; --force writes over it")
    verb, first = "train", ""
    if data is None:
        verb = _start(kind, file)
    else:
        text = _drafted(data, file, (target, numbers, horizon, window))
        write_text(file, text)
        first = _needed_first(text)
    echo(f"wrote {file}; next: {first}mai check {file}, then mai {verb} {file}")


def _start(kind: str, file: Path) -> str:
    """Write a starter, or an example and what it reads beside it; the verb that makes files of it."""
    from mai.spec import starters
    from mai.spec.examples import copies, examples_called, is_picture

    texts = starters()
    if kind in texts:
        write_text(file, texts[kind])
        return "train"
    if not examples_called(kind):
        raise Misuse(f"--kind {kind}: there are {', '.join(texts)}, and those that `mai examples` lists")
    example = called(kind)
    spec, *others = copies(example, file.parent, file.name).items()
    write_copies(dict(other for other in others if not is_picture(other[0])))
    write_text(spec[0], spec[1].decode())
    return example.verb


def _drafted(data: Path, file: Path, wish: tuple[str | None, bool | None, int | None, int | None]) -> str:
    from mai.compiler.drafting.answers import files_read_by
    from mai.compiler.drafting.draft import Wish, draft
    from mai.spec.formatting import format_text

    text = format_text(draft(data, file.parent, Wish(*wish)))
    for name, contents in files_read_by(text).items():
        write_copies({file.parent / name: contents.encode()})
    said = takewhile(lambda line: line.startswith("#"), text.splitlines())
    say("\n".join(line.removeprefix("# ") for line in said))
    return text


def _needed_first(text: str) -> str:
    """What has to be done before a drafted spec can be trained."""
    from mai.compiler.drafting.images import TAKE_OUT

    return "take out the images that cannot be read, " if f"\n{TAKE_OUT}" in text else ""


def _stem(data: Path) -> str:
    """A file's name without its endings, as the name of a spec."""
    return data.resolve().name.split(".")[0] or "model"
