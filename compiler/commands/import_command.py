"""The verb `import`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mai.compiler.commands.shared import with_diagnostics, write_text
from mai.runtime.command_line.markers import Argument, Misuse, Option
from mai.runtime.show.terminal import echo, visible_line


@with_diagnostics
def import_(
    folder: Annotated[
        Path, Argument(help="A model's folder: config.json, model.safetensors; or a .gguf file.", show_default=False)
    ],
    out: Annotated[Path | None, Option(help="The spec to write.", show_default="NAME.mai in the folder")] = None,
    ignore: Annotated[
        list[str] | None, Option(help="A field of config.json that changes no result, where mai does not know it.")
    ] = None,
    force: Annotated[bool, Option("--force", help="Overwrite a spec that exists.")] = False,
) -> None:
    """Write the spec of a model's folder, as `save_pretrained` leaves it: mai import my-llama, then mai compile my-llama/my-llama.mai"""
    from mai.compiler.importing.adapter import spec_path
    from mai.compiler.importing.importing import import_folder

    spec = out or spec_path(folder)
    if spec.exists() and not force:
        raise Misuse(f"{spec} is there already; --force writes over it")
    imported = import_folder(folder, spec, ignore or ())
    write_text(spec, imported.text)
    lines = len(imported.text.splitlines())
    echo(f"wrote {spec}, {lines} lines: {imported.title}; {imported.numbers:,} numbers; {', '.join(imported.exports)}")
    if imported.unread:
        echo(f"not read: {', '.join(map(visible_line, imported.unread))}", err=True)
    for note in imported.notes:
        echo(f"note: {visible_line(note)}", err=True)
    weights = f" --weights {folder}" if imported.is_linked else ""
    echo(f"next: mai compile {spec}{weights}")
    if imported.has_chat:
        echo(f"then: mai chat {spec.stem}.generate.onnx")
