"""Single realistic mistakes in the examples: `python -m benchmarks.diagnostics --half held-out --mutations 300`.

Mutation i of a seed is the same on every machine. What was tuned on is the half `tuning`; what is reported is `held-out`, of other
numbers. A mistake that the file bears (two arguments of one kind exchanged, say) is counted and left out.
"""

from __future__ import annotations

import argparse
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.diagnostics import marks, names, shapes, tokens  # noqa: F401  the kinds
from benchmarks.diagnostics.judging import Verdict, judge
from benchmarks.diagnostics.mutation import KINDS, Mutation, Subject

ROOT = Path(__file__).parents[2]
HALVES = ("tuning", "held-out")
GOALS = {"line": 97, "span": 92, "cause": 90, "alone": 97, "mends": 95}


def subjects() -> list[Subject]:
    """The examples."""
    return [Subject(p, p.read_text(encoding="utf-8")) for p in sorted((ROOT / "examples").rglob("*.mai"))]


def mutations(files: list[Subject], seed: int, half: str) -> Iterator[tuple[str, Subject, Mutation]]:
    """Mistakes without end, the kinds in turns, each in a file that has a place for it."""
    number, kinds = HALVES.index(half), list(KINDS)
    while True:
        rng = random.Random(f"{seed}/{number}")
        name = kinds[number // 2 % len(kinds)]
        for subject in rng.sample(files, len(files)):
            mutations = list(KINDS[name](subject, rng))
            if mutations:
                yield name, subject, rng.choice(mutations)
                break
        number += len(HALVES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mutations", type=int, default=300)
    parser.add_argument("--half", choices=HALVES, default="held-out")
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--kind", help="this kind alone")
    parser.add_argument("--verbose", action="store_true", help="every message that falls short")
    arguments = parser.parse_args()
    verdicts: list[tuple[str, Verdict]] = []
    borne: Counter[str] = Counter()
    silent: Counter[str] = Counter()
    for name, subject, mutation in mutations(subjects(), arguments.seed, arguments.half):
        if arguments.kind and name != arguments.kind:
            continue
        verdict = judge(subject, mutation)
        if not verdict.reported and not mutation.certain:
            borne[name] += 1
            if borne[name] > arguments.mutations:
                break
            continue
        silent[name] += not verdict.reported
        verdicts.append((name, verdict))
        if arguments.verbose:
            _show(name, subject, mutation, verdict)
        if len(verdicts) == arguments.mutations:
            break
    _report(verdicts, borne)


def _show(name: str, subject: Subject, mutation: Mutation, verdict: Verdict) -> None:
    short = [key for key in GOALS if getattr(verdict, key) is False]
    if short:
        place = min(mutation.lines)
        line = mutation.text.split("\n")[place - 1].strip()
        print(
            f"{name} {subject.path.name}:{place} lacks {' '.join(short)}\n    {line}\n    {verdict.seen or 'nothing'}",
            flush=True,
        )


def _report(verdicts: list[tuple[str, Verdict]], borne: Counter[str]) -> None:
    print(f"{len(verdicts)} mistakes, {sum(borne.values())} more that the files bear")
    for key, goal in GOALS.items():
        judged = [getattr(v, key) for _, v in verdicts if getattr(v, key) is not None]
        share = 100 * sum(judged) / max(1, len(judged))
        short = Counter(name for name, v in verdicts if getattr(v, key) is False)
        print(f"{key:6} {share:5.1f} % of {len(judged)} (goal {goal} %)  {dict(short.most_common(8))}")


if __name__ == "__main__":
    main()
