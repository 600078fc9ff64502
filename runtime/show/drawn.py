"""A picture that is not a file yet: notebooks show it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Picture:
    """A picture as the bytes of a file: svg or png."""

    data: bytes
    is_vector: bool

    def __repr__(self) -> str:
        return f"<Picture: {len(self.data):,} bytes of {'svg' if self.is_vector else 'png'}>"

    def save(self, path: str | Path) -> None:
        """Write it to a file, whose ending has to be that of its kind."""
        Path(path).write_bytes(self.data)

    def _repr_svg_(self) -> str | None:
        return self.data.decode() if self.is_vector else None

    def _repr_png_(self) -> bytes | None:
        return None if self.is_vector else self.data
