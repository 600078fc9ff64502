"""What a run is asked for, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

SAVE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line may change of a spec's settings, and how a run behaves; `only` some of the train blocks run.

    `sets` are the consts that it changed already; with `debug_nan` every gradient is looked at.
    `workers` processes read examples beside the one that trains; with None, as many as pay.
    """

    steps: int | None = None
    batch: int | None = None
    seed: int | None = None
    device: str | None = None
    precision: str | None = None
    data: tuple[Path, ...] = ()
    resume: bool = False
    track: tuple[str, ...] = ()
    quiet: bool = False
    weights: Path | None = None
    save_seconds: float = SAVE_SECONDS
    only: tuple[str, ...] = ()
    shard: bool = False
    blocks: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    debug_nan: bool = False
    sets: Mapping[str, str] = field(default_factory=dict)
    workers: int | None = None
    compile: bool = False

    def of(self, block: str | None) -> Options:
        """The options for one train block: `blocks` has what is changed for some of them alone, by name."""
        return replace(self, **self.blocks.get(block or "", {}))  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a run, or of a named block: the steps done, the last figures, and whether it was stopped.

    `kept` is the step that the weights are of, `validation` what they do on the held-out examples. Of several processes, the
    `main` one has written the weights and knows the figures.
    """

    steps: int
    figures: dict[str, float]
    validation: dict[str, float]
    seconds: float
    weights: Path | None
    stopped: bool
    kept: int
    main: bool = True
    block: str | None = None
