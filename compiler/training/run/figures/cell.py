"""The progress of a run in a notebook's cell: a bar, the latest figures, the loss so far."""

from __future__ import annotations

import sys
import time
from html import escape
from importlib import import_module
from typing import Any

SECONDS = 0.25  # Between two looks of the cell.
WIDTH, HEIGHT = 320, 64


def in_notebook() -> bool:
    """Whether this Python is a notebook's: it shows HTML, and has no terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return shell is not None and hasattr(shell, "kernel")


class Cell:
    """What a cell shows while a run goes on; `name` is that of a train block, or empty."""

    def __init__(self, steps: int, name: str = "") -> None:
        self.steps, self.name, self.losses = steps, name, list[tuple[int, float]]()
        self._text, self._shown = "", 0.0
        self._handle: Any = None

    def advance(self, step: int) -> None:
        """Show that a step is done, some times a second."""
        if time.monotonic() - self._shown > SECONDS or step == self.steps:
            self._show(step)

    def tell(self, step: int, text: str, loss: float | None) -> None:
        """The latest figures, and the loss among them."""
        self._text = text
        if loss is not None:
            self.losses.append((step, loss))

    def _show(self, step: int) -> None:
        shown: Any = import_module("IPython.display")
        self._shown, page = time.monotonic(), shown.HTML(self.html(step))
        if self._handle is None:
            self._handle = shown.display(page, display_id=True)
        else:
            self._handle.update(page)

    def html(self, step: int) -> str:
        """The cell after a step."""
        bar = f'<progress value="{step}" max="{self.steps}" style="width:{WIDTH}px"></progress>'
        text = f"{escape(self.name)}step {step:,} of {self.steps:,} &nbsp; {escape(self._text)}"
        return f'<div style="font-family:monospace">{bar} {text}<br>{self._curve()}</div>'

    def _curve(self) -> str:
        """The losses over the steps, as a line."""
        if len(self.losses) < 2:
            return ""
        values = [loss for _, loss in self.losses]
        low, high = min(values), max(values)
        points = " ".join(
            f"{step / self.steps * WIDTH:.1f},{HEIGHT - 2 - (loss - low) / ((high - low) or 1) * (HEIGHT - 4):.1f}"
            for step, loss in self.losses
        )
        line = f'<polyline points="{points}" fill="none" stroke="#d1495b" stroke-width="1.5"/>'
        return f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="loss">{line}</svg>'
