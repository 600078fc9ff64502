"""Mutations in batches: each in a process of its own, so that a crash of the interpreter is a failure among others."""

from __future__ import annotations

import json
import multiprocessing
import resource
import tempfile
from dataclasses import asdict, dataclass, field
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

from benchmarks.fuzz.mutate import generator
from benchmarks.fuzz.subjects import SUBJECTS, Subject
from benchmarks.fuzz.trial import Trial, minimised

MEMORY = 8 << 30


@dataclass
class State:
    """What is done: the mutations, the sound ones among them, the slowest, and each kind of failure with its first number."""

    seed: int
    done: int = 0
    sound: int = 0
    seconds: float = 0.0
    worst: float = 0.0
    worst_number: int = 0
    failures: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, seed: int) -> State:
        """Go on from a file if it is of this seed."""
        if not path.exists():
            return cls(seed)
        state = cls(**json.loads(path.read_text(encoding="utf-8")))
        return state if state.seed == seed else cls(seed)

    def add(self, number: int, trial: Trial) -> bool:
        """Count a trial; whether its failure is of a new kind."""
        self.done, self.sound = number + 1, self.sound + trial.sound
        self.seconds += trial.seconds
        if trial.seconds > self.worst:
            self.worst, self.worst_number = trial.seconds, number
        if trial.failure is None or trial.failure in self.failures:
            return False
        self.failures[trial.failure] = number
        return True

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def batch(folder: Path, kind: str, seed: int, end: int, limit: float, at: Synchronized[int]) -> None:
    """Go on up to mutation `end`; `at` tells the parent where a crash was."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    state, subject = State.read(folder / "state.json", seed), SUBJECTS[kind]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / f"fuzz{subject.suffix}"
        for number in range(state.done, end):
            at.value = number
            raw = subject.make(generator(seed, number))
            trial = subject.trial(raw, path, limit)
            if state.add(number, trial):
                _keep(folder, subject, number, raw, path, str(trial.failure), limit)
    state.write(folder / "state.json")


def _keep(folder: Path, subject: Subject, number: int, raw: bytes, path: Path, failure: str, limit: float) -> None:
    """Save a failure at once as it is, then as small as it gets."""
    place = folder / "failures" / f"{number}{subject.suffix}"
    place.parent.mkdir(exist_ok=True)
    place.write_bytes(raw)
    place.with_suffix(".txt").write_text(f"{failure}\n", encoding="utf-8")
    place.write_bytes(minimised(raw, lambda tried: subject.trial(tried, path, limit).failure == failure))


def run(folder: Path, kind: str, state: State, end: int, limit: float) -> State:
    """One batch in a process of its own."""
    context = multiprocessing.get_context("spawn")
    at = context.Value("q", state.done)
    child = context.Process(target=batch, args=(folder, kind, state.seed, end, limit, at))
    child.start()
    child.join()
    place = folder / "state.json"
    if child.exitcode and child.exitcode > 0:
        raise SystemExit("the batch itself failed")
    if child.exitcode:
        state = State.read(place, state.seed)
        state.add(at.value, Trial(f"crashed with exit code {child.exitcode} at {at.value}", False, 0.0))
        subject = SUBJECTS[kind]
        (folder / "failures").mkdir(exist_ok=True)
        raw = subject.make(generator(state.seed, at.value))
        (folder / "failures" / f"{at.value}{subject.suffix}").write_bytes(raw)
        state.write(place)
    return State.read(place, state.seed)
