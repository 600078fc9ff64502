"""A file of settings, as `config.json`, read by a record: what each field means, and which ones change nothing.

A record has tables: `names` gives a field another name, `each` has fields that some layers have by their numbers, `fields` has those that decide the spec with the reference's defaults, `words` those
whose words mean something in the language, `only` those of which some values alone are known, `without` the defaults that are one kind's own, and `nothing` has patterns of those that
change no result. What is in none of them is an error. `null` is no value; with `null_is_default` it is the default.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TypeAlias

from mai.runtime.files import read_text, reason
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.family_records import Record

MAX_BYTES = 20_000_000
MAX_WHOLE = 2**40
NUMBER = re.compile(r"\.(\d{1,6})\.")  # Of a layer, in the path of a field.
WHOLE = ("tie_word_embeddings", "eos_token_id")  # What is a matter of the whole model, not of a net inside it.

Settings: TypeAlias = dict[
    str, object
]  # By the names of a record: numbers, switches, lists of numbers, words of the language, functions for templates.


def read_json(path: Path) -> dict[str, object]:
    """The object in a file. Raises `MaiError`, `import-folder`, where there is none."""
    try:
        content = json.loads(read_text(path, MAX_BYTES), object_hook=_without_words)
    except (OSError, ValueError, RecursionError) as error:
        raise refused("import-folder", f"{path} cannot be read: {reason(error)}") from error
    if not isinstance(content, dict):
        raise refused("import-folder", f"{path} is no table of settings")
    return content


def said_in(path: Path) -> Mapping[str, object]:
    """What a file says; nothing where it is not there. Raises `MaiError` as `read_json`."""
    return read_json(path) if path.is_file() else {}


def _without_words(table: dict[str, object]) -> object:
    """A table of a file; transformers writes numbers that JSON has not as `{"__float__": "Infinity"}`."""
    word = table.get("__float__")
    return float(word) if len(table) == 1 and word in ("Infinity", "-Infinity", "NaN") else table


def refused(slug: str, message: str, help: str | None = None) -> MaiError:
    """An error about a folder, which has no place in a spec."""
    return MaiError([Diagnostic(slug, None, message, help=help)])


def joined_config(record: Record, config: Mapping[str, object], file: str) -> Mapping[str, object]:
    """The config with the fields of the one inside beside its own; a record's `inner` says where that is, and of which kinds it may be.

    So have models that also read images the net of their texts inside, and heads their backbone.

    Args:
        file: its name, for messages.

    Raises:
        MaiError: `config-unknown` where the one inside is of another kind, or the two say different things.
    """
    for field, kinds in record.get("inner", {}).items():
        inside = config.get(field)
        if isinstance(inside, dict):
            config = _joined(record, config, (file, field), inside, [kinds] if isinstance(kinds, str) else kinds)
        elif config.get("hidden_size") is None:  # Earlier versions wrote the fields of both side by side.
            raise refused("config-unknown", f"{file}: there is no `{field}` in it")
    return config


def _joined(
    record: Record, config: Mapping[str, object], place: tuple[str, str], inside: Mapping[str, object], kinds: list[str]
) -> Mapping[str, object]:
    (file, field), own = place, {n: v for n, v in config.items() if n != place[1]}
    kind = inside.get("model_type", kinds[0])
    if kind not in kinds:
        message = f"{file}: `{field}.model_type` is {str(kind)[:60]!r}"
        raise refused("config-unknown", message, f"known here: {', '.join(kinds)}")
    for name, value in inside.items():
        if own.get(name, value) != value and name not in WHOLE and not _changes_nothing(record, name):
            raise refused("config-unknown", f"{file}: `{field}.{name}` and `{name}` say different things")
    return {**inside, **own}


def read_settings(record: Record, content: Mapping[str, object], file: str, ignored: Sequence[str] = ()) -> Settings:
    """The settings of a file by the record's names; those that it lacks are as the record says.

    Args:
        file: its name, for messages.
        ignored: fields that the user says change nothing.

    Raises:
        MaiError: `config-unknown`, one for each field that is not known, or has a value that is not.
    """
    names = record.get("names", {})
    defaults = {name: values[0] for name, values in record.get("only", {}).items()}
    defaults |= {name: next(iter(words)) for name, words in record.get("words", {}).items()}
    settings: Settings = {**defaults, **record.get("fields", {}), **_without(record, content)}
    said: dict[str, object] = {}
    mistakes: list[Diagnostic] = []
    for written, value in _leaves(content):
        if _take_each(record, written, value, settings):
            continue
        name = names.get(written, written)
        meanings = record.get("words", {}).get(name, {})
        is_left_out = value is None and (meanings or record.get("null_is_default"))
        if written in ignored or _changes_nothing(record, name) or is_left_out:
            continue
        complaint = _complaint(record, name, value)
        if complaint is None and said.setdefault(name, meaning := _meaning(meanings, value)) != meaning:
            complaint = f"is {json.dumps(value)[:60]}, which another field says otherwise"
        if complaint is None:
            settings[name] = _none_of(settings.get(name)) if value is None else value
        else:
            without = record.get("ignorable", "if it changes no result" if name not in settings else None)
            help = f"`--ignore {written}`{':' * ('ignorable' in record)} {without}" if without else None
            mistakes.append(Diagnostic("config-unknown", None, f"{file}: `{written}` {complaint}", help=help))
    if mistakes:
        raise MaiError(mistakes)
    words = record.get("words", {})
    return settings | {name: _meaning(words[name], settings[name]) for name in words}


def _without(record: Record, content: Mapping[str, object]) -> Mapping[str, object]:
    """Defaults that are one kind's own, by the field that says the kind: schedulers begin with other ones."""
    return {
        name: value
        for field, kinds in record.get("without", {}).items()
        for name, value in kinds.get(str(content.get(field)), {}).items()
    }


def _take_each(record: Record, written: str, value: object, settings: Settings) -> bool:
    """Whether a field is one that a layer has by its number, `per_layer_config.05.head_dim`; it is then in a table of numbers."""
    general, number = NUMBER.sub(".{i}.", written), NUMBER.search(written)
    name = record.get("each", {}).get(general)
    if name is None or number is None or not _is_number(value):
        return False
    settings[name] = {**_table(settings.get(name)), int(number[1]): value}
    return True


def _table(value: object) -> dict[object, object]:
    return value if isinstance(value, dict) else {}


def _none_of(default: object) -> object:
    """What `null` is: an empty list where lists are asked for, else `False`."""
    return [] if isinstance(default, list) else False


def _meaning(words: Mapping[str, object], value: object) -> object:
    """What a word means; of anything else itself."""
    return words.get(value, value) if isinstance(value, str) else value


def _leaves(content: Mapping[str, object], before: str = "") -> Iterator[tuple[str, object]]:
    """The fields with those of tables inside by their paths, `rope_scaling.factor`."""
    for name, value in content.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield before + name, value


def _changes_nothing(record: Record, name: str) -> bool:
    """Whether a field is one of those, or one of a config inside, `text_config.use_cache`, or of a record's `nets`; what a table has changes something."""
    if any(name in record.get(table, {}) for table in ("fields", "words", "only")):
        return False
    head, _, rest = name.partition(".")
    names = (name, rest) if head.endswith("_config") or head in record.get("nets", ()) else (name,)
    return any(fnmatchcase(n, pattern) for n in names for pattern in record.get("nothing", ()))


def _complaint(record: Record, name: str, value: object) -> str | None:
    """Why a value is refused; None where it is known."""
    shown = json.dumps(value)[:60]
    counts_too = type(record.get("fields", {}).get(name)) is int and not isinstance(value, str)
    if name in record.get("words", {}) and not counts_too:
        words = record["words"][name]
        return None if isinstance(value, str) and value in words else f"is {shown}; known here: {', '.join(words)}"
    values = record.get("only", {}).get(name)
    if values is not None:
        if value is None and name in record.get("fields", {}):
            return None
        each = value if isinstance(value, list) else [False if value is None else value]
        is_supported = all(any(v == k and type(v) is type(k) for k in values) for v in each)
        return None if is_supported else f"is {shown}; known here: {', '.join(json.dumps(v) for v in values)}"
    if name not in record.get("fields", {}):
        return f"is {shown}, and nothing is known of it for {record['title']}"
    return None if _fits(record["fields"][name], value) else f"is {shown}, which is no such value"


def _fits(default: object, value: object) -> bool:
    """Whether a value is of the kind of the default; `false` is a switch, or stands for none of anything, and "" for any text."""
    if default is False or default is True:
        return value is None or _is_number(value) or (isinstance(value, list) and all(map(_is_number, value)))
    if isinstance(default, str):
        return value == default or (isinstance(value, str) if default == "" else _is_number(value))
    if isinstance(default, list):
        if value is None:
            return True
        rows = value if default and isinstance(default[0], list) and isinstance(value, list) else [value]
        return all(isinstance(row, list) and all(map(_is_number, row)) for row in rows)
    if isinstance(default, int):
        return value is None or (isinstance(value, int) and not isinstance(value, bool) and _is_number(value))
    return value is None or (_is_number(value) and not isinstance(value, bool))


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value) and abs(value) < MAX_WHOLE
