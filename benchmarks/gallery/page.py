"""`examples/README.md`: for each example the equation, the lines of the spec that say it, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.gallery.rows import Row, Shot

HEAD = """# Gallery

A spec for each system of G. Peyré's *The Mathematics of Artificial Intelligence*: the equation with its number there, the
lines of the spec that say it, and what the compiled file makes. Each picture is made by the `mai` command below it;
`make gallery` trains all of them and makes this page.
"""
Made = Mapping[str, Mapping[str, Any]]
NONE: Made = {}


def write_page(folder: Path, rows: Sequence[Row], made: Made, twins: Made = NONE) -> None:
    """Write the page; `twins` are the figures of examples beside those of torch by hand."""
    parts = [HEAD, *(_section(folder, row, made, twins.get(row.name)) for row in rows)]
    (folder / "README.md").write_text("\n".join(parts), encoding="utf-8")


def _section(folder: Path, row: Row, made: Made, twin: Mapping[str, Any] | None) -> str:
    spec = (folder / f"{row.name}.mai").read_text(encoding="utf-8")
    shots = [shot for shot in row.shots if shot.file in made]
    steps = made[shots[0].file]["steps"] if shots else None
    trained = f" Trained for {steps:,} steps." if steps else ""
    pictures = "\n".join(_shown(folder, shot) for shot in shots) or "*not made yet*"
    typed = [c for shot in shots for c in (*made[shot.file]["training"], *made[shot.file]["commands"])]
    commands = [f"mai {c}" for c in dict.fromkeys(typed)]
    lines = [
        f"## {row.title}\n",
        f"$${row.equation}$$\n",
        f"{row.says}{trained}{_beside(twin)}\n",
        f"<table><tr><td>\n\n[{row.name}.mai]({row.name}.mai)\n\n```\n{quoted(spec, row.shows)}\n```\n\n</td><td>\n",
        f"{pictures}\n",
        "</td></tr></table>\n",
    ]
    return "\n".join(lines) + ("\n```sh\n" + "\n".join(commands) + "\n```\n" if commands else "")


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
    kept, inside = [], False
    for line in spec.splitlines():
        begins = line.startswith(tuple(f"{word}{end}" for word in shows for end in " ("))
        if begins and kept:
            kept.append("")
        if begins or inside:
            kept.append(line.split("      #")[0].rstrip())
            inside = (begins and line.endswith("{")) or (inside and line != "}")
    return "\n".join(kept)
