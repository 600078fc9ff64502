"""The error that the runtime raises for whatever its user can mend."""

from __future__ import annotations


class ModelError(Exception):
    """A file, an input or a setting is not as it must be.

    Attributes:
        slug: the kind of error, which `mai explain` explains.
        message: what is wrong.
        help: how to mend it, where that is known.
    """

    def __init__(self, slug: str, message: str, help: str | None = None) -> None:
        super().__init__(message if help is None else f"{message} ({help})")
        self.slug, self.message, self.help = slug, message, help

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows, in the place of Python's frames."""
        return [f"error[{self.slug}]: {self.message}", *([f"help: {self.help}"] if self.help is not None else [])]
