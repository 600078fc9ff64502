"""Folders that Hugging Face's `datasets` has written: one part of a data set, or several, each in a folder of its own.

`Dataset.save_to_disk` writes Arrow streams, and `state.json`, which lists them: other `.arrow` files beside them are what `map` and `filter`
have kept. `DatasetDict.save_to_disk` writes `dataset_dict.json`, which lists folders. A cache has `dataset_info.json` and a file for each split.
"""

from __future__ import annotations

import json
from pathlib import Path

from mai.compiler.data.fields import bad
from mai.runtime.files import UNREADABLE
from mai.runtime.inputs.cells import few_of

STATE, INFO, PARTS = "state.json", "dataset_info.json", "dataset_dict.json"
ARROW = ".arrow"
AGAIN = "copy the folder again, or write it anew by `save_to_disk`"


def saved_files(folder: Path, written: str) -> list[Path] | None:
    """The files of a data set that was saved, in the order of its rows; None for any other folder.

    Args:
        written: the folder as a spec names it.

    Raises:
        MaiError: it holds several splits, of which none is named, or not all of its files are there.
    """
    if (folder / PARTS).is_file():
        names = _texts(_read(folder / PARTS), "splits", folder / PARTS)
        raise bad(
            f"{folder} holds the splits {few_of(names)}, each in a folder of its own",
            help=_named(written.rstrip("/"), names),
        )
    if (folder / STATE).is_file() and _was_saved(folder):
        return _listed(folder)
    if (folder / INFO).is_file():
        return _of_cache(folder, written.rstrip("/"))
    return None


def _was_saved(folder: Path) -> bool:
    """Whether what else is in a folder with `state.json` is of `datasets`: other files may have this name, too."""
    return (folder / INFO).is_file() or any(file.suffix == ARROW for file in folder.iterdir())


def _listed(folder: Path) -> list[Path] | None:
    """The files that a saved data set says that it has."""
    path = folder / STATE
    state = _read(path)
    if "_data_files" not in state:
        return None
    if state.get("_indices_data_files") or state.get("_indices_files"):
        help = "`dataset.flatten_indices().save_to_disk(...)` writes the rows themselves"
        raise bad(f"{folder} holds rows of which others say the order: an older `datasets` wrote it", help=help)
    entries = state["_data_files"]
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise bad(f"{path} does not list the files of the data set", help=AGAIN)
    names = [_plain_name(entry.get("filename"), path) for entry in entries]
    lacking = [name for name in names if not (folder / name).is_file()]
    if lacking:
        raise bad(f"{folder} lacks {len(lacking)} of its {len(names)} files: {few_of(lacking)}", help=AGAIN)
    if not names:
        raise bad(f"{folder} holds a data set without rows")
    return [folder / name for name in names]


def _of_cache(folder: Path, written: str) -> list[Path] | None:
    """The files of a cache, where it holds one split alone. Raises `MaiError` where it holds several."""
    splits = _read(folder / INFO).get("splits")
    names = [*splits] if isinstance(splits, dict) else []
    files = sorted(file for file in folder.iterdir() if file.suffix == ARROW and not file.name.startswith("cache-"))
    if len(names) > 1 and files:
        help = f'name the files of one of them, as in `"{written}/{files[0].name}"`'
        raise bad(f"{folder} holds the splits {few_of(names)} beside each other", help=help)
    return files or None


def _named(written: str, names: list[str]) -> str:
    """How a spec names the splits of a folder."""
    first, *others = sorted(names, key=lambda name: name != "train")
    settings = [f', {role} = "{written}/{role}"' for role in ("validation", "test") if role in others]
    return f'name one of them: `"{written}/{first}"{"".join(settings)}`'


def _read(path: Path) -> dict[str, object]:
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except UNREADABLE as error:
        raise bad(f"{path} cannot be read: {error}", help=AGAIN) from error
    if not isinstance(about, dict):
        raise bad(f"{path} is no JSON object", help=AGAIN)
    return about


def _texts(about: dict[str, object], key: str, path: Path) -> list[str]:
    texts = about.get(key)
    if not isinstance(texts, list) or not texts or not all(isinstance(each, str) for each in texts):
        raise bad(f"{path} has no list `{key}`", help=AGAIN)
    return texts


def _plain_name(name: object, path: Path) -> str:
    """The name of a file in the same folder. Raises `MaiError` for one elsewhere."""
    if not isinstance(name, str) or not name or Path(name).name != name:
        raise bad(f"{path} names a file `{name!s:.60}`, which is none of its folder", help=AGAIN)
    return name
