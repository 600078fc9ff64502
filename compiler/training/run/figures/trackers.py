"""Programs that show figures of runs beside each other, by accelerate's trackers: TensorBoard, Weights & Biases, MLflow."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mai.compiler.training.run.folder import TENSORBOARD
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.settings import Settings

if TYPE_CHECKING:
    from accelerate.tracking import GeneralTracker

PACKAGES = {"tensorboard": "tensorboard", "wandb": "wandb", "mlflow": "mlflow"}
"""The package of each tracker."""


def check_trackers(names: Sequence[str]) -> None:
    """Raise `MaiError` for a tracker that is not there."""
    for name in names:
        if find_spec(PACKAGES[name]) is None:
            message = f"--track {name}: {PACKAGES[name]} is not installed"
            raise MaiError([Diagnostic("data-missing", None, message, help=f"pip install {PACKAGES[name]}")])


class Trackers:
    """Those that a run tells its figures; nobody, where none is named.

    TensorBoard's events lie in the run's folder. Weights & Biases and MLflow have the spec as the project, and the folder as the run; where
    they keep it, and whether they send it anywhere, is theirs to say: `WANDB_MODE=offline`, `MLFLOW_TRACKING_URI`. They have the settings
    of the train block, too, and in their place what was `asked` for.
    """

    def __init__(
        self, names: Sequence[str], project: str, folder: Path, settings: Settings, asked: Mapping[str, object]
    ) -> None:
        self._trackers = [_open(name, project, folder) for name in dict.fromkeys(names)]
        values = {**settings.as_dict(), **asked}
        for tracker in self._trackers:
            tracker.store_init_configuration({name: _plain(value) for name, value in values.items()})

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Tell the figures of a step."""
        for tracker in self._trackers:
            tracker.log(dict(values), step=step)

    def close(self) -> None:
        """Say that there are no more."""
        for tracker in self._trackers:
            tracker.finish()


def _open(name: str, project: str, folder: Path) -> GeneralTracker:
    from accelerate.tracking import MLflowTracker, TensorBoardTracker, WandBTracker

    tracker: Any
    if name == "tensorboard":
        tracker = TensorBoardTracker(TENSORBOARD, str(folder))
    elif name == "wandb":  # The same run again, where a training goes on.
        own = hashlib.sha256(str(folder.absolute()).encode()).hexdigest()[:12]
        tracker = WandBTracker(project, name=folder.name, dir=str(folder), id=own, resume="allow")
    else:
        tracker = MLflowTracker(experiment_name=project, run_name=folder.name)
    tracker.start()
    return tracker


def _plain(value: object) -> bool | int | float | str:
    return value if isinstance(value, (bool, int, float, str)) else str(value)
