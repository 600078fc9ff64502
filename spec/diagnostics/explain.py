"""`mai explain`, and the page of all diagnostics."""

from __future__ import annotations

from mai.spec.diagnostics.catalog import CATALOG, GROUPS
from mai.spec.diagnostics.suggest import closest

MAX_EXAMPLE = 400


def explanation(slug: str) -> str:
    """What a slug means, with an example; for an unknown slug, the nearest."""
    entry = CATALOG.get(slug)
    if entry is None:
        guess = closest(slug, CATALOG)
        hint = f"; did you mean `{guess}`?" if guess else ""
        return f"there is no diagnostic `{slug}`{hint}\n`mai explain` lists them all"
    text = f"{slug}: {entry.title}\n\n{entry.explanation}\n"
    if entry.example.strip() and len(entry.example) < MAX_EXAMPLE:
        text += "\nThis earns it:\n\n" + "".join(f"    {line}\n" for line in entry.example.rstrip("\n").split("\n"))
    return text.rstrip("\n")


def index() -> str:
    """Every slug with its title, in groups."""
    lines = []
    for group, entries in GROUPS.items():
        lines += [group, *(f"  {slug:24} {entry.title}" for slug, entry in entries.items()), ""]
    return "\n".join(lines).rstrip("\n")


def page() -> str:
    """The reference page `spec/errors.md`."""
    lines = ["# Diagnostics", "", "Generated from the catalog by `python -m mai.spec.diagnostics`.", ""]
    for group, entries in GROUPS.items():
        lines += [f"## {group}", ""]
        for slug, entry in entries.items():
            lines += [f"### `{slug}`", f"**{entry.title}.** {entry.explanation}", ""]
            if entry.example.strip() and len(entry.example) < MAX_EXAMPLE:
                lines += ["```mai", entry.example.rstrip("\n"), "```", ""]
    return "\n".join(lines).rstrip("\n") + "\n"
