"""Whether a config is read as its reference reads it: its spec is that of all fields that the reference makes of it."""

from __future__ import annotations

import difflib
import json
import random
from collections.abc import Iterator
from typing import Any

from benchmarks.imports.making import field_values, other_values
from mai.compiler.importing.config import joined_config, read_settings
from mai.compiler.importing.ends import ends_of
from mai.compiler.importing.render import UnknownModel, render
from mai.spec.diagnostics import MaiError
from mai.spec.family_records import Record, family_records
from tests.support.models.model_folders import Model

OLD = {
    "rope_theta": 50.0, "rope_scaling": {"type": "linear", "factor": 2.0}, "partial_rotary_factor": 0.5, "rotary_pct": 0.5,
    "sliding_window_pattern": 2, "rope_local_base_freq": 70.0, "rotary_emb_base": 40, "max_window_layers": 1, "use_sliding_window": True,
}  # fmt: skip
ENDS = ("eos_token_id", "decoder_start_token_id")  # Which are also the model's.
Config = dict[str, Any]


def misread_configs(case: Model, count: int) -> Iterator[str]:
    """The configs, of so many, whose spec is another one than that of the config that the reference writes for them, with what differs."""
    for number in range(count):
        changed = _changed(case, random.Random(f"{case.model} {number}"))
        written = _written(case, changed)
        ours = written and _spec({**changed, "architectures": [case.model], "model_type": written["model_type"]})
        whole = ours and _spec({**written, "architectures": [case.model]})
        if ours and whole != ours:
            lines = difflib.unified_diff(ours.split("\n"), (whole or "refused").split("\n"), lineterm="", n=0)
            yield "\n    ".join([str({**changed}), *list(lines)[2:12]])


def _changed(case: Model, rng: random.Random) -> Config:
    """A small config as an earlier version writes it: other values, fields of before, and no lists that follow from others."""
    values = {**case.settings, **other_values(field_values(case), rng)}
    old = {name: value for name, value in OLD.items() if name in str(field_values(case)) and rng.random() < 0.2}
    left_out = {n for n, v in values.items() if isinstance(v, list) and rng.random() < 0.5} | (
        {"rope_parameters"} if old else set()
    )
    return {name: value for name, value in {**values, **old}.items() if name not in left_out and "." not in name}


def _written(case: Model, config: Config) -> Config:
    """What the reference makes of a config; empty where it takes no such config. How texts grow it takes from what is stated alone."""
    import transformers

    try:
        whole = json.loads(json.dumps(getattr(transformers, case.config)(**config).to_dict()))
    except Exception:  # Whatever a library says of a config that it does not take.
        return {}
    records = family_records()
    grows = _fields(records["generation"]) | _fields(records["seq2seq_generation"])
    return {name: value for name, value in whole.items() if name in config or name not in grows or name in ENDS}


def _spec(config: Config) -> str:
    """The spec without its rules; empty where the config is refused."""
    records = family_records()
    record = next(r for r in records.values() if r.get("model_type") == config["model_type"])
    generation = records[record.get("generation", "generation")]
    try:
        said = joined_config(record, config, "config.json")
        grows = {n: v for n, v in said.items() if n in _fields(generation) - _fields(record)}
        texts = read_settings(generation, grows, "config.json")
        model = read_settings(record, {n: v for n, v in said.items() if n not in grows}, "config.json")
        purpose = {"head": record["architectures"][config["architectures"][0]], "classes": 2, "has": lambda name: False}
        return render(record, {**texts, **model, **purpose, "ends": ends_of(texts, model)})
    except (MaiError, UnknownModel):
        return ""


def _fields(record: Record) -> set[str]:
    return {name for table in ("fields", "only", "words") for name in record.get(table, {})}
