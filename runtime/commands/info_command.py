"""The verb `info`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mai.runtime.command_line.markers import Argument, Misuse, Option
from mai.runtime.show.description import contents, heading, interface, origin
from mai.runtime.show.terminal import say, say_text, visible_line


def info(
    model: Annotated[
        Path, Argument(help="A .onnx file that mai compiled, or the folder of a run.", show_default=False)
    ],
    json: Annotated[bool, Option("--json", help="The manifest as it stands in the file.")] = False,
    spec: Annotated[bool, Option("--spec", help="The text that the file was made from.")] = False,
) -> None:
    """Say what a compiled file takes, gives, and was made from; or how far a run is, and what it came to: mai info runs/titanic"""
    if model.is_dir():
        _say_run(model, json or spec)
        return
    from mai.runtime.model.loader import load

    loaded = load(model, providers="cpu")
    if json:
        say_text(loaded.manifest.model_dump_json(indent=2))
        return
    if spec:
        say_text(loaded.spec.rstrip("\n"))
        return
    manifest = loaded.manifest
    say(visible_line(heading(manifest)))
    for kind, name, text in [*interface(manifest), *contents(manifest)]:
        say(visible_line(f"  {kind:9} {f'{name:14} ' if name else ''}{text}"))
    say(visible_line(f"  {origin(manifest, model)}"))


def _say_run(folder: Path, of_a_file: bool) -> None:
    from mai.runtime.run_folders.comparison import read_runs
    from mai.runtime.run_folders.describing import described
    from mai.runtime.run_folders.summary import is_run

    if of_a_file:
        raise Misuse(f"{folder} is a folder: --json and --spec are of a compiled file in it")
    if not is_run(folder):
        there = len(read_runs([folder]))
        raise Misuse(
            f"{folder} holds {there} run{'s' if there > 1 else ''}: name one, or compare them: mai runs {folder}"
        )
    say(visible_line(str(folder)))
    for kind, text in described(folder):
        say(visible_line(f"  {kind:9} {text}"))
