"""The tokens that end a text, as a folder's files say them."""

from __future__ import annotations

from collections.abc import Iterator

from mai.compiler.importing.config import Settings, refused
from mai.compiler.importing.folder import CONFIG, GENERATION

FIELD = "eos_token_id"


def ends_of(texts: Settings, model: Settings) -> list[int]:
    """The tokens that end a text: what `generation_config.json` says counts, token 0 included, then what `config.json` says.

    Raises:
        MaiError: `config-unknown` for what is no number of a token.
    """
    file, stated = (GENERATION, texts[FIELD]) if texts[FIELD] is not False else (CONFIG, model.get(FIELD, False))
    if stated is False:
        return []
    ends = stated if isinstance(stated, list) else [stated]
    for end in ends:
        if not isinstance(end, int) or isinstance(end, bool):
            raise refused("config-unknown", f"{file}: `{FIELD}` is {str(end).lower()}, which is no number of a token")
    return list(dict.fromkeys(ends))


def unreachable_ends(settings: Settings) -> Iterator[str]:
    """That texts never end at some tokens, which the model has not, where it makes texts; these are taken out of the `ends` of the settings."""
    ends, size = settings["ends"], settings.get("vocab_size")
    if not isinstance(ends, list) or not isinstance(size, int):
        return
    settings["ends"] = [end for end in ends if 0 <= end < size]
    for end in ends:
        if settings["head"] == "generate" and not 0 <= end < size:
            yield f"no text ends at token {end} (`{FIELD}`): the model has the tokens 0 to {size - 1}"
