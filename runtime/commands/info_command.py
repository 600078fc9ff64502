"""The verb `info`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mai.runtime.command_line.markers import Argument, Misuse, Option
from mai.runtime.show.description import contents, heading, interface, origin
from mai.runtime.show.terminal import say, say_text, visible_line


def info(
    models: Annotated[
        list[Path], Argument(help=".onnx files that mai compiled, or the folder of a run.", show_default=False)
    ],
    json: Annotated[bool, Option("--json", help="Print the manifest, as JSON, as it stands in the file.")] = False,
    spec: Annotated[bool, Option("--spec", help="Print the spec that the file was made from.")] = False,
    triton: Annotated[
        Path | None,
        Option(help="Write the files to this model repository of Triton Inference Server.", show_default=False),
    ] = None,
) -> None:
    """Show what a compiled file takes and gives, or how far a run is: mai info runs/titanic

    Of a file it also shows what it was made from, its claims and its checksum; of a run, its results.

    mai info flow.sample.onnx --spec                the text that the file was made from

    mai info --triton models runs/flow/*.onnx       a folder for each file, with the config.pbtxt that Triton reads
    """
    if triton is not None:
        if json or spec:
            raise Misuse("--triton writes files, --json and --spec say what is in one: name one of them")
        _write_repository(triton, models)
        return
    if (json or spec) and len(models) > 1:
        raise Misuse("--json and --spec are of one file")
    for model in models:
        _say(model, json, spec)


def _write_repository(folder: Path, paths: list[Path]) -> None:
    from mai.runtime.model.loader import load
    from mai.runtime.triton import write_repository

    loaded = [load(path, providers="cpu") for path in paths]
    whole = [model for model in loaded if model.manifest.is_whole]
    if not whole:
        raise Misuse("Triton has no use for files of one turn of a text: name the whole ones")
    written, notes = write_repository(folder, whole)
    for note in notes:
        say(f"note: {note}", err=True)
    say(f"wrote {folder}: {', '.join(written)}", err=True)


def _say(model: Path, json: bool, spec: bool) -> None:
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
