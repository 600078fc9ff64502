"""Likeness of names: groups of names that layers have in common, and how near the words of two names are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Shape = tuple[int, ...]

# Words that mean the same in the names of layers, by the word that stands for them.
WORDS: dict[str, tuple[str, ...]] = {
    "norm": ("ln", "layernorm", "rmsnorm", "rms", "layer", "bn", "batch", "groupnorm", "group", "gn"),
    "linear": ("dense", "proj", "projection", "fc", "lin"),
    "attention": ("attn", "self", "selfattention", "mha"),
    "mlp": ("ffn", "ff", "feed", "forward", "feedforward", "intermediate", "gated"),
    "embed": ("embedding", "embeddings", "wte", "tok", "token", "tokens", "word"),
    "place": ("pos", "position", "positions", "positional", "wpe"),
    "weight": ("gamma", "scale", "kernel", "w"),
    "bias": ("beta", "b"),
    "variance": ("var",),
    "conv": ("conv1d", "conv2d", "convolution"),
    "head": ("classifier", "decoder"),
    "query": ("q",),
    "key": ("k",),
    "value": ("v",),
    "out": ("o", "output"),
}
# Names of the products inside mai's standard layers, and what other programs call them.
ROLES = {
    r"attention_\d+\.linear_1": "attention.query",
    r"attention_\d+\.linear_2": "attention.key",
    r"attention_\d+\.linear_3": "attention.value",
    r"attention_\d+\.linear_4": "attention.out",
    r"gated_mlp_\d+\.linear_1": "mlp.gate",
    r"gated_mlp_\d+\.linear_2": "mlp.up",
    r"gated_mlp_\d+\.linear_3": "mlp.down",
}
SAME = {word: meaning for meaning, words in WORDS.items() for word in words}
PARTS = ("norm", "embed")  # A word that contains one of these means it: `prenorm`.
NUMBER = re.compile(r"(?:^|(?<=\.))\d{1,9}(?=\.)")


@dataclass(frozen=True, slots=True)
class Group:
    """Names of tensors of one shape that differ in numbers alone.

    Attributes:
        parts: the text before, between and after the numbers that differ.
        shape: of each tensor.
        members: the numbers that differ and the name, for each tensor, in the order of the numbers.
        place: where the first of them stands among all names, from 0 to 1.
    """

    parts: tuple[str, ...]
    shape: Shape
    members: tuple[tuple[tuple[int, ...], str], ...]
    place: float

    @property
    def stem(self) -> str:
        """The layer that the weights, biases and statistics of one name belong to."""
        return "{}".join(self.parts).rpartition(".")[0]

    @property
    def tail(self) -> str:
        """The name without the net in front; empty where no layer is left in it, since that says little."""
        rest = "{}".join(self.parts).partition(".")[2]
        return rest if "." in rest else ""

    @property
    def numbers(self) -> list[tuple[int, ...]]:
        """The numbers that differ, for each member."""
        return [numbers for numbers, _ in self.members]

    @property
    def names(self) -> list[str]:
        """The name of each member."""
        return [name for _, name in self.members]


def group_names(shapes: Mapping[str, Shape]) -> list[Group]:
    """Group names of one shape that are alike but for numbers between dots.

    Names with several numbers are grouped twice: all together, and by every number but the first, so that `mlp.0` of all
    layers and `mlp.2` of all layers are groups, too.
    """
    alike: dict[tuple[str, Shape], list[tuple[int, str]]] = {}
    for place, (name, shape) in enumerate(shapes.items()):
        alike.setdefault((NUMBER.sub("0", name), shape), []).append((place, name))
    groups = []
    for (_, shape), members in alike.items():
        whole = _group(shape, members, len(shapes))
        groups.append(whole)
        if len(whole.numbers[0]) > 1:
            groups += [_group(shape, part, len(shapes)) for part in _split_by_later_numbers(whole, members)]
    return groups


def _group(shape: Shape, members: list[tuple[int, str]], total: int) -> Group:
    """One group of (place, name); numbers that all names share are part of its text."""
    names = [name for _, name in members]
    numbers = [[int(m[0]) for m in NUMBER.finditer(name)] for name in names]
    differ = [i for i in range(len(numbers[0])) if len({row[i] for row in numbers}) > 1]
    spans = [m.span() for m in NUMBER.finditer(names[0])]
    at, parts = 0, []
    for i in differ:
        parts.append(names[0][at : spans[i][0]])
        at = spans[i][1]
    parts.append(names[0][at:])
    numbered = sorted(zip([tuple(row[i] for i in differ) for row in numbers], names, strict=True))
    return Group(tuple(parts), shape, tuple(numbered), members[0][0] / max(1, total - 1))


def _split_by_later_numbers(whole: Group, members: list[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """The members by their numbers but the first: `h.{i}.mlp.0` and `h.{i}.mlp.2` apart."""
    places = {name: place for place, name in members}
    parts: dict[tuple[int, ...], list[tuple[int, str]]] = {}
    for numbers, name in whole.members:
        parts.setdefault(numbers[1:], []).append((places[name], name))
    return list(parts.values())


def likeness(a: Group, b: Group) -> float:
    """How alike two groups' names are, from 0 to 1: half is the share of words that both have, half whether the last agrees."""
    ours, theirs = (_words("0".join(g.parts)) for g in (a, b))
    shared = len(set(ours) & set(theirs)) / max(1, len(set(ours) | set(theirs)))
    last = float(bool(ours and theirs) and ours[-1] == theirs[-1])
    return (shared + last) / 2


def _words(name: str) -> list[str]:
    """The words of a name, each as the one that stands for its meaning."""
    for layer, role in ROLES.items():
        name = re.sub(layer, role, name)
    words = [w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    return [next((part for part in PARTS if part in w), SAME.get(w, w)) for w in words]


def natural_order(names: Iterable[str]) -> list[str]:
    """Sort names by the numbers in them: `h.2` before `h.10`."""
    return sorted(names, key=lambda name: [(len(p), p) if p.isdecimal() else (-1, p) for p in re.split(r"(\d+)", name)])
