"""A config that has another model's config inside: the text part of a model that also reads images, the backbone of a head."""

from __future__ import annotations

from collections.abc import Mapping

from mai.compiler.importing.config import changes_nothing, refused
from mai.compiler.importing.folder import CONFIG
from mai.spec.family_records import Record

TIED = "tie_word_embeddings"  # Whether texts begin and end with one matrix is a matter of the whole model.


def joined_config(record: Record, config: Mapping[str, object]) -> Mapping[str, object]:
    """The config with the fields of the one inside beside its own; a record's `inner` says where that is, and of which kinds it may be.

    Raises:
        MaiError: `config-unknown` where the one inside is of another kind, or the two say different things.
    """
    for field, kinds in record.get("inner", {}).items():
        inside = config.get(field)
        if isinstance(inside, dict):
            config = _joined(record, config, field, inside, [kinds] if isinstance(kinds, str) else kinds)
        elif "hidden_size" not in config:  # Earlier versions wrote the fields of both side by side.
            raise refused("config-unknown", f"{CONFIG}: there is no `{field}` in it")
    return config


def _joined(
    record: Record, config: Mapping[str, object], field: str, inside: Mapping[str, object], kinds: list[str]
) -> Mapping[str, object]:
    kind = inside.get("model_type", kinds[0])
    if kind not in kinds:
        message = f"{CONFIG}: `{field}.model_type` is {str(kind)[:60]!r}"
        raise refused("config-unknown", message, f"known here: {', '.join(kinds)}")
    own = {n: v for n, v in config.items() if n != field}
    for name, value in inside.items():
        if own.get(name, value) != value and name != TIED and not changes_nothing(record, name):
            raise refused("config-unknown", f"{CONFIG}: `{field}.{name}` and `{name}` say different things")
    return {**inside, **own}
