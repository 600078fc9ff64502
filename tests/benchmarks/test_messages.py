"""Single realistic mistakes in the examples are told well. `python -m benchmarks.diagnostics` measures the half that is not here."""

from __future__ import annotations

from itertools import islice

import pytest

from benchmarks.diagnostics.__main__ import GOALS, mutations, subjects
from benchmarks.diagnostics.judging import Verdict, judge
from benchmarks.diagnostics.mutation import KINDS, Mutation

PARTS, EACH = 4, 30


def first(seed: int, count: int) -> list[Mutation]:
    return [mutation for _, _, mutation in islice(mutations(subjects(), seed, "tuning"), count)]


def test_a_mistake_is_a_function_of_the_seed_and_its_number() -> None:
    assert first(3, 4) == first(3, 4) != first(4, 4)


def test_the_halves_share_nothing() -> None:
    files = subjects()
    own, other = ([m.text for _, _, m in islice(mutations(files, 5, half), 8)] for half in ("tuning", "held-out"))
    assert len({*own} | {*other}) == 16


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
def test_mistakes_are_told(part: int) -> None:
    """Of so few a share may fall short of the goal by a few in a hundred."""
    verdicts: list[Verdict] = []
    for _, subject, mutation in islice(mutations(subjects(), part, "tuning"), EACH):
        verdict = judge(subject, mutation)
        if verdict.reported or mutation.certain:
            verdicts.append(verdict)
    for key, goal in GOALS.items():
        judged = [getattr(v, key) for v in verdicts if getattr(v, key) is not None]
        assert 100 * sum(judged) / len(judged) > goal - 12, (key, [v.seen for v in verdicts if not getattr(v, key)])


@pytest.mark.slow
def test_every_kind_has_a_place_in_the_examples() -> None:
    kinds = {name for name, _, _ in islice(mutations(subjects(), 0, "tuning"), len(KINDS))}
    assert kinds == set(KINDS)
