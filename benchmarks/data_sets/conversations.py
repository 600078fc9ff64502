"""Conversations, and a transformer for them that is written in torch by hand: what the spec of the same name says."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.data_sets.sets import divided

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }};{% endfor %}{% if add_generation_prompt %}<assistant>{% endif %}"
ROMAN = {100: "C", 90: "XC", 50: "L", 40: "XL", 10: "X", 9: "IX", 5: "V", 4: "IV", 1: "I"}
LARGEST = 399
PLACES, WIDTH, HEADS, TURNS = 58, 48, 4, 2  # As the spec has them.
STEPS, BATCH, RATE, WARMUP = 400, 32, 4e-3, 50


def roman(number: int) -> str:
    """A number from 1 to 399 in Roman numerals."""
    text = ""
    for value, letters in ROMAN.items():
        count, number = divmod(number, value)
        text += count * letters
    return text


def conversations() -> Iterator[tuple[str, str]]:
    """Every question, and its answer."""
    for number in range(1, LARGEST + 1):
        yield f"Write {number} in Roman numerals.", roman(number)
        yield f"Which number is {roman(number)}?", str(number)


@dataclass(frozen=True)
class Conversations:
    """Questions with answers as lists of messages, a file of lines of json; a fifth of them is for the test."""

    name: str
    package: str
    says: str
    score: str = "accuracy"

    def parts(self, seed: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
        """Those for training and those of the test."""
        pairs = list(conversations())
        train, test = divided(len(pairs), seed)
        return [pairs[i] for i in train], [pairs[i] for i in test]

    def write(self, folder: Path, seed: int) -> list[str]:
        """Write the files that the spec reads, and return what names those of the test."""
        (folder / "chat.jinja").write_text(TEMPLATE)
        for name, pairs in zip(("train.jsonl", "test.jsonl"), self.parts(seed), strict=True):
            rows = [
                [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
                for question, answer in pairs
            ]
            (folder / name).write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
        return ["--data", str(folder / "test.jsonl")]


# ------------------------------------------------------------------------- the twin


class Turn(nn.Module):
    """Attention to what came before, and two products."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
        self.attention = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.products = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, h: Tensor, later: Tensor) -> Tensor:
        """[n, places, WIDTH] -> the same; `later` is true where a place may not look."""
        x = self.norms[0](h)
        h = h + self.attention(x, x, x, attn_mask=later, need_weights=False)[0]
        return h + self.products(self.norms[1](h))


class Twin(nn.Module):
    """Scores of the next byte, [n, places, 256], for bytes [n, places]."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.place = nn.Embedding(256, WIDTH), nn.Parameter(0.02 * torch.randn(PLACES, WIDTH))
        nn.init.normal_(self.embed.weight, 0, 0.02)
        self.turns = nn.ModuleList(Turn() for _ in range(TURNS))
        self.norm, self.scores = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 256)

    def forward(self, x: Tensor) -> Tensor:
        """Of each place, from it and those before."""
        places = x.shape[1]
        h = self.embed(x) + self.place[:places]
        later = torch.ones(places, places, dtype=torch.bool).triu(1)
        for turn in self.turns:
            h = turn(h, later)
        scores: Tensor = self.scores(self.norm(h))
        return scores


def as_bytes(pairs: list[tuple[str, str]]) -> tuple[Tensor, Tensor]:
    """Texts [n, PLACES] with zeros behind them, and a mask of what the assistant says, with its end."""
    texts, answers = torch.zeros(len(pairs), PLACES, dtype=torch.long), torch.zeros(len(pairs), PLACES)
    for i, (question, answer) in enumerate(pairs):
        before, said = f"<user>{question};<assistant>".encode(), f"{answer};".encode()
        texts[i, : len(before) + len(said)] = torch.tensor([*before, *said])
        answers[i, len(before) : len(before) + len(said)] = 1
    return texts, answers


def twin_score(data: Conversations, seed: int) -> float:
    """How often the likeliest byte of the twin is the right one, among those of the answers of the test."""
    train, test = data.parts(seed)
    torch.manual_seed(seed)
    twin = _trained(Twin(), *as_bytes(train), seed)
    texts, answers = as_bytes(test)
    with torch.no_grad():
        right = twin(texts[:, :-1]).argmax(-1) == texts[:, 1:]
    return float((right * answers[:, 1:]).sum() / answers[:, 1:].sum())


def _trained(twin: Twin, texts: Tensor, answers: Tensor, seed: int) -> Twin:
    optimizer = torch.optim.AdamW(twin.parameters(), RATE)
    rng = np.random.default_rng(seed)
    for step in range(STEPS):
        after = max(0, step - WARMUP) / (STEPS - WARMUP)
        share = (step + 1) / WARMUP if step < WARMUP else 0.5 * (1 + math.cos(math.pi * after))
        optimizer.param_groups[0]["lr"] = RATE * share
        rows = torch.from_numpy(rng.choice(len(texts), BATCH, replace=False))
        x, weight = texts[rows], answers[rows, 1:]
        losses = functional.cross_entropy(twin(x[:, :-1]).transpose(1, 2), x[:, 1:], reduction="none")
        optimizer.zero_grad()
        ((weight * losses).sum(1) / weight.sum(1)).mean().backward()
        nn.utils.clip_grad_norm_(twin.parameters(), 1.0)
        optimizer.step()
    return twin
