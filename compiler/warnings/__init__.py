"""What is well typed and probably not meant: rules that look at a checked file, a slug each.

A comment `# mai: allow SLUG` on the line of a warning, or on the line before it, silences it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from mai.compiler.program import Program
from mai.compiler.warnings.derivatives import total_derivatives
from mai.compiler.warnings.labels import taken_labels
from mai.compiler.warnings.noise import shared_noise, tangled_noise
from mai.compiler.warnings.numbers import (
    choices_among_one,
    divided_to_zero,
    empty_integrals,
    empty_ranges,
    large_tensors,
    large_windows,
    late_warmup,
    means_like_sizes,
    tiny_numbers,
)
from mai.compiler.warnings.objectives.losses import (
    column_against_row,
    coupled_data,
    masked_mean,
    shared_objectives,
    unlike_logits,
)
from mai.compiler.warnings.objectives.signs import driven_apart, unlikely_data
from mai.compiler.warnings.objectives.unbounded import unbounded_parameters
from mai.compiler.warnings.probabilities import labels_as_numbers, logits_as_probabilities
from mai.compiler.warnings.subject import Subject
from mai.compiler.warnings.texts import copied_answers, long_texts, seen_answers
from mai.compiler.warnings.unused import joins_of_one, unused_declarations, unused_in_bodies, unused_in_training
from mai.compiler.warnings.weights import begun_alike, stuck_at_zero, untrained, untrained_rows
from mai.spec.diagnostics import Diagnostic

Rule = Callable[[Subject], Iterator[Diagnostic]]
RULES: tuple[Rule, ...] = (
    untrained, untrained_rows, taken_labels, stuck_at_zero, begun_alike, unused_in_bodies, unused_in_training, unused_declarations,
    column_against_row, unlike_logits, shared_objectives, masked_mean, coupled_data, divided_to_zero, empty_integrals, empty_ranges, late_warmup,
    large_windows, means_like_sizes, total_derivatives, tangled_noise, shared_noise, long_texts, seen_answers, copied_answers, logits_as_probabilities, labels_as_numbers, unlikely_data,
    driven_apart, unbounded_parameters, tiny_numbers, large_tensors, choices_among_one, joins_of_one,
)  # fmt: skip
ALLOW = re.compile(r"#\s*mai:\s*allow\s+([\w, -]+)")


def warnings(program: Program) -> list[Diagnostic]:
    """What the rules say of a file, in the order of its text, each once."""
    return _warnings(program, RULES)


def untrained_weights(program: Program) -> list[Diagnostic]:
    """Only those of weights that nothing trains, which the files of a training compute with."""
    return _warnings(program, (untrained, untrained_rows))


def useless_defaults(program: Program) -> list[Diagnostic]:
    """Only those of exports that can do nothing without a setting in a call."""
    return _warnings(program, (long_texts,))


def _warnings(program: Program, rules: Sequence[Rule]) -> list[Diagnostic]:
    subjects = [Subject(program.file, program, place) for place in range(max(1, len(program.trainings)))]
    said = dict.fromkeys(w for rule in rules for subject in subjects for w in rule(subject) if not _is_allowed(w))
    return sorted(said, key=lambda d: d.span.start if d.span else -1)


def _is_allowed(warning: Diagnostic) -> bool:
    if warning.span is None:
        return False
    source, line = warning.span.source, warning.span.line
    lines = [source.line(n) for n in (line - 1, line) if n >= 1]
    slugs = [slug.strip() for text in lines for match in ALLOW.findall(text) for slug in match.split(",")]
    return warning.slug in slugs
