"""Words in the place of labels, and the labels that every host takes them as: those of cells of a table."""

from __future__ import annotations

from mai.runtime.inputs.labels import spellings_of
from mai.runtime.model.manifest import Manifest, Port
from tests.support.cases.small_files import manifest, output

NAMES: dict[str, list[str]] = {
    "kinds": ["cat", "d\u00f6g", " cat", "e\u0301"],
    "sheet": ["TRUE", "FALSE"],
    "answers": ["yes", "no"],
    "unnamed": [],
}
# By field: a word, and the number of its label; None for a word that names none.
WORDS: list[tuple[str, str, int | None]] = [
    ("kinds", "cat", 0),
    ("kinds", " cat", 2),
    ("kinds", "\t\u3000cat\u00a0\x85", 0),
    ("kinds", "\ufeffcat", None),
    ("kinds", "Cat", None),
    ("kinds", " do\u0308g ", 1),
    ("kinds", "\u00e9", 3),
    ("sheet", "true", 0),
    ("sheet", " False", 1),
    ("sheet", "yes", None),
    ("answers", "Yes", None),
    ("answers", "yes ", 0),
    ("unnamed", "True ", 1),
    ("unnamed", "false", 0),
    ("unnamed", "no", None),
]


def words_manifest() -> Manifest:
    """A file that takes a label of each field, of which none has one for what is not known."""
    ports = [
        Port(name=name, kind="input", dtype="int64", batch=True, classes=len(names) or 2, field=name, gaps=False)
        for name, names in NAMES.items()
    ]
    results = [output(f"of_{name}").model_copy(update={"dtype": "int64"}) for name in NAMES]
    return manifest(ports, [], results).model_copy(update={"labels": NAMES, "spellings": spellings_of(NAMES)})
