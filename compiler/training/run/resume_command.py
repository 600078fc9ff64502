"""The command that goes on with a run."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path


def resume_command(file: str | Path, folder: Path, **options: object) -> str:
    """`mai train FILE ... --resume` with all that a run was given, as a shell reads it.

    `options` are the command's by name, `debug_nan` for `--debug-nan`: a value, several, true for a switch; None and false are left out.
    """
    words = ["mai", "train", str(file), "--out", str(folder), *_words(options), "--resume"]
    return shlex.join(words)


def _words(options: Mapping[str, object]) -> list[str]:
    words: list[str] = []
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if isinstance(value, Sequence) and not isinstance(value, str):
            words += [word for part in value for word in (option, str(part))]
        elif value is True:
            words.append(option)
        elif value is not None and value is not False:
            words += [option, str(value)]
    return words
