"""What a verb says of its arguments, in their annotations, and how it ends early."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Argument:
    """A word at its place: `file: Annotated[Path, Argument(help="A .mai file.")]`.

    Args:
        show_default: what help says of the default, or whether it does.
    """

    help: str
    show_default: bool | str = True


@dataclass(frozen=True)
class Option:
    """A word after a name, `--steps 10`; or the name alone, for what is true or false.

    Args:
        name: with its dashes, `--step/--no-step` where there are two; by default that of the parameter.
        min: the least value of a number.
    """

    name: str = ""
    help: str = ""
    show_default: bool | str = True
    min: float | None = None


class Exit(Exception):
    """The command ends with this code: all has been said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class Misuse(Exception):
    """What is wrong with a command line, the `command` whose help lists what there is, where that is known, and other `help`."""

    def __init__(self, message: str, command: str = "", help: str = "") -> None:
        super().__init__(message)
        self.message, self.command, self.help = message, command, help

    def of(self, command: str) -> Misuse:
        """The same, told of a command: an option that stands in front is said to have a wrong value."""
        before = "invalid value: " if self.message.startswith("--") else ""
        return Misuse(before + self.message, command, self.help)
