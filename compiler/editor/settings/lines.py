"""Lines that show settings, of `spec/reference/settings.toml`, and which settings each of them shows."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator

from mai.compiler.editor.settings.words import ARGUMENT, arguments_of, call_around
from mai.spec.reference import BY_HAND_SETTINGS, TAKER

_TEXT_OR_END = re.compile(r'"[^"]*"|\)')


def lines() -> Iterator[str]:
    """All lines, with the names of what takes the settings in them."""
    for takers, own in tomllib.loads(BY_HAND_SETTINGS.read_text(encoding="utf-8")).items():
        for taker in takers.split():
            yield from (line.replace(TAKER, taker) for line in own["lines"])


def settings_in(line: str) -> Iterator[str]:
    """The arguments that a line's calls are given, by their name or their place: `adamw.lr`."""
    for end in _TEXT_OR_END.finditer(line):
        call = call_around(line, end.start()) if end[0] == ")" else None
        if call is not None:
            names = [*arguments_of(call, {}), *call.parts]
            for place, part in enumerate(call.parts):
                named = ARGUMENT.match(part)
                yield f"{call.name}.{named[1] if named else names[place]}"
