"""docs/papers.md is the page of the last figures of the twins."""

from __future__ import annotations

import json

from benchmarks.gallery.records import TWINS as FIGURES
from benchmarks.twins.__main__ import PAGE, TWINS
from benchmarks.twins.page import page


def test_the_page_is_that_of_the_figures() -> None:
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    written = PAGE.read_text(encoding="utf-8")
    assert written.rpartition("On one core")[0] == page(TWINS, figures).rpartition("On one core")[0]
