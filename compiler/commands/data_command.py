"""The verb `data`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from mai.compiler.commands.shared import Sets, program_of, with_diagnostics
from mai.runtime.command_line.markers import Argument, Misuse, Option
from mai.runtime.show.terminal import say, say_text

if TYPE_CHECKING:
    from mai.compiler.describing.lines import Summary
    from mai.compiler.program import Program

SAVED = (".csv", ".npz")  # Files of examples.


@with_diagnostics
def data(
    paths: Annotated[
        list[Path],
        Argument(
            help="A table, a text, a .npz, a folder of images, a .mai file, whose data are looked at, or a source, as moons.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        Option(
            help="Write a picture of the data: histograms and bars, or some of the images; a source's examples: .csv, .npz; of a spec, the part of each row of its table: .csv."
        ),
    ] = None,
    json: Annotated[bool, Option("--json", help="Print everything as JSON, for programs.")] = False,
    sets: Sets = None,
) -> None:
    """Show what is in data, and how a spec uses it: mai data titanic.csv

    For a table it shows what each column holds: how many values are missing or differ, the range of numbers, the share of each word. At the end
    stands a `data` line to paste into a spec; `mai new --data FILE --target COLUMN` writes a whole spec. For a spec (mai data model.mai)
    it shows which parts of its file are used, and how many rows are trained on, held out, and for tests; --out parts.csv writes which.
    """
    from mai.compiler.describing.describe import describe
    from mai.compiler.describing.lines import data_line, lines

    if out is not None:
        _check_ending(out)
    taken: dict[str, str] | None = None
    program: Program | None = None
    more: list[str] = []
    if paths[0].suffix == ".mai":
        from mai.compiler.describing.specs import what_it_takes

        taken, summary, more = what_it_takes(program := program_of(paths[0], sets))
    else:
        summary = describe(paths)
        more = ["", data_line(summary)]
    if json:
        from mai.compiler.describing.as_json import as_json

        say_text(as_json(summary, taken))
    else:
        shown = [] if summary is None else [*lines(summary, taken)]
        say("\n".join([*shown, *more]))
    if out is not None:
        _write(summary, program, out)


def _check_ending(out: Path) -> None:
    from mai.runtime.show.save import PICTURES, check_picture

    check_picture(out, (*PICTURES, *SAVED))


def _write(summary: Summary | None, program: Program | None, out: Path) -> None:
    from mai.compiler.describing.drawn import DrawnSummary, save_examples
    from mai.compiler.describing.parts import save_parts
    from mai.compiler.describing.pictures import draw

    if summary is None:
        raise Misuse("--out: there are no files of this spec to draw")
    if out.suffix.lower() not in SAVED:
        draw(summary, out)
    elif isinstance(summary, DrawnSummary):
        save_examples(summary, out)
    elif program is not None and out.suffix.lower() == ".csv":
        save_parts(program, out)
    else:
        raise Misuse(f"--out {out}: a picture is written of files; a table has the examples of a source, as moons")
    say(f"wrote {out}", err=True)
