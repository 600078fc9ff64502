"""Pages that lie nowhere in the repository: they are written of its data while the site is built. Their links start at the
repository's root."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from latex2mathml.converter import convert

from benchmarks.gallery.page import commands, sentences
from benchmarks.gallery.records import PICTURES, Records, records, twins_by_spec
from benchmarks.gallery.rows import ROWS, Row, Shot
from docs.site.pages import ROOT

EXAMPLES, PLAYGROUND = ROOT / "examples", ROOT / "build/playground"


def gallery() -> str:
    """The shelf of all examples: a picture and a name each."""
    head = (
        "# Gallery\n\nA spec for each system of G. Peyré's *The Mathematics of Artificial Intelligence*. A page has the equation with its\n"
        "number there, the whole spec, what it makes, what it claims of itself, and the commands that made the pictures.\n"
        "A spec is one file, and yours to copy.\n"
    )
    return f'{head}\n<div class="shelf" markdown>\n\n{"".join(map(_on_the_shelf, ROWS))}</div>\n'


def zoo() -> str:
    """The specs of models of others, each in whole."""
    head = (
        "# Models of others\n\nEach of these specs is a model that others have published. The tests give it the weights of a reference\n"
        "implementation, and compare what both compute. `mai import` writes such a spec for [a folder of weights](docs/import.md).\n"
    )
    return "\n".join([head, *(_model(path) for path in sorted((EXAMPLES / "zoo").glob("*.mai")))])


WRITERS: Mapping[str, Callable[[], str]] = {"gallery": gallery, "zoo": zoo}


def places() -> dict[str, str]:
    """The pages of the examples' files."""
    return {f"examples/{row.name}.mai": _at(row) for row in ROWS}


def further_pages() -> dict[str, str]:
    """A page an example, by its place."""
    pictures, twins = records(PICTURES), twins_by_spec()
    return {_at(row): _page(row, pictures, twins) for row in ROWS}


def _at(row: Row) -> str:
    return f"gallery/{row.name}.md"


def _page(row: Row, pictures: Records, twins: Records) -> str:
    typed = commands(row, pictures)
    spec = (EXAMPLES / f"{row.name}.mai").read_text(encoding="utf-8")
    parts = [
        f"# {row.title}\n",
        f'<div class="formula">{_mathematics(row.equation)}</div>\n',
        f"{sentences(row, pictures, twins.get(row.name))}\n",
        *(_picture(shot) for shot in row.shots),
        _live(row.name),
        f'## The spec\n\n```mai title="{row.name}.mai"\n{spec}```\n',
        _claims(row.name),
        f"## The commands\n\n{typed}" if typed else "",
        "[All examples](examples/README.md)\n",
    ]
    return "\n".join(part for part in parts if part)


def _mathematics(latex: str) -> str:
    """An equation as MathML, which browsers show by themselves."""
    return re.sub(r"\s*\n\s*", "", convert(latex, display="block"))


def _on_the_shelf(row: Row) -> str:
    shot = row.shots[0]
    picture = "" if shot.file.endswith(".txt") else f"![]({_place(shot)})<br>"
    return f"[{picture}**{row.title}**](examples/{row.name}.mai)\n\n"


def _live(name: str) -> str:
    """The example's compiled files at work in a page of their own, where the playground was built with it."""
    if not (PLAYGROUND / f"pages/{name}.html").is_file():
        return ""
    page = f"../playground/pages/{name}.html"
    return (
        f'<details class="live"><summary>Run it here</summary><iframe src="{page}" title="{name}, running" loading="lazy"></iframe></details>\n\n'
        f'Its files run in your browser, and nothing is sent anywhere: <a href="{page}">the page by itself</a>.\n'
    )


def _place(shot: Shot) -> str:
    return f"examples/pictures/{shot.file}"


def _picture(shot: Shot) -> str:
    path = EXAMPLES / "pictures" / shot.file
    if path.suffix == ".txt":
        return f"```text\n{path.read_text(encoding='utf-8').strip()}\n```\n"
    return f"![what {path.stem} makes]({_place(shot)})\n"


def _claims(name: str) -> str:
    """What the spec claims of its trained model, and what that came to: the table of the page of all claims."""
    fidelity = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
    table = re.search(rf"^### \[{name}\].*?(^\|.*?)\n\n", fidelity, re.DOTALL | re.MULTILINE)
    if table is None:
        return ""
    return f"## What it claims\n\n`mai train` computes these after training, `mai verify` computes them again.\n\n{table[1]}\n"


def _model(path: Path) -> str:
    spec = path.read_text(encoding="utf-8")
    title = spec.splitlines()[0].removeprefix("#").strip().rstrip(".") if spec.startswith("#") else path.stem
    return f'## {path.stem}\n\n{title}.\n\n```mai title="examples/zoo/{path.name}"\n{spec}```\n'
