"""What training minimises and reports, of examples that it has not seen: all that can be said of a text's model or a sampler.

The graph is the one that held-out figures of a training come from. Where an objective has a cross-entropy for each of several labels of an
example, the tokens of a text, these are counted apart: those that the objective weighs, as its derivative says, so that what a mask leaves
out is left out here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from mai.compiler.data.rows import Rows
from mai.compiler.evaluating.targets.links import Origins
from mai.compiler.ir.graph import Graph, Node, Value, values_behind
from mai.compiler.ir.rewrite import Copier, copy_graph
from mai.compiler.ops.elementwise.logic import Equal
from mai.compiler.ops.losses.loss import CrossEntropy
from mai.compiler.ops.reductions.places import Argmax
from mai.compiler.passes import forms
from mai.compiler.program import Program, Training
from mai.compiler.torch.module import lower
from mai.compiler.torch.parameters import Weights
from mai.compiler.training.step.step_function import Module
from mai.runtime.arrays import Array
from mai.spec.record import record

CPU = torch.device("cpu")


@record
class Labels:
    """The labels of each example that an objective weighs: how many, [n], the sum of their losses in nats, and how many are the likeliest.

    `values` are the labels themselves, all in one row.
    """

    count: Array
    nats: Array
    hits: Array
    values: Array


@record
class Measures:
    """By name, one number for each example, [n], or for each batch, [batches], where it is of a whole batch."""

    values: Mapping[str, Array]
    texts: Mapping[str, str]
    labels: Labels | None


def measure(
    program: Program, training: Training, weights: Mapping[str, Array], rows: Mapping[str, Rows], count: int,
    batch: int, seed: int = 0,
) -> Iterator[tuple[int, Measures]]:  # fmt: skip
    """What a train block says of `count` examples, a batch at a time, and how many these are.

    Args:
        weights: of the program, by name.
        rows: the examples, by field; none where the block draws all that it looks at.
        seed: of what the block draws, another one for each batch.
    """
    names = _names(training)
    objectives = len({objective.output for objective in training.objectives})
    labelled = _label_losses(training)
    graph = forms.prepare(_with_labels(training.evaluation, [*names], labelled))
    module_weights = Weights(program.weights)
    module_weights.put(weights)
    module = lower(graph, module_weights, "Losses")
    for number, begin in enumerate(range(0, count, batch)):
        size = min(batch, count - begin)
        fields = {name: torch.from_numpy(np.ascontiguousarray(a[begin : begin + size])) for name, a in rows.items()}
        run = Module(module, graph, None, seed + number, CPU)
        values = run.plain(fields or {"batch": torch.tensor(size)})
        labels = _labels(values, len(names), objectives) if labelled is not None else None
        outputs = (value.detach().double().numpy() for value in values[: len(names)])
        figures = {name: np.atleast_1d(value) for (name, _), value in zip(names.values(), outputs, strict=True)}
        yield size, Measures(figures, dict(names.values()), labels)


def _names(training: Training) -> dict[int, tuple[str, str]]:
    """What is shown, by the graph's output: its name, and what it is in words."""
    several = len(training.objectives) > 1
    block = f"{training.name}: " if training.name is not None else ""
    objectives = {
        each.output: (f"{block}loss {number}" if several else f"{block}loss", f"`minimize {each.text}`")
        for number, each in enumerate(training.objectives, 1)
    }
    reports = {each.output: (f"{block}{each.name}", "as the spec reports it") for each in training.reports}
    return objectives | {output: each for output, each in reports.items() if output not in objectives}


# ------------------------------------------------------------------ labels of a text


def _label_losses(training: Training) -> Node | None:
    """The cross-entropy of an objective that has one for each of several labels of an example."""
    graph = training.evaluation
    behind: set[Value] = set()
    for objective in training.objectives:
        behind.update(values_behind(graph.outputs[objective.output]))
    origins = Origins(graph)
    nodes = (node for node in graph.nodes if node.op is CrossEntropy and node.output in behind)
    return next((node for node in nodes if _is_of_a_row(node, training, origins)), None)


def _is_of_a_row(node: Node, training: Training, origins: Origins) -> bool:
    """Whether the labels of a cross-entropy are of a field with a row of them, one loss for each."""
    label, loss = node.inputs[1], node.output.type
    fields = [field for field in origins.fields(label) if field in training.fields]
    is_a_row = label.type.rank > 0 and label.type.lead == loss.lead and len(loss.lead) == 1 and loss.batched
    return is_a_row and len(fields) == 1 and not origins.slots(label)


def _with_labels(graph: Graph, outputs: Sequence[int], labelled: Node | None) -> Graph:
    """Some outputs of a graph, then of each label its loss, whether it is the likeliest, and the label."""
    more: list[Value] = []

    def rule(copier: Copier, node: Node) -> bool:
        if node is not labelled:
            return False
        copier.copy(node)
        logits, label = (copier[value] for value in node.inputs)
        likeliest = copier.builder.emit(Argmax, logits)
        more.extend((copier[node.output], copier.builder.emit(Equal, likeliest, label), label))
        return True

    copied = copy_graph(graph, rule)
    copied.outputs = [*(copied.outputs[output] for output in outputs), *more]
    copied.output_names = [f"{place}" for place in range(len(copied.outputs))]
    return forms.prune(copied)


def _labels(values: Sequence[Tensor], shown: int, objectives: int) -> Labels:
    """The labels that weigh in one of the objectives, the first `shown` values."""
    losses, are_right, labels = values[shown:]
    derivatives = (
        torch.autograd.grad(value.sum(), losses, retain_graph=True, allow_unused=True)[0]
        for value in values[:objectives]
        if value.requires_grad
    )
    weighs = torch.zeros(losses.shape, dtype=torch.bool)
    for each in derivatives:
        weighs |= each != 0 if each is not None else weighs
    counted = losses.detach().double() * weighs
    count, nats, hits = (each.flatten(1).sum(1).numpy() for each in (weighs, counted, weighs & are_right))
    return Labels(count, nats, hits, labels[weighs].numpy())


def joined(parts: Sequence[Measures]) -> Measures:
    """Those of all batches, one after the other."""
    values = {name: np.concatenate([part.values[name] for part in parts]) for name in parts[0].values}
    labels = [part.labels for part in parts if part.labels is not None]
    if not labels:
        return Measures(values, parts[0].texts, None)
    count, nats, hits, tokens = (
        np.concatenate([getattr(each, name) for each in labels]) for name in ("count", "nats", "hits", "values")
    )
    return Measures(values, parts[0].texts, Labels(count, nats, hits, tokens))
