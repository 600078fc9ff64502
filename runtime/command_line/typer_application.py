"""The command line as typer has it: for help, for what is wrong, and for unusual words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import update_wrapper
from importlib import import_module
from inspect import signature
from typing import Annotated, Any, Protocol, cast, get_args, get_type_hints

import typer

import mai
from mai.runtime.command_line.markers import Argument, Exit, Misuse
from mai.runtime.show.terminal import say

HELP = (
    "The mathematics of AI: from a text file to one ONNX file.\n\n"
    "Start with [bold]mai new flow.mai[/], then [bold]mai train flow.mai[/], then [bold]mai run[/] what it wrote."
)
GROUPS = {"weights": "See which weights a spec has, and give them those of a file: mai weights list gpt2.mai"}

# click's, or that of typer's own copy of click: the base of errors about a wrong command line.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]
NoSuchOption: type[Exception] = import_module(UsageError.__module__).NoSuchOption
VALUES = "values"  # The argument of verbs that take inputs and settings as NAME=VALUE.


class Usage(Protocol):
    """What `UsageError` has, of either click."""

    @property
    def ctx(self) -> typer.Context | None: ...

    def format_message(self) -> str: ...


def application(verbs: Mapping[str, Callable[..., None]]) -> typer.Typer:
    """An application with these verbs, in their order; `weights list` is one of the group `weights`."""
    app = typer.Typer(
        name="mai", help=HELP, add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False
    )
    app.callback(invoke_without_command=True)(_top)
    parts = {"": app}
    for name, verb in verbs.items():
        group, _, own = name.rpartition(" ")
        if group not in parts:
            parts[group] = typer.Typer(help=GROUPS[group])
            app.add_typer(parts[group], name=group)
        parts[group].command(name=own)(_for_typer(verb))
    return app


def run_application(app: typer.Typer, words: Sequence[str]) -> int:
    """The exit code of an application for the words of a command line. Raises `Misuse` for what is wrong with them."""
    try:
        code = app(list(words), prog_name="mai", standalone_mode=False)
    except UsageError as error:
        usage = cast(Usage, error)
        command = usage.ctx.command_path if usage.ctx else "mai"
        if isinstance(error.__cause__, Misuse):
            raise error.__cause__.of(command) from error
        raise Misuse(usage.format_message(), command, _help_of(usage)) from error
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    return code if isinstance(code, int) else 0


def _help_of(usage: Usage) -> str:
    """What helps besides the list of options: an input or a setting is no option."""
    if not isinstance(usage, NoSuchOption) or usage.ctx is None:
        return ""
    name = str(vars(usage)["option_name"]).removeprefix("--")
    takes_values = any(parameter.name == VALUES for parameter in usage.ctx.command.params)
    return f"an input or a setting of the file is written {name}=VALUE" if takes_values and name.isidentifier() else ""


def _top(version: Annotated[bool, typer.Option("--version", help="Say which version this is.")] = False) -> None:
    if version:
        say(f"mai {mai.__version__}, language {mai.__language__}")
        raise typer.Exit


def _for_typer(verb: Callable[..., None]) -> Callable[..., None]:
    """A verb with typer's annotations and typer's ways to end."""

    def run(**arguments: Any) -> None:
        try:
            verb(**arguments)
        except Exit as end:
            raise typer.Exit(end.code) from end
        except Misuse as error:
            raise typer.BadParameter(error.message) from error

    hints = get_type_hints(verb, include_extras=True)
    hints = {name: _annotation(hint) for name, hint in hints.items() if name != "return"}
    parameters = [p.replace(annotation=hints[name]) for name, p in signature(verb).parameters.items()]
    update_wrapper(run, verb, ("__name__", "__qualname__", "__module__", "__doc__"), ())
    run.__annotations__ = hints
    run.__doc__ = _plain(_in_whole_lines(verb.__doc__ or ""))
    vars(run)["__signature__"] = signature(verb).replace(parameters=parameters)
    return run


def _annotation(hint: Any) -> Any:
    """Typer's annotation for one of ours."""
    kind, marker = get_args(hint)
    shown: Any = marker.show_default
    if isinstance(marker, Argument):
        return Annotated[kind, typer.Argument(help=_plain(marker.help), show_default=shown)]
    names = [marker.name] if marker.name else []
    return Annotated[kind, typer.Option(*names, help=_plain(marker.help), show_default=shown, min=marker.min)]


def _in_whole_lines(text: str) -> str:
    """A docstring with each paragraph in one line, which the terminal breaks at its own width."""
    return re.sub(r"(?<=\S)[ \t]*\n[ \t]*(?=\S)", " ", text)


def _plain(text: str) -> str:
    """A text of which rich takes no bracket, `[n, 2]`, for a style."""
    return text.replace("[", "\\[")
