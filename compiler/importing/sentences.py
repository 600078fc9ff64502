"""Folders of sentence-transformers: what `modules.json` puts after the model, so that a text becomes one vector."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mai.compiler.importing.config import Settings, read_json, read_settings, refused
from mai.compiler.weights.modules import DENSE, MODULES, Module, read_modules
from mai.runtime.files import reason
from mai.spec.family_records import family_records

LIMITS, TEXTS = "sentence_bert_config.json", "config_sentence_transformers.json"
# Of the ways that are chosen by a switch each, in the order in which their vectors stand one after the other.
WAYS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
PARTS = re.compile(r"Transformer Pooling( Dense)*( Normalize)?")
KNOWN = "known: Transformer, Pooling; behind them Dense, any number of times, and Normalize"


def read_sentences(path: Path, ignored: Sequence[str] = ()) -> Settings | None:
    """How a text becomes one vector: `pooling`, `dense`, `normalised`; None where the folder has no modules.

    Args:
        ignored: fields of its files that change no result.

    Raises:
        MaiError: `config-unknown` for modules that are not known, and for texts that are changed before they are read.
    """
    if not (path / MODULES).is_file():
        return None
    try:
        modules = read_modules(path)
    except ValueError as error:
        raise refused("import-folder", f"{path / MODULES} cannot be read: {reason(error)}") from error
    kinds = [module.kind for module in modules]
    if not PARTS.fullmatch(" ".join(kinds)):
        raise refused("config-unknown", f"{MODULES}: the modules are {', '.join(kinds)}", KNOWN)
    pooling = _settings_of("pooling", path, modules[1])
    for name in (LIMITS, TEXTS):
        if (path / name).is_file():
            read_settings(family_records()["sentences"], read_json(path / name), name, ignored)
    dense = [_dense(path, place, module) for place, module in enumerate(modules) if module.kind == DENSE]
    return {"pooling": _ways(pooling), "dense": dense, "normalised": kinds[-1] == "Normalize"}


def _settings_of(record: str, path: Path, module: Module) -> Settings:
    config = path / module.folder / "config.json"
    if not config.resolve().is_relative_to(path.resolve()):
        raise refused("import-folder", f"{MODULES} leads out of {path}")
    return read_settings(family_records()[record], read_json(config), f"{module.folder}/config.json")


def _dense(path: Path, place: int, module: Module) -> Settings:
    """A matrix behind the pooling: its number, width, and what its results go through."""
    said = _settings_of("dense", path, module)
    if said["use_residual"] and said["in_features"] != said["out_features"]:
        message = f"{module.folder}/config.json: `use_residual` is true, and the widths are not equal"
        raise refused("config-unknown", message)
    return {"number": place, "out": said["out_features"], "activation": said["activation_function"], **said}


def _ways(pooling: Settings) -> list[str]:
    """The ways of pooling that are meant: the vector has what each of them makes, one after the other."""
    said = pooling["pooling_mode"]
    named = [str(w) for w in (said if isinstance(said, list) else [said]) if w]
    switched = [way for field, way in WAYS.items() if pooling[field]]
    if (not named and not switched) or (named and switched and named != switched):
        both = f"{', '.join(named) or 'none'} by its name and {', '.join(switched) or 'none'} by switches"
        raise refused("config-unknown", f"the pooling is {both}")
    return named or switched


def longest(path: Path) -> Iterator[str]:
    """That sentence-transformers cuts texts, which mai does not, where its file says so."""
    limit = read_json(path / LIMITS).get("max_seq_length") if (path / LIMITS).is_file() else None
    if isinstance(limit, int) and not isinstance(limit, bool):
        yield f"sentence-transformers cuts texts after {limit} tokens; here none is cut"
