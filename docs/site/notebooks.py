"""Notebooks as pages: their texts and their code. What they give is not kept in the repository; tests run them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def as_markdown(notebook: str) -> str:
    """The text of a page, of the JSON of a notebook."""
    return "\n\n".join(map(_cell, json.loads(notebook)["cells"])) + "\n"


def _cell(cell: Mapping[str, Any]) -> str:
    text = "".join(cell["source"]).strip()
    if cell["cell_type"] == "markdown":
        return text
    language = "mai" if text.startswith("%%mai") else "python"
    return f"```{language}\n{text}\n```"
