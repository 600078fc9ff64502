"""What is alike in two lists of names: groups of layers, and how near the words of two names are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Shape = tuple[int, ...]

# Words that mean the same in the names of layers.
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
# What the products of the standard layers are called elsewhere.
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
PARTS = ("norm", "embed")  # of a word, they are its meaning: `prenorm`
NUMBER = re.compile(r"(?:^|(?<=\.))\d{1,9}(?=\.)")


@dataclass(frozen=True, slots=True)
class Group:
    """Names that differ in numbers alone; `parts` is the text between those that differ, `members` has these numbers.

    `place` is where the group begins among all names, from 0 to 1.
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
        """The name without that of the net; nothing where that leaves no layer, which says little."""
        rest = "{}".join(self.parts).partition(".")[2]
        return rest if "." in rest else ""

    @property
    def numbers(self) -> list[tuple[int, ...]]:
        return [numbers for numbers, _ in self.members]

    @property
    def names(self) -> list[str]:
        return [name for _, name in self.members]


def groups(shapes: Mapping[str, Shape]) -> list[Group]:
    """The names that are alike but for numbers between dots, and of one shape: all together, and by their first number."""
    held: dict[tuple[str, Shape], list[tuple[int, str]]] = {}
    for place, (name, shape) in enumerate(shapes.items()):
        held.setdefault((NUMBER.sub("0", name), shape), []).append((place, name))
    made = []
    for (_, shape), members in held.items():
        whole = _group(shape, members, len(shapes))
        made.append(whole)
        if len(whole.numbers[0]) > 1:
            made += [_group(shape, part, len(shapes)) for part in _apart(whole, members)]
    return made


def _group(shape: Shape, members: list[tuple[int, str]], total: int) -> Group:
    """One group; its numbers that are always the same are part of the text."""
    names = [name for _, name in members]
    found = [[int(m[0]) for m in NUMBER.finditer(name)] for name in names]
    differ = [i for i in range(len(found[0])) if len({numbers[i] for numbers in found}) > 1]
    spans = [m.span() for m in NUMBER.finditer(names[0])]
    at, parts = 0, []
    for i in differ:
        parts.append(names[0][at : spans[i][0]])
        at = spans[i][1]
    parts.append(names[0][at:])
    chosen = sorted(zip([tuple(n[i] for i in differ) for n in found], names, strict=True))
    return Group(tuple(parts), shape, tuple(chosen), members[0][0] / max(1, total - 1))


def _apart(whole: Group, members: list[tuple[int, str]]) -> list[list[tuple[int, str]]]:
    """`mlp.0` of all layers, and `mlp.2` of all layers."""
    places = {name: place for place, name in members}
    parts: dict[tuple[int, ...], list[tuple[int, str]]] = {}
    for numbers, name in whole.members:
        parts.setdefault(numbers[1:], []).append((places[name], name))
    return list(parts.values())


def likeness(a: Group, b: Group) -> float:
    """From 0 to 1: the words that both names have, the last of them above all."""
    ours, theirs = (_words("0".join(g.parts)) for g in (a, b))
    shared = len(set(ours) & set(theirs)) / max(1, len(set(ours) | set(theirs)))
    last = float(bool(ours and theirs) and ours[-1] == theirs[-1])
    return (shared + last) / 2


def _words(name: str) -> list[str]:
    """The words of a name, those of one meaning as one."""
    for layer, role in ROLES.items():
        name = re.sub(layer, role, name)
    words = [w.lower() for w in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", name)]
    return [next((part for part in PARTS if part in w), SAME.get(w, w)) for w in words]


def natural(names: Iterable[str]) -> list[str]:
    """Names in the order of their numbers: `h.2` before `h.10`."""
    return sorted(names, key=lambda name: [(len(p), p) if p.isdecimal() else (-1, p) for p in re.split(r"(\d+)", name)])
