"""Folders of sentence-transformers: what `modules.json` puts after the model, so that a text becomes one vector."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from mai.compiler.importing.config import Settings, read_json, read_settings, refused
from mai.runtime.files import plain_file
from mai.spec.family_records import family_records

MODULES, LIMITS = "modules.json", "sentence_bert_config.json"
PARTS = (["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"])


def read_sentences(path: Path) -> Settings | None:
    """How a text becomes one vector, `pooling` and `normalised`; None where the folder has no modules.

    Raises:
        MaiError: `config-unknown` for modules that are not known.
    """
    if not (path / MODULES).is_file():
        return None
    try:
        modules = json.loads(plain_file(path / MODULES).read_text(encoding="utf-8"))
        kinds = [str(module["type"]).rpartition(".")[2] for module in modules]
        places = [str(module["path"]) for module in modules]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise refused("import-folder", f"{path / MODULES} cannot be read: {error}") from error
    if kinds not in PARTS:
        message = f"{MODULES}: the modules are {', '.join(kinds)}"
        raise refused("config-unknown", message, f"known: {'; '.join(', '.join(p) for p in PARTS)}")
    config = path / places[1] / "config.json"
    if not config.resolve().is_relative_to(path.resolve()):
        raise refused("import-folder", f"{MODULES} leads out of {path}")
    pooling = read_settings(family_records()["pooling"], read_json(config), f"{places[1]}/config.json")
    return {"pooling": _way(pooling), "normalised": kinds[-1] == "Normalize"}


def _way(pooling: Settings) -> str:
    """Which of the ways of pooling is meant."""
    old = {"mean": pooling["pooling_mode_mean_tokens"], "cls": pooling["pooling_mode_cls_token"]}
    ways = {way for way, chosen in old.items() if chosen} | {str(w) for w in [pooling["pooling_mode"]] if w}
    if len(ways) != 1:
        said = " and ".join(sorted(ways)) or "none"
        raise refused("config-unknown", f"the pooling is {said}", "known: the mean, or the first token's vector")
    return ways.pop()


def longest(path: Path) -> Iterator[str]:
    """That sentence-transformers cuts texts, which mai does not, where its file says so."""
    limit = read_json(path / LIMITS).get("max_seq_length") if (path / LIMITS).is_file() else None
    if isinstance(limit, int) and not isinstance(limit, bool):
        yield f"sentence-transformers cuts texts after {limit} tokens; here none is cut"
