"""Pages that lie nowhere in the repository: they are written of its data while the site is built. Their links start at the
repository's root."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert

from benchmarks.gallery.rows import ROWS, Row, Shot
from docs.site.pages import ROOT

EXAMPLES = ROOT / "examples"


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
    return {_at(row): _page(row) for row in ROWS}


def _at(row: Row) -> str:
    return f"gallery/{row.name}.md"


def _page(row: Row) -> str:
    spec = (EXAMPLES / f"{row.name}.mai").read_text(encoding="utf-8")
    parts = [
        f"# {row.title}\n",
        f"{_mathematics(row.equation)}\n",
        f"{row.says}{_beside(row)}\n",
        *(_picture(shot) for shot in row.shots),
        f'## The spec\n\n```mai title="{row.name}.mai"\n{spec}```\n',
        _claims(row.name),
        _commands(row),
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


def _place(shot: Shot) -> str:
    return f"examples/pictures/{shot.file}"


def _picture(shot: Shot) -> str:
    path = EXAMPLES / "pictures" / shot.file
    if path.suffix == ".txt":
        return f"```text\n{path.read_text(encoding='utf-8').strip()}\n```\n"
    return f"![what {path.stem} makes]({_place(shot)})\n"


def _beside(row: Row) -> str:
    """How long it was trained, and its figure beside that of torch by hand."""
    steps = next((_made()[shot.file]["steps"] for shot in row.shots if shot.file in _made()), None)
    trained = f" Trained for {steps:,} steps." if steps else ""
    twin = _results("twins").get(row.name)
    if twin is None:
        return trained
    return f"{trained} The {twin['says']}: {twin['mai']:.3g}; written by hand in torch and trained on the same data, {twin['torch']:.3g}."


def _claims(name: str) -> str:
    """What the spec claims of its trained model, and what that came to: the table of the page of all claims."""
    fidelity = (ROOT / "docs" / "fidelity.md").read_text(encoding="utf-8")
    table = re.search(rf"^### \[{name}\].*?(^\|.*?)\n\n", fidelity, re.DOTALL | re.MULTILINE)
    if table is None:
        return ""
    return f"## What it claims\n\n`mai train` computes these after training, `mai verify` computes them again.\n\n{table[1]}\n"


def _commands(row: Row) -> str:
    shots = [_made()[shot.file] for shot in row.shots if shot.file in _made()]
    typed = [f"mai {command}" for shot in shots for command in (*shot["training"], *shot["commands"])]
    return "## The commands\n\n```sh\n" + "\n".join(dict.fromkeys(typed)) + "\n```\n" if typed else ""


def _model(path: Path) -> str:
    spec = path.read_text(encoding="utf-8")
    title = spec.splitlines()[0].removeprefix("#").strip().rstrip(".") if spec.startswith("#") else path.stem
    return f'## {path.stem}\n\n{title}.\n\n```mai title="examples/zoo/{path.name}"\n{spec}```\n'


@cache
def _made() -> dict[str, Any]:
    return dict(json.loads((EXAMPLES / "pictures" / "made.json").read_text(encoding="utf-8")))


@cache
def _results(name: str) -> dict[str, Any]:
    return dict(json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text(encoding="utf-8")))
