"""The head of an imported classifier: whether its labels are those of some data, and a new one where they are others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from mai.compiler.data.fields import bad
from mai.compiler.weights.label_head import find_label_head
from mai.compiler.weights.rules import Rule
from mai.runtime.inputs.cells import few_of
from mai.spec.diagnostics import Change
from mai.spec.diagnostics.edit import changed
from mai.spec.record import record
from mai.spec.source import Span

UNNAMED = re.compile(r"LABEL_\d+")  # As transformers calls labels that nobody has named.


@record
class Head:
    """How many labels there are, whether the head that scores them begins anew, and what is said of that."""

    labels: int
    is_new: bool
    said: str


def head_for(labels: Sequence[str], own: Sequence[str], numbered: bool = False) -> Head:
    """The head for the labels of data, in the order in which they are numbered, in the place of one with labels of its `own`.

    Args:
        numbered: whether labels are the numbers 0, 1, ..., so that they say their places themselves.

    Raises:
        MaiError: there is one label alone.
    """
    if len(labels) < 2:
        raise bad(f"all rows have one label, {few_of(labels)}: there is nothing to tell apart")
    if [*labels] == [*own] or (numbered and len(labels) <= len(own)):
        return Head(len(own), False, f"the labels are the model's {len(own)}")
    if own and all(map(UNNAMED.fullmatch, own)) and len(labels) == len(own):
        pairs = few_of([f"{ours} is {label}" for ours, label in zip(own, labels, strict=True)])
        return Head(len(own), False, f"the model's labels have no names: {pairs}")
    before = f", and the model has {few_of(own)}" + (", in another order" if {*labels} == {*own} else "") if own else ""
    return Head(len(labels), True, f"a new head for the {len(labels)} labels: {few_of(labels)}{before}")


def with_new_head(text: str, spec: Path, labels: int) -> str:
    """The spec of a classifier with so many labels: what has a number for each label begins with its first values.

    Raises:
        MaiError: the spec does not say how many labels there are.
    """
    head = find_label_head(text, spec)
    if head is None or head.program.loading is None:
        raise bad("the head of this model has no number of labels that could be another")
    changes = [Change(head.count, str(labels))]
    for rule in head.program.loading.rules:
        named = [name for name in head.program.weights if rule.target.match(name)]
        if rule.source is not None and not head.weights.isdisjoint(named):
            changes.append(_change(rule, named, head.weights))
    return changed(text, changes)


def _change(rule: Rule, named: Sequence[str], new: frozenset[str]) -> Change:
    """The lines in the place of a rule that gives values to parameters which are new, and perhaps to others."""
    assert rule.source is not None
    ours = [name for name in named if name in new]
    targets = [rule.target.text] if new.issuperset(named) else ours
    lines = [f'"{target}" = first' for target in targets]
    lines += [f'ignore "{tensor}"' for tensor in dict.fromkeys(_tensors(rule, ours))]
    if new.issuperset(named):
        return Change(rule.span, "\n".join(lines))
    return Change(Span(rule.span.source, rule.span.end, rule.span.end), "\n".join(["", *lines]))


def _tensors(rule: Rule, names: Sequence[str]) -> Iterator[str]:
    """The tensors of some parameters."""
    assert rule.source is not None
    for name in names:
        marks = rule.target.match(name)
        assert marks is not None
        yield from (chain.pattern.fill(marks) for chain in rule.source.chains)
