"""The folder of a trial: a small model with unusual fields and files, written, changed, and read again by its own library."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks.imports import changes
from mai.spec.family_records import family_records
from tests.support.models.model_folders import Model
from tests.support.models.zoo import shaken

Maker = Callable[[Path, random.Random, list[str]], Any]
Fields = dict[str, Any]


class Invalid(Exception):
    """The reference takes no such folder."""


def of_transformers(case: Model, beside: Callable[[Path, Any], None] | None = None) -> Maker:
    """A model of one of the classes of its family; `beside` writes what else its folder needs, by the config."""

    def make(folder: Path, rng: random.Random, changed: list[str]) -> Any:
        import transformers

        kind, maker = getattr(transformers, other_class(case, rng)), getattr(transformers, case.config)
        settings = _settings(case, kind.__name__, rng, changed)
        torch.manual_seed(0)
        model = shaken(kind(maker(**{"initializer_range": 0.3, **settings})))
        model.save_pretrained(folder)
        _change_files(folder, rng, changed)
        more = {"attn_implementation": "eager", "dtype": torch.float32}
        loaded, report = kind.from_pretrained(folder, output_loading_info=True, **more)
        if report["missing_keys"] or report["mismatched_keys"]:
            raise Invalid(f"tensors that are not there: {report['missing_keys']}")
        if beside is not None:
            beside(folder, loaded.config)
        return loaded.eval()

    return make


def other_class(case: Model, rng: random.Random) -> str:
    """One of the classes of its family, of those that transformers has."""
    import transformers

    record = next(r for r in family_records().values() if case.model in r.get("architectures", {}))
    classes = [name for name in record["architectures"] if hasattr(transformers, name)]
    stem = case.config.removesuffix("Config").removesuffix("Text")
    others = [n for n in dir(transformers) if n.startswith(f"{stem}For")]
    return rng.choice(classes if rng.random() < 0.85 else others or classes)


def _settings(case: Model, kind: str, rng: random.Random, changed: list[str]) -> Fields:
    values = other_values(field_values(case), rng)
    if "Classification" in kind:
        values["num_labels"] = rng.choice([1, 2, 5])
        several = ["single_label_classification"] * (values["num_labels"] > 1)
        values["problem_type"] = rng.choice([None, "regression", "multi_label_classification", *several])
    changed.append(f"{kind} {values}")
    return with_values(case.settings, values)


def field_values(case: Model) -> Fields:
    """The fields of a small model's config that may decide what it computes, with their values; those inside by their paths."""
    import transformers

    maker = getattr(transformers, case.config)
    default = maker(**case.settings)
    stated = dict(leaves(default.to_dict()))
    fields = changes.fields_of(stated, getattr(maker, "__annotations__", {}))
    return {n: stated.get(n, case.settings.get(n, _default(default, n))) for n in fields}


def _default(config: Any, name: str) -> Any:
    """A field's default; None where layers have values of their own, which the library does not tell."""
    try:
        return getattr(config, name, None)
    except RuntimeError:
        return None


def other_values(fields: Mapping[str, Any], rng: random.Random) -> Fields:
    """Other values of up to three fields."""
    chosen = rng.sample(list(fields), min(len(fields), rng.choice([0, 1, 1, 2, 3])))
    return {name: changes.other_value(name, fields[name], rng) for name in chosen}


def leaves(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of a config; those of configs inside by their paths, `text_config.hidden_act`."""
    for name, value in table.items():
        if isinstance(value, Mapping) and name.endswith("_config"):
            yield from leaves(value, f"{before}{name}.")
        else:
            yield before + name, value


def with_values(settings: Mapping[str, Any], values: Mapping[str, Any]) -> Fields:
    """Settings with other values of fields that are named by their paths."""
    result = {n: dict(v) if isinstance(v, Mapping) else v for n, v in settings.items()}
    for path, value in values.items():
        inner, _, name = path.rpartition(".")
        (result.setdefault(inner, {}) if inner else result)[name] = value
    return result


def _change_files(folder: Path, rng: random.Random, changed: list[str]) -> None:
    for change in rng.sample(changes.FILES, rng.choice([0, 1, 1, 2])):
        if (folder / "model.safetensors").is_file():
            changed.append(change(folder, rng))
