"""Plain command lines are read without typer, and as typer reads them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest

from mai.runtime.cli import load_verb, places_of_verbs
from mai.runtime.command_line.markers import Argument, Exit, Misuse, Option
from mai.runtime.command_line.plain_words import parameters_of, read_plain
from mai.runtime.command_line.typer_application import application, run_application

READ: list[dict[str, Any]] = []


def verb(
    file: Annotated[Path, Argument(help="A file.")],
    out: Annotated[Path, Option(help="A file to write.")],
    values: Annotated[list[str] | None, Argument(help="Words.")] = None,
    steps: Annotated[int | None, Option(help="A number.", min=1)] = None,
    limit: Annotated[float, Option(help="A share.", min=0.5)] = 1.0,
    export: Annotated[list[str] | None, Option(help="Several.")] = None,
    kind: Annotated[Literal["default", "fine"], Option(help="One of two.")] = "default",
    step: Annotated[bool, Option("--step/--no-step", help="Either.")] = True,
    quiet: Annotated[bool, Option("--quiet", help="No words.")] = False,
    range_: Annotated[str | None, Option("--range", help="Another name.")] = None,
) -> None:
    """A verb of all kinds of arguments."""
    READ.append(dict(locals()))
    if steps == 7:
        raise Exit(7)
    if steps == 8:
        raise Misuse("--steps 8")


def by_typer(words: Sequence[str]) -> dict[str, Any]:
    READ.clear()
    assert run_application(application({"verb": verb, "other": verb}), ["verb", *words]) == 0
    return READ.pop()


PLAIN = [
    "a.mai --out b",
    "--out b a.mai x=1 y",
    "a.mai x=-1 --out=b --steps 3 y --limit 0.5 --export f --export g",
    "a.mai --out b --kind fine --no-step --quiet --range 0..1",
    "a.mai --out b --range=-1..1 --steps=2 --steps 3 --step",
    "a.mai --out b --limit 2",
]


@pytest.mark.parametrize("line", PLAIN)
def test_plain_words_mean_what_typer_says(line: str) -> None:
    plain = read_plain(verb, line.split())
    assert plain is not None
    READ.clear()
    verb(**plain)  # type: ignore[arg-type]
    assert READ.pop() == by_typer(line.split())


UNUSUAL = [
    "", "a.mai", "--out b", "a.mai --out", "a.mai --out b --steps 0", "a.mai --out b --steps x", "a.mai --out b --steps 1_0",
    "a.mai --out b --limit 0.4", "a.mai --out b --limit nan", "a.mai --out b --kind coarse", "a.mai --out b --help",
    "a.mai --out b --quiet=1", "a.mai --out b -- -x", "a.mai --out -b", "a.mai --out b --ste", "a.mai --out b -q",
]  # fmt: skip


def test_brackets_stay_in_help(capsys: pytest.CaptureFixture[str]) -> None:
    """A shape is no style: `[n, 2]` is shown, in the text of a verb and of its options."""

    def bracketed(show: Annotated[str | None, Option(help="One [n, 2] of them.")] = None) -> None:
        """Takes [batch, d] and `[bold]`."""

    run_application(application({"verb": bracketed}), ["verb", "--help"])
    shown = " ".join(capsys.readouterr().out.split())
    assert "[n, 2]" in shown and "[batch, d] and `[bold]`" in shown


def test_a_paragraph_of_help_is_broken_by_the_terminal_alone(capsys: pytest.CaptureFixture[str]) -> None:
    def short() -> None:
        """Does it.

        One line
        and another.
        """

    run_application(application({"verb": short}), ["verb", "--help"])
    assert "One line and another." in capsys.readouterr().out


@pytest.mark.parametrize("name", places_of_verbs())
def test_every_verb_begins_its_help_with_an_example(name: str) -> None:
    first = (load_verb(places_of_verbs()[name]).__doc__ or "").split("\n\n")[0]
    assert f": mai {name}" in first and len(first) < 140


@pytest.mark.parametrize("line", UNUSUAL)
def test_what_is_not_plain_is_for_typer(line: str) -> None:
    assert read_plain(verb, line.split()) is None
    assert read_plain(verb, ["a.mai", "--out", ""]) is None


@pytest.mark.parametrize("name", places_of_verbs())
def test_the_arguments_of_every_verb_are_understood(name: str) -> None:
    kinds = {str(p.kind) for p in parameters_of(load_verb(places_of_verbs()[name]))}
    plain = {str(kind) for kind in (Path, str, int, float, bool)}
    assert all(kind in plain or kind.startswith("typing.Literal") for kind in kinds)


def test_a_verb_ends_early_in_typer_too() -> None:
    app = application({"verb": verb, "other": verb})
    assert run_application(app, ["verb", "a", "--out", "b", "--steps", "7"]) == 7
    with pytest.raises(Misuse) as refused:
        run_application(app, ["verb", "a", "--out", "b", "--steps", "8"])
    assert (refused.value.message, refused.value.command) == ("invalid value: --steps 8", "mai verb")


@pytest.mark.slow
def test_misuse_is_said_alike_by_both(tmp_path: Path) -> None:
    (tmp_path / "a.mai").write_text("export f(x: [2]) -> [2] { return x }\n")
    said = [mai(tmp_path, "check", "a.mai", *words) for words in (["--set", "x"], ["--set", "x", "--"])]
    assert said[0].stderr == said[1].stderr != ""
    assert (said[0].returncode, said[0].stdout) == (said[1].returncode, said[1].stdout) == (1, "")


@pytest.mark.slow
def test_a_plain_command_loads_no_typer(tmp_path: Path) -> None:
    (tmp_path / "a.mai").write_text("export f(x: [2]) -> [2] { return x }\n")
    code = "import sys; from mai.runtime.cli import main; sys.argv[1:] = ['check', 'a.mai']\ntry: main()\nexcept SystemExit: print({'typer', 'rich'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "a.mai: sound (f)\nset()\n"


def mai(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mai.runtime.cli", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
