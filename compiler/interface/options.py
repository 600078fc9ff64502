"""The options of `Spec.train` and `Spec.export`: which there are, and the error for others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields
from numbers import Integral
from pathlib import Path
from typing import Any, TypedDict

from mai.compiler.compile_options import CompileOptions, OptionError
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.diagnostics.suggest import closest

SEVERAL = ("only", "track")
SAME_AS = {"drafts": "speculate", "held_out": "data"}  # Of fields that the command line calls otherwise.
FILES = ("held_out", "calibrate")  # Each is one file or several.
LEAST = {"steps": 1, "batch": 1, "seed": 0, "workers": 0}


class TrainingOptions(TypedDict, total=False):
    """The options of `Spec.train` beside its steps, data and folder, as an editor and a type checker see them."""

    batch: int | None
    seed: int | None
    device: str | None
    precision: str | None
    only: str | Sequence[str] | None
    weights: object
    quiet: bool
    track: str | Sequence[str] | None
    shard: bool
    debug_nan: bool
    workers: int | None
    compile: bool
    resume: bool


def training_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a training, without those that are None. Raises `MaiError` for one, or a value, that there is not."""
    from mai.compiler.training.run.figures.trackers import PACKAGES

    _check_names("train", options, ("steps", *TrainingOptions.__annotations__))
    chosen = {name: _number(name, value) for name, value in options.items() if value is not None}
    lists = {
        name: (chosen[name],) if isinstance(chosen[name], str) else tuple(chosen[name])
        for name in SEVERAL
        if name in chosen
    }
    paths = {"weights": Path(chosen["weights"])} if "weights" in chosen else {}
    for name in lists.get("track", ()):
        if name not in PACKAGES:
            raise _bad(f"there is no tracker {name!r}", f"there are {', '.join(PACKAGES)}")
    return {**chosen, **lists, **paths}


def _number(name: str, value: object) -> Any:
    """The value of an option, which for some is a whole number. Raises `MaiError`."""
    if name not in LEAST:
        return value
    if not isinstance(value, Integral) or isinstance(value, bool) or value < LEAST[name]:
        raise _bad(f"`{name}` is a whole number from {LEAST[name]} on, this is {value!r}")
    return int(value)


def _bad(message: str, help: str | None = None) -> MaiError:
    return MaiError([Diagnostic("bad-setting", None, message, help=help)])


def compile_options(options: Mapping[str, Any]) -> CompileOptions:
    """The options of an export. Raises `MaiError` for one that there is not, or that has a value that there is not."""
    names = {SAME_AS.get(each.name, each.name): each.name for each in fields(CompileOptions)}
    _check_names("export", options, names)
    try:
        return CompileOptions(**{names[name]: _files(names[name], value) for name, value in options.items()})
    except OptionError as error:
        raise _bad(str(error)) from error


def _files(name: str, value: Any) -> Any:
    """The value of an option, which for some is a path or a list of them."""
    if name not in FILES:
        return value
    return tuple(map(Path, [value] if isinstance(value, (str, Path)) else value))


def _check_names(call: str, options: Mapping[str, Any], names: Collection[str]) -> None:
    for name in options:
        if name not in names:
            guess = closest(name, names)
            help = f"did you mean `{guess}`?" if guess else f"there are {', '.join(names)}"
            raise MaiError([Diagnostic("unknown-argument", None, f"`{call}` has no option `{name}`", help=help)])
