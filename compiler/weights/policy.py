"""Files that LeRobot puts beside a policy: what of the examples its observations and actions are normalised by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from mai.runtime.files import read_text

BEFORE, AFTER = "policy_preprocessor.json", "policy_postprocessor.json"
MAX_BYTES = 20_000_000
EPS = 1e-8  # What the spec of a policy adds, too.
# Steps that change no number, and the two that normalise; `rename_observations_processor` changes none where it renames nothing.
STILL = ("rename_observations_processor", "to_batch_processor", "device_processor")
NORMALISING = ("normalizer_processor", "unnormalizer_processor")
MODES = {"MEAN_STD": ("mean", "std"), "MIN_MAX": ("min", "max"), "IDENTITY": ()}


def read_statistics(path: Path) -> dict[str, tuple[str, ...]]:
    """The files of statistics of a folder, each with the names of the tensors that are used of it.

    Raises:
        ValueError: a file cannot be read, or has a step that is not known.
    """
    try:
        before, after = _used(path / BEFORE), _used(path / AFTER)
    except (OSError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    return {
        **{file: tuple(n for n in names if not n.startswith("action.")) for file, names in before.items()},
        **{file: tuple(n for n in names if n.startswith("action.")) for file, names in after.items()},
    }


def _used(path: Path) -> dict[str, list[str]]:
    """The files that a list of steps names, each with the tensors of its features."""
    files = {}
    for step in json.loads(read_text(path, MAX_BYTES))["steps"]:
        name, config = step.get("registry_name"), step.get("config", {})
        if name in NORMALISING:
            files[str(step["state_file"])] = list(_tensors(config))
        elif name not in STILL or config.get("rename_map"):
            raise ValueError(f"{path.name} has the step `{name}`, which is not known here")
    return files


def _tensors(config: Mapping[str, Mapping[str, object]]) -> list[str]:
    if config.get("eps", EPS) != EPS or "normalize_observation_keys" in config:
        raise ValueError(f"`eps` is {config.get('eps')} and not {EPS}, or some observations alone are normalised")
    modes = config["norm_map"]
    kinds = {key: feature["type"] for key, feature in config["features"].items() if isinstance(feature, dict)}
    return [f"{key}.{part}" for key, kind in kinds.items() for part in MODES.get(str(modes.get(kind)), ())]
