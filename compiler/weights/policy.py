"""Files that LeRobot puts beside a policy: what of the examples its observations and actions are normalised by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel, ValidationError

from mai.runtime.files import read_text, reason

BEFORE, AFTER = "policy_preprocessor.json", "policy_postprocessor.json"
MAX_BYTES = 20_000_000
EPS = 1e-8  # What the spec of a policy adds, too.
# Steps that change no number, and the two that normalise; `rename_observations_processor` changes none where it renames nothing.
STILL = ("rename_observations_processor", "to_batch_processor", "device_processor")
NORMALISING = ("normalizer_processor", "unnormalizer_processor")
# What is kept of the examples, for each way of normalising.
MODES: dict[str, tuple[str, ...]] = {"MEAN_STD": ("mean", "std"), "MIN_MAX": ("min", "max"), "IDENTITY": ()}


class Feature(BaseModel):
    """What is observed, or done."""

    type: str


class Choices(BaseModel):
    """The settings of the steps that prepare a policy's inputs; each step has some of them."""

    eps: float = EPS
    features: dict[str, Feature] = {}
    norm_map: dict[str, str] = {}
    normalize_observation_keys: list[str] | None = None
    rename_map: dict[str, str] = {}


class Step(BaseModel):
    """One of the steps from what a robot observes to what its net reads, or back to what the robot does."""

    registry_name: str | None = None
    state_file: str = ""
    config: Choices = Choices()


class Steps(BaseModel):
    """What a file says."""

    steps: list[Step]


def read_statistics(folder: Path) -> dict[str, tuple[str, ...]]:
    """The files of statistics of a folder, each with the names of the tensors that are used of it.

    Raises:
        ValueError: a file cannot be read, or has a step that is not known.
    """
    before, after = dict(_used(folder / BEFORE)), dict(_used(folder / AFTER))
    return {
        **{file: tuple(n for n in names if not n.startswith("action.")) for file, names in before.items()},
        **{file: tuple(n for n in names if n.startswith("action.")) for file, names in after.items()},
    }


def _used(path: Path) -> Iterator[tuple[str, list[str]]]:
    """The files that a list of steps names, each with the tensors of its features."""
    for step in _steps(path):
        name = step.registry_name
        if name in NORMALISING:
            yield step.state_file, list(_tensors(path, step.config))
        elif name not in STILL or step.config.rename_map:
            raise ValueError(f"{path.name} has the step `{name}`, which is not known here")


def _steps(path: Path) -> list[Step]:
    try:
        return Steps.model_validate_json(read_text(path, MAX_BYTES)).steps
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{path.name}: `{'.'.join(map(str, first['loc']))}`: {first['msg']}") from error
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} cannot be read: {reason(error)}") from error


def _tensors(path: Path, config: Choices) -> Iterator[str]:
    if config.eps != EPS:
        raise ValueError(f"{path.name}: `eps` is {config.eps}; known here: {EPS}")
    if config.normalize_observation_keys is not None:
        raise ValueError(f"{path.name}: `normalize_observation_keys`: some observations alone are normalised")
    for key, feature in config.features.items():
        yield from (f"{key}.{part}" for part in MODES.get(config.norm_map.get(feature.type, ""), ()))
