"""Folders of sentence-transformers: what `modules.json` puts after the model, so that a text becomes one vector."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mai.compiler.importing.config import Settings, read_json, read_settings, refused, said_in
from mai.compiler.importing.folder import TOKENIZER_CONFIG, ModelFolder
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
SCORES = ["Transformer"]  # The modules of a model that scores pairs of texts.
HELP = "known: Transformer, Pooling; behind them Dense, any number of times, and Normalize; Transformer alone of a model that scores texts"
IDENTITY = "torch.nn.modules.linear.Identity"
SIGMOID = "torch.nn.modules.activation.Sigmoid"
UNLIMITED = 2**40  # What transformers writes for no limit is larger.


def read_sentences(path: Path, head: str, ignored: Sequence[str] = ()) -> Settings | None:
    """How a text becomes one vector: `pooling`, `dense`, `normalised`; None where the folder has no modules, or scores texts.

    Args:
        head: what the model is for.
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
    has_scores = kinds == SCORES and head == "classify"
    if not has_scores and not PARTS.fullmatch(" ".join(kinds)):
        raise refused("config-unknown", f"{MODULES}: the modules are {', '.join(kinds)}", HELP)
    record = family_records()["cross_encoder" if has_scores else "sentences"]
    for name in (LIMITS, TEXTS):
        read_settings(record, said_in(path / name), name, ignored)
    if has_scores:
        return None
    pooling = _settings_of("pooling", path, modules[1])
    is_normalised = kinds[-1] == "Normalize"
    if is_normalised and (path / modules[-1].folder / "config.json").is_file():
        _settings_of("normalize", path, modules[-1])
    dense = [_dense(path, place, module) for place, module in enumerate(modules) if module.kind == DENSE]
    return {"pooling": _ways(pooling), "dense": dense, "normalised": is_normalised}


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


def notes_on_sentences(folder: ModelFolder, settings: Settings) -> Iterator[str]:
    """What sentence-transformers does to a text and to its scores, which the model alone does not."""
    path = folder.vectors or folder.path
    texts = said_in(path / TEXTS)
    limit = said_in(path / LIMITS).get("max_seq_length")
    if limit is None and (path / MODULES).is_file():
        limit = said_in(folder.texts / TOKENIZER_CONFIG).get("model_max_length")
    if isinstance(limit, int) and not isinstance(limit, bool) and limit < UNLIMITED:
        yield f"sentence-transformers cuts texts after {limit} tokens; here none is cut"
    prompts = texts.get("prompts")
    asked = [name for name, prompt in prompts.items() if prompt] if isinstance(prompts, Mapping) else []
    if asked:
        yield f"sentence-transformers puts a prompt before a text where it is asked to ({', '.join(asked)}): here a text has it only where you write it"
    activation = _activation(texts, folder.config, settings["classes"]) if settings["head"] == "classify" else IDENTITY
    if activation != IDENTITY:
        yield f"sentence-transformers puts the scores through `{activation}`; here they are those before it, as in transformers"


def _activation(texts: Mapping[str, object], config: Mapping[str, object], classes: object) -> object:
    """What CrossEncoder puts its scores through, by the field of each of its versions; nothing where it did not write the folder."""
    said = config.get("sentence_transformers")
    inside = said if isinstance(said, Mapping) else {}
    fields = (
        texts.get("activation_fn"),
        inside.get("activation_fn"),
        config.get("sbert_ce_default_activation_function"),
    )
    chosen = next((field for field in fields if field), None)
    return chosen or (SIGMOID if classes == 1 and (inside or texts.get("model_type") == "CrossEncoder") else IDENTITY)
