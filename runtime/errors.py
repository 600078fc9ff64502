"""What the runtime has to say when it cannot go on."""

from __future__ import annotations


class ModelError(Exception):
    """A file, an input or a setting is not as it must be. `slug` names the kind of error, as in `mai explain`."""

    def __init__(self, slug: str, message: str, help: str | None = None) -> None:
        super().__init__(message if help is None else f"{message} ({help})")
        self.slug, self.message, self.help = slug, message, help
