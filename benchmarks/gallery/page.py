"""`examples/README.md`: for each example the equation, the lines of the spec that say it, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gallery.rows import Row, Shot

HEAD = """# Gallery

A spec for each system of G. Peyré's *The Mathematics of Artificial Intelligence*: the equation with its number there, the
lines of the spec that say it, and what the compiled file makes. Each picture is made by the `mai` command below it;
`make gallery` trains all of them and makes this page. `mai examples` lists all specs, those of papers and of trained networks, too;
`mai examples moons_flow` copies one with its data, and prints the commands that train and draw it.
"""
Made = Mapping[str, Mapping[str, Any]]
NONE: Made = {}


def write_page(folder: Path, rows: Sequence[Row], runs: Made, twins: Made = NONE) -> None:
    """Write the page; `twins` are the figures of examples beside those of torch by hand."""
    parts = [HEAD, *(_section(folder, row, runs, twins.get(row.name)) for row in rows)]
    (folder / "README.md").write_text("\n".join(parts), encoding="utf-8")


def _section(folder: Path, row: Row, runs: Made, twin: Mapping[str, Any] | None) -> str:
    spec = (folder / f"{row.name}.mai").read_text(encoding="utf-8")
    pictures = "\n".join(_shown(folder, shot) for shot in row.shots if shot.file in runs) or "*not made yet*"
    lines = [
        f"## {row.title}\n",
        f"$${row.equation}$$\n",
        f"{sentences(row, runs, twin)}\n",
        f"<table><tr><td>\n\n[{row.name}.mai]({row.name}.mai)\n\n```\n{quoted(spec, row.shows)}\n```\n\n</td><td>\n",
        f"{pictures}\n",
        "</td></tr></table>\n",
    ]
    typed = commands(row, runs)
    return "\n".join(lines) + (f"\n{typed}" if typed else "")


def sentences(row: Row, runs: Made, twin: Mapping[str, Any] | None) -> str:
    """What a row says, how long its example was trained, and its figure beside that of torch by hand."""
    steps = next((runs[shot.file]["steps"] for shot in row.shots if shot.file in runs), None)
    trained = f" Trained for {steps:,} steps." if steps else ""
    return f"{row.says}{trained}{_beside(twin)}"


def commands(row: Row, runs: Made) -> str:
    """What was typed for the pictures of a row, each command once, as a block of code; nothing where none was made."""
    pictures = [runs[shot.file] for shot in row.shots if shot.file in runs]
    typed = [f"mai {command}" for picture in pictures for command in (*picture["training"], *picture["commands"])]
    return "```sh\n" + "\n".join(dict.fromkeys(typed)) + "\n```\n" if typed else ""


def _beside(twin: Mapping[str, Any] | None) -> str:
    """The figure of an example, and that of torch by hand."""
    if twin is None:
        return ""
    figures = f"{twin['mai']:.3g}; written by hand in torch and trained on the same data, {twin['torch']:.3g}"
    return f" The {twin['says']}: {figures}."


def _shown(folder: Path, shot: Shot) -> str:
    path = folder / "pictures" / shot.file
    if path.suffix == ".txt":
        return f"```\n{path.read_text(encoding='utf-8').strip()}\n```\n"
    return f'<img src="pictures/{shot.file}" width="420" alt="{path.stem}">\n'


def quoted(spec: str, shows: Sequence[str]) -> str:
    """The declarations of a spec that begin with any of `shows`, the rest left out."""
    kept, depth = [], 0
    for line in spec.splitlines():
        begins = line.startswith(tuple(f"{word}{end}" for word in shows for end in " ("))
        if begins and kept:
            kept.append("")
        if begins or depth:
            kept.append(line.split("      #")[0].rstrip())
            depth += _opened(line)
    return "\n".join(kept)


def _opened(line: str) -> int:
    """How many brackets more a line opens than it closes."""
    code = line.partition("#")[0]
    return sum(map(code.count, "([{")) - sum(map(code.count, ")]}"))
