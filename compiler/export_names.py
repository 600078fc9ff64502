"""What is said of names that a spec does not have."""

from __future__ import annotations

from collections.abc import Collection

from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.diagnostics.suggest import closest


def unknown_export(spec: str, name: str | None, exports: Collection[str]) -> MaiError:
    """The error for an export that there is not, or, where none is named, for a choice among several, to be raised."""
    message = f"{spec} has no export `{name}`" if name else f"{spec} has {len(exports)} exports: name one"
    guess = closest(name, exports) if name else None
    help = f"did you mean `{guess}`?" if guess else f"there are {', '.join(exports)}"
    return MaiError([Diagnostic("unknown-name", None, message, help=help)])
