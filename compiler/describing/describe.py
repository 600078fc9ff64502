"""What a path holds, by what is there: a table, a folder of images, a text, arrays; or, where nothing is there, a source of this name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from mai.compiler.data.fields import bad
from mai.compiler.data.files.paths import find_files
from mai.compiler.data.sources.images import SUFFIXES as IMAGES
from mai.compiler.data.tables.dialect import Stated, holds_columns
from mai.compiler.data.tables.kinds import is_table, kind_of
from mai.compiler.describing.arrays import summarise_arrays
from mai.compiler.describing.drawn import source_called, summarise_source
from mai.compiler.describing.images import summarise_images
from mai.compiler.describing.lines import Summary
from mai.compiler.describing.tables import AS_FOUND, summarise_tables
from mai.compiler.describing.texts import summarise_texts
from mai.runtime.inputs.cells import few_of

ARRAYS = (".npz", ".npy")


def describe(paths: Sequence[Path], stated: Stated = AS_FOUND, as_table: bool | None = None) -> Summary:
    """What is in files, or in a folder.

    Args:
        stated: what a spec says of how tables are written.
        as_table: whether a spec reads texts as tables, whatever they are called; None where none says.

    Raises:
        MaiError: mai reads it in no way.
    """
    folder = paths[0]
    source = source_called(str(folder)) if len(paths) == 1 and not folder.exists() else None
    if source is not None:
        return summarise_source(source)
    if len(paths) == 1 and folder.is_dir() and _has_images(folder):
        return summarise_images(folder)
    _refuse_deep(folder)
    files = find_files(Path(), [*paths], _is_data)
    first = files[0]
    if is_table(first) or as_table:
        return summarise_tables(files, stated)
    if first.suffix.lower() in ARRAYS:
        return summarise_arrays(files)
    if first.suffix.lower() in IMAGES:
        raise bad(f"{first} is one image", help=f"name its folder: mai data {first.parent}")
    if first.suffix == ".onnx":
        raise bad(f"{first} is a compiled file", help=f"mai info {first}")
    if first.suffix.lower() == ".json" or kind_of(first) != "csv" or (as_table is None and holds_columns(first)):
        return summarise_tables(files, stated)
    return summarise_texts(files)


def _is_data(path: Path) -> bool:
    is_text: Callable[[str], bool] = (".txt", ".md").__contains__
    return path.is_file() and (is_table(path) or path.suffix in ARRAYS or is_text(path.suffix))


def _refuse_deep(folder: Path) -> None:
    """Raise `MaiError` for a folder of folders that have images in folders, as `train/cat/1.png`, where there is nothing else."""
    inside = sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []
    deep = [each for each in inside if _has_images(each)]
    if deep and not any(map(_is_data, folder.iterdir())):
        kept = [each for each in deep if each.name.lower() in ("test", "val", "valid", "validation")]
        first = next((each for each in deep if each not in kept), deep[0])
        parts = "".join(f', {"test" if each.name.lower() == "test" else "validation"} = "{each}"' for each in kept)
        help = f'`mai data {first}`; in a spec `images("{first}"{parts})`'
        raise bad(f"{folder} has its images two folders deep, in {few_of([each.name for each in deep])}", help=help)


def _has_images(folder: Path) -> bool:
    """Whether images are in a folder, or in a folder in it."""
    inside = [folder, *(each for each in folder.iterdir() if each.is_dir())]
    return any(file.suffix.lower() in IMAGES for place in inside for file in place.iterdir())
