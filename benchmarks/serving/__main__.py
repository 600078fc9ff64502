"""`python -m benchmarks.serving --minutes 10 --clients 200`: nothing lost, nothing wrong, memory flat, and how long answers take.

Each client asks as soon as it has its answer: most for one example of a flow, some for the label of a picture, for a flow's progress, for a
text in a stream, some for what is refused, and some go away before they are answered. Every answer is compared with what the file gives when it is called for this request alone, as one of two alike.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.serving.client import Client
from mai.compiler.check import check_text
from mai.compiler.compile_options import CompileOptions
from mai.compiler.compiling import compile_all
from mai.runtime import load

SPEC = """const vocab = 256
data text: tokens[16] from text(tokenizer = bytes)
net velocity(x: [2], s: []) -> [2] {
  h = linear(concat(x, fourier(s, 16)), 128)
  repeat 2 { h += 0.5 * linear(silu(linear(h, 128)), 128) }
  return linear(h, 2)
}
net logits(x: tokens[P]) -> [P, vocab] {
  h = embed(x, 32)
  repeat 2 { h += attention(layer_norm(h), 4, causal = true) }
  return linear(h, vocab)
}
export sample(seed: int, example: int, steps: int = 10) -> [2] {
  x ~ normal([2])
  integrate s in 0..1 using rk4(steps) { dx/ds = velocity(x, s) }
  return x
}
export look(x: [1, 12, 12]) -> class[10] {
  h = mean(mean(relu(conv(x, 16, 3)), axis = -1), axis = -1)
  return argmax(linear(h, 10))
}
export generate(prompt: tokens[P], seed: int, example: int, count: int = 24) -> tokens[P + count] {
  x = prompt
  extend x by count {
    next ~ categorical(logits(x)[-1])
    append next
  }
  return x
}
"""
SAMPLE, LOOK, GENERATE, COMPLETIONS = "/run/soak.sample", "/run/soak.look", "soak.generate", "/v1/completions"
SEEDS, TEXTS, PICTURES, PROMPT, LENGTH, SIDE = 500, 20, 50, "Once upon", 24, 12
REFUSED: list[tuple[Any, int, str]] = [  # Bodies of a flow, with the status and the kind of what is said of them.
    ({"seed": 1}, 400, "input-missing"),
    ({"seed": -1, "example": 0, "steps": 0}, 400, "input-range"),
    ({"seed": 1.5, "example": [[0]]}, 400, "input-dtype"),
    ({"seed": float("nan"), "example": 0}, 400, "input-dtype"),
    ({"seed": list(range(2000)), "example": 0}, 400, "input-range"),
    ({"seed": [1, [2]], "example": 0}, 400, "input-shape"),
    ({"sééd": 1, "example": 0}, 400, "input-unknown"),
]
WARM = 0.2  # The share of the time after which memory is looked at first.
PATIENCE = 120.0  # Seconds after which an answer is lost.
MEGABYTE = 1 << 20


@dataclass
class Tally:
    """What came of all requests: seconds by kind, and how many were wrong or lost."""

    seconds: dict[str, list[float]] = field(default_factory=dict)
    wrong: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)

    def note(self, kind: str, seconds: float, right: bool) -> None:
        self.seconds.setdefault(kind, []).append(seconds)
        self.wrong[kind] += not right


class Kinds:
    """What clients ask, each with what is right."""

    def __init__(self, folder: Path) -> None:
        sample, look, text = (
            load(folder / f"soak.{name}.onnx", providers="cpu", threads=1) for name in ("sample", "look", "generate")
        )
        self.pictures = np.random.default_rng(0).normal(size=(PICTURES, 1, SIDE, SIDE)).astype(np.float32).round(3)
        self.labels = look(x=self.pictures).tolist()
        self.points = [sample(seed=[seed] * 2, example=[seed % 9] * 2)[:1].tobytes() for seed in range(SEEDS)]
        self.texts = [text(prompt=PROMPT, seed=seed, example=0)[len(PROMPT) :] for seed in range(TEXTS)]
        self.shares: list[tuple[float, str, Callable[[Client], Awaitable[bool]]]] = [
            (0.74, "sample", self.sample), (0.10, "look", self.look), (0.04, "progress", self.progress),
            (0.04, "stream", self.stream), (0.04, "refused", self.refused), (0.02, "gone", self.gone), (0.02, "left", self.left),
        ]  # fmt: skip

    async def sample(self, client: Client) -> bool:
        seed = random.randrange(SEEDS)
        status, raw = await client.post(SAMPLE, {"seed": seed, "example": seed % 9})
        return status == 200 and np.float32(json.loads(raw)["outputs"]["sample"]).tobytes() == self.points[seed]

    async def stream(self, client: Client) -> bool:
        seed = random.randrange(TEXTS)
        status, raw = await client.post(COMPLETIONS, _text(seed, LENGTH))
        events = [json.loads(e.removeprefix("data: ")) for e in raw.decode().split("\n\n") if e and "[DONE]" not in e]
        return status == 200 and "".join(e["choices"][0]["text"] for e in events) == self.texts[seed]

    async def look(self, client: Client) -> bool:
        place = random.randrange(PICTURES)
        status, raw = await client.post(LOOK, {"x": self.pictures[place].tolist()})
        return status == 200 and json.loads(raw)["outputs"]["look"] == [self.labels[place]]

    async def progress(self, client: Client) -> bool:
        seed = random.randrange(SEEDS)
        status, raw = await client.post(f"{SAMPLE}?progress=4", {"seed": [seed] * 2, "example": [seed % 9] * 2})
        events = [json.loads(e.removeprefix("data: ")) for e in raw.decode().split("\n\n") if e and "[DONE]" not in e]
        last = np.float32(events[-1]["outputs"]["sample"])[:1].tobytes()
        return status == 200 and [e["turns"] for e in events] == [4, 8, 10] and last == self.points[seed]

    async def refused(self, client: Client) -> bool:
        body, expected, code = random.choice(REFUSED)
        status, raw = await client.post(SAMPLE, body)
        return (status, json.loads(raw)["error"]["code"]) == (expected, code)

    async def left(self, client: Client) -> bool:
        await client.leave(f"{SAMPLE}?progress=1", {"seed": [1] * 999, "example": 0}, random.random() / 4)
        return True

    async def gone(self, client: Client) -> bool:
        await client.leave(COMPLETIONS, _text(0, 5000), random.random())
        return True


def _text(seed: int, count: int) -> dict[str, Any]:
    return {"model": GENERATE, "prompt": PROMPT, "seed": seed, "max_tokens": count, "stream": True}


async def ask(port: int, kinds: Kinds, tally: Tally, until: float) -> None:
    """One client, until the time is over."""
    client, shares = Client(port), [share for share, _, _ in kinds.shares]
    while time.monotonic() < until:
        ((_, kind, asking),) = random.choices(kinds.shares, shares)
        began = time.perf_counter()
        try:
            right = await asyncio.wait_for(asking(client), PATIENCE)
            tally.note(kind, time.perf_counter() - began, right)
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            tally.lost[f"{kind}: {type(error).__name__}"] += 1
            client.close()
    client.close()


async def watch(process: int, began: float, until: float) -> list[tuple[float, float]]:
    """The server's memory every second: the share of the time, and megabytes."""
    seen = []
    while (now := time.monotonic()) < until:
        pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
        seen.append(((now - began) / (until - began), pages * os.sysconf("SC_PAGE_SIZE") / MEGABYTE))
        await asyncio.sleep(1)
    return seen


async def soak(
    port: int, process: int, kinds: Kinds, clients: int, minutes: float
) -> tuple[Tally, list[tuple[float, float]]]:
    """Ask from so many clients, for so many minutes."""
    tally, began = Tally(), time.monotonic()
    until = began + 60 * minutes
    watching = asyncio.create_task(watch(process, began, until))
    await asyncio.gather(*(ask(port, kinds, tally, until) for _ in range(clients)))
    return tally, await watching


def report(tally: Tally, memory: list[tuple[float, float]], minutes: float) -> bool:
    """Say what came of it; whether nothing was lost or wrong."""
    total = sum(map(len, tally.seconds.values()))
    print(f"{total:,} requests, {total / minutes / 60:,.0f} a second; lost {dict(tally.lost)}")
    for kind, seconds in tally.seconds.items():
        half, most = (1000 * np.quantile(seconds, q) for q in (0.5, 0.99))
        print(
            f"{kind:8} {len(seconds):8,}  wrong {tally.wrong[kind]}  p50 {half:.0f} ms  p99 {most:.0f} ms  longest {1000 * max(seconds):.0f} ms"
        )
    warm = [megabytes for share, megabytes in memory if share >= WARM]
    parts = np.array_split(warm, 4)
    print("memory of the server, MB, every half minute: " + ", ".join(f"{m:.0f}" for _, m in memory[::30]))
    print(
        "and quarter by quarter of the time after its first fifth: " + ", ".join(f"{part.mean():.1f}" for part in parts)
    )
    return not tally.lost and not sum(tally.wrong.values())


def main() -> None:
    """Serve, soak, and say what came of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.serving")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=200)
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        program = check_text(Path("soak.mai"), SPEC).program
        assert program is not None
        options = CompileOptions(progress=True)
        compile_all(program, ["sample", "look", "generate"], None, folder, options, report=lambda _: None)
        kinds = Kinds(folder)
        words = ["serve", str(folder), "--port", "0", "--no-page", "--threads", "1", "--queue", str(2 * said.clients)]
        server = subprocess.Popen([sys.executable, "-m", "mai.runtime.cli", *words], stderr=subprocess.PIPE, text=True)
        assert server.stderr is not None
        port = int(re.findall(r"http://127\.0\.0\.1:(\d+)", server.stderr.readline())[0])
        tally, memory = asyncio.run(soak(port, server.pid, kinds, said.clients, said.minutes))
        server.send_signal(signal.SIGTERM)
        ended = server.wait(60)
    right = report(tally, memory, said.minutes)
    print(f"the server ended with {ended}")
    sys.exit(0 if right and ended == 0 else 1)


if __name__ == "__main__":
    main()
