"""Values that Python holds, of a notebook or a program."""

from __future__ import annotations

from typing import ClassVar

from mai.compiler.data.fields import bad
from mai.compiler.data.source_kinds import Reading, Request, Source


class Python(Source):
    """Values of the Python program around the spec: an array for the one field, a table or a dictionary for fields by name, or `[a, b]` for fields in their order.

    They are written to a file when training begins, so that a run can be gone on with.
    """

    name: ClassVar[str] = "python"
    names: str | tuple[str, ...]

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the values, in Python."""
        return (self.names,) if isinstance(self.names, str) else self.names

    def misfit(self) -> str | None:
        wrong = next((name for name in self.variables if not name.isidentifier()), None)
        return None if wrong is None else f"takes names of Python, and `{wrong}` is none"

    def read(self, request: Request) -> Reading:
        names = " and ".join(f"`{name}`" for name in self.variables)
        value = ", ".join(self.variables) if len(self.variables) == 1 else f"({', '.join(self.variables)})"
        help = (
            f"in Python, `mai.Spec(text, data={value})` or `spec.train(data={value})`, or a notebook's %%mai; "
            "on the command line, `--data FILE`"
        )
        raise bad(f"the examples are Python's {names}, which nothing here gives", "data-missing", help=help)
