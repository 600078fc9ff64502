"""The verb `import`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from mai.compiler.commands.shared import with_diagnostics, write_text
from mai.runtime.command_line.markers import Argument, Misuse, Option
from mai.runtime.show.terminal import echo, visible_line

if TYPE_CHECKING:
    from mai.compiler.importing.importing import Imported


@with_diagnostics
def import_(
    folder: Annotated[
        Path, Argument(help="A model's folder: config.json, model.safetensors; or a .gguf file.", show_default=False)
    ],
    out: Annotated[Path | None, Option(help="The spec to write.", show_default="NAME.mai in the folder")] = None,
    data: Annotated[
        Path | None,
        Option(help="Data to train on: conversations, prompts with answers, texts; or texts or images with labels."),
    ] = None,
    ignore: Annotated[
        list[str] | None, Option(help="A field of config.json that changes no result, where mai does not know it.")
    ] = None,
    force: Annotated[bool, Option("--force", help="Overwrite a spec that exists.")] = False,
) -> None:
    """Write the spec of a model's folder, as `save_pretrained` leaves it: mai import my-llama, then mai compile my-llama/my-llama.mai

    With --data the spec also trains, from the folder's weights on: mai import my-llama --data chat.jsonl, then mai train my-llama/my-llama.mai
    The loss is of answers alone. The data are a table with a column of conversations, `messages`, or with columns as `prompt` and `completion`,
    or texts. Of a classifier they are texts with labels, or a folder with a folder of images for each label; other labels than the model's
    get a new head, and so does an encoder that classifies nothing yet. `mai data FILE` shows what is in them.
    """
    from mai.compiler.importing.adapter import spec_path
    from mai.compiler.importing.importing import import_folder

    spec = out or spec_path(folder)
    if spec.exists() and not force:
        raise Misuse(f"{spec} is there already; --force writes over it")
    imported = import_folder(folder, spec, ignore or ())
    if data is not None and imported.may_classify:
        imported = import_folder(folder, spec, ignore or (), imported.nets)
    text, said = (imported.text, "") if data is None else _tuned(imported, spec, data)
    write_text(spec, text)
    lines = len(text.splitlines())
    echo(f"wrote {spec}, {lines} lines: {imported.title}; {imported.numbers:,} numbers; {', '.join(imported.exports)}")
    unread = [name for name in imported.unread if not (said and name == imported.preprocessor[1].name)]
    if unread:
        echo(f"not read: {', '.join(map(visible_line, unread))}", err=True)
    for note in imported.notes:
        echo(f"note: {visible_line(note)}", err=True)
    if imported.is_endless:
        longest = f"its texts were of {imported.context:,} tokens at most (`max_position_embeddings`)"
        echo(
            f"note: {longest}: nothing stops longer ones here, as in transformers, but it was not trained for them",
            err=True,
        )
    weights = f" --weights {folder}" if imported.is_linked else ""
    if said:
        echo(f"trains on {visible_line(said)}")
    echo(f"next: mai {'train' if data else 'compile'} {spec}{weights}")
    if data is None and imported.asked is not None:
        file = f"{spec.stem}.generate.onnx"
        echo(f"then: mai chat {file}" if imported.has_chat else f'then: mai run {file} {imported.asked}="..."')


def _tuned(imported: Imported, spec: Path, data: Path) -> tuple[str, str]:
    """The text of a spec that trains on data, and what is said of it."""
    from mai.compiler.drafting.finetuning import finetuned

    tuned = finetuned(imported.text, spec, data, imported.end, imported.context, imported.labels, imported.preprocessor)
    return tuned.text, tuned.said
