"""The catalogue's wrong files are mended by their own edits, wherever the repair is at one place and can be known."""

from __future__ import annotations

from functools import cache
from itertools import takewhile
from pathlib import Path

import pytest

from mai.compiler.fixing import Fixed, fix
from mai.spec.diagnostics.catalog import CATALOG

LEAST_SHARE = 0.8

# Pairs that differ at one place, and what is to stand there only the writer of the file knows.
UNKNOWN = {
    "missing-operand": "an operand",
    "missing-source": "the data",
    "missing-setting": "the data",
    "missing-count": "a number",
    "dimension-too-large": "a number",
    "too-many-parameters": "a number",
    "number-too-large": "a number",
    "number-too-small": "a number",
    "large-tensor": "a number",
    "division-by-zero": "a number",
    "repeat-too-long": "a number",
    "bad-init": "what it starts from",
    "family-member": "which of the nets",
    "duplicate-name": "which of the two is meant, and what to call the other",
    "not-assignable": "what is to become of the rest of the tensor",
    "append-outside": "what was to be made of the tensor",
    "not-differentiable": "by what is to be derived",
    "record-what": "what is to be kept",
    "path-outside": "where the file is to lie",
    "label-as-number": "whether another loss is meant, or a number of each label",
    "unused": "whether the name, or the line that does not read it, is left over",
}
PAIRS = [slug for slug, entry in CATALOG.items() if entry.example and entry.right]


def shared(a: str, b: str) -> int:
    """How many characters two texts begin with in common."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))


def is_at_one_place(wrong: str, right: str) -> bool:
    """Whether what differs is a part of one line in both texts, or a whole line more or less."""
    begin = shared(wrong, right)
    end = shared(wrong[begin:][::-1], right[begin:][::-1])
    return all("\n" not in text[begin : len(text) - end].strip("\n") for text in (wrong, right))


SINGLE = [slug for slug in PAIRS if is_at_one_place(CATALOG[slug].example, CATALOG[slug].right)]


@cache
def mended(slug: str, folder: Path) -> Fixed:
    path = folder / f"{slug}.mai"
    path.write_text(CATALOG[slug].example, encoding="utf-8")
    return fix(path, strict=True)


@pytest.mark.parametrize("slug", [slug for slug in SINGLE if slug not in UNKNOWN])
def test_its_own_edit_mends_it(slug: str, tmp_path: Path) -> None:
    fixed = mended(slug, tmp_path)
    assert fixed.edits and fixed.checked.program is not None
    assert fixed.checked.errors == []


@pytest.mark.parametrize("slug", UNKNOWN)
def test_what_cannot_be_known_is_left(slug: str, tmp_path: Path) -> None:
    assert slug in SINGLE
    assert mended(slug, tmp_path).texts == {}


def test_the_share_of_all_that_are_at_one_place() -> None:
    assert len(SINGLE) >= 90
    assert (len(SINGLE) - len(UNKNOWN)) / len(SINGLE) >= LEAST_SHARE
