"""What a spec says, as notebooks show it."""

from __future__ import annotations

from html import escape

from mai.spec.diagnostics import Diagnostic
from mai.spec.diagnostics.render import render
from mai.spec.record import record


class Shown(str):
    """A text that is shown as it stands; a picture, as svg, is drawn where that is possible."""

    __slots__ = ("is_picture",)
    is_picture: bool

    def __new__(cls, text: str, is_picture: bool = False) -> Shown:
        shown = super().__new__(cls, text)
        shown.is_picture = is_picture
        return shown

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return str(self) if self.is_picture else f'<pre style="overflow-x:auto">{escape(self)}</pre>'


@record
class Findings:
    """What a check found. It is true where nothing of it is an error."""

    diagnostics: tuple[Diagnostic, ...]

    def __bool__(self) -> bool:
        return not any(d.severity == "error" for d in self.diagnostics)

    def __repr__(self) -> str:
        return render(self.diagnostics) if self.diagnostics else "sound"

    def _repr_html_(self) -> str:
        from mai.compiler.interface.html import diagnostics_html

        return diagnostics_html(self.diagnostics) if self.diagnostics else "sound"
