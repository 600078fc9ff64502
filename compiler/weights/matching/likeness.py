"""Likeness of names: groups of names that layers have in common, and how near the words of two names are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from math import prod

Shape = tuple[int, ...]
Tensors = tuple[tuple[str, Shape], ...]  # Of one module, by their names in it.

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


@dataclass(frozen=True, eq=False)
class Group:
    """Modules with the same tensors whose names differ in numbers alone: those of all layers, or one.

    Attributes:
        parts: the text of the names before, between and after the numbers that differ, with the last dot.
        members: the numbers that differ and the name, for each module, in the order of the numbers.
        tensors: the names and shapes of the tensors in each module.
        place: where the first of them stands among all.
    """

    parts: tuple[str, ...]
    members: tuple[tuple[tuple[int, ...], str], ...]
    tensors: Tensors
    place: int

    @cached_property
    def stem(self) -> str:
        """The name of the modules, `{}` for each number that differs."""
        return "{}".join(self.parts)

    @cached_property
    def tail(self) -> str:
        """The name without the net in front; empty where no layer is left in it, since that says little."""
        return self.stem.partition(".")[2]

    @cached_property
    def numbers(self) -> list[tuple[int, ...]]:
        """The numbers that differ, for each member."""
        return [numbers for numbers, _ in self.members]

    @cached_property
    def names(self) -> list[str]:
        """The names of all tensors."""
        return [module + part for _, module in self.members for part, _ in self.tensors]

    @cached_property
    def all_names(self) -> frozenset[str]:
        """The same, in no order."""
        return frozenset(self.names)

    @cached_property
    def roles(self) -> dict[str, tuple[str, Shape]]:
        """The tensors by what they are: `gamma` is a weight; by their names where several are the same."""
        roles = {(_words(part) or [part])[-1]: (part, shape) for part, shape in self.tensors}
        return roles if len(roles) == len(self.tensors) else {part: (part, shape) for part, shape in self.tensors}

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many modules it has, and how many numbers each of their tensors: the same of all that it may be paired with."""
        return (len(self.members), *sorted(prod(shape) for _, shape in self.tensors))

    @cached_property
    def words(self) -> frozenset[str]:
        """The words of its name and of its tensors', each as the one that stands for its meaning."""
        return frozenset(
            word for name in ("0".join(self.parts), *(part for part, _ in self.tensors)) for word in _words(name)
        )


def split_name(name: str) -> tuple[str, str]:
    """The module of a tensor, with the last dot, and the tensor's name in it."""
    module, dot, part = name.rpartition(".")
    return module + dot, part


def single_groups(modules: Iterable[tuple[str, Tensors]]) -> list[Group]:
    """Each module for itself."""
    return [Group((name,), (((), name),), tensors, place) for place, (name, tensors) in enumerate(modules)]


def layer_groups(modules: Iterable[tuple[str, Tensors]]) -> list[Group]:
    """Groups of several modules with the same tensors whose names differ in numbers between dots alone.

    Names with several numbers are grouped twice: all together, and by every number but the first, so that `mlp.0` of all
    layers and `mlp.2` of all layers are groups, too.
    """
    alike: dict[tuple[str, frozenset[tuple[str, Shape]]], list[tuple[int, str]]] = {}
    listed: dict[frozenset[tuple[str, Shape]], Tensors] = {}  # In the order of the first module.
    for place, (name, tensors) in enumerate(modules):
        alike.setdefault((NUMBER.sub("0", name), frozenset(tensors)), []).append((place, name))
        listed.setdefault(frozenset(tensors), tensors)
    groups = []
    for (_, same), members in alike.items():
        tensors = listed[same]
        whole = _group(tensors, members)
        groups.append(whole)
        if len(whole.numbers[0]) > 1:
            groups += [_group(tensors, part) for part in _split_by_later_numbers(whole, members)]
    return [g for g in groups if len(g.members) > 1]


def _group(tensors: Tensors, members: list[tuple[int, str]]) -> Group:
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
    return Group(tuple(parts), tuple(numbered), tensors, members[0][0])


def _split_by_later_numbers(whole: Group, members: list[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """The members by their numbers but the first: `h.{i}.mlp.0` and `h.{i}.mlp.2` apart."""
    places = {name: place for place, name in members}
    parts: dict[tuple[int, ...], list[tuple[int, str]]] = {}
    for numbers, name in whole.members:
        parts.setdefault(numbers[1:], []).append((places[name], name))
    return list(parts.values())


def likeness(a: Group, b: Group) -> float:
    """How alike two groups' names are, from 0 to 1: half is the share of words that both have, half whether tensors agree."""
    shared = len(a.words & b.words) / max(1, len(a.words | b.words))
    return (shared + (a.roles.keys() == b.roles.keys())) / 2


def _words(name: str) -> list[str]:
    """The words of a name, each as the one that stands for its meaning."""
    for layer, role in ROLES.items():
        name = re.sub(layer, role, name)
    words = [w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    return [next((part for part in PARTS if part in w), SAME.get(w, w)) for w in words]


def natural_order(names: Iterable[str]) -> list[str]:
    """Sort names by the numbers in them: `h.2` before `h.10`."""
    return sorted(names, key=lambda name: [(len(p), p) if p.isdecimal() else (-1, p) for p in re.split(r"(\d+)", name)])
