"""Particles: tokens that attend to each other.

`sinkformer`: attention whose weights are doubly stochastic (Sander et al. 2022). `attention_flow`: tokens on a sphere that
cluster (Geshkovski et al. 2023).
"""

from __future__ import annotations

import json

import numpy as np

from benchmarks.fidelity.claim import EXAMPLES, Array, Claim, compiled, program_of, trained

TOKENS = 16
EXAMPLE_COUNT = 64
TIME = 40.0
WEIGHTS = 'import "{path}"\nexport weights(S: [P, P]) -> [P, P] {{ return {weights} }}\n'


def claims() -> list[Claim]:
    return [*sinkhorn(), accuracy(), clusters()]


def _weights(written: str) -> Array:
    """Attention's weights from scores of variance 1, which is what the net begins with."""
    program = program_of(WEIGHTS.format(path=EXAMPLES / "sinkformer.mai", weights=written))
    scores = np.random.default_rng(0).normal(size=(EXAMPLE_COUNT, TOKENS, TOKENS)).astype(np.float32)
    made: Array = compiled(program, "weights")(S=scores)
    return made


def sinkhorn() -> list[Claim]:
    many, one, soft = (_weights(w) for w in ("sinkhorn(S, 20)", "sinkhorn(S, 1)", "softmax(S)"))
    off = max(float(np.abs(many.sum(axis) - 1).max()) for axis in (-1, -2))
    differs = float(np.abs(one - soft).max())
    source = "Sander et al. 2022"
    return [
        Claim("sinkformer", "20 rounds: rows and columns sum to 1", "1e-4", f"{off:.1e}", off <= 1e-4, source),
        Claim("sinkformer", "1 round is softmax", "1e-6", f"{differs:.1e}", differs <= 1e-6, source),
    ]


def accuracy() -> Claim:
    """Of the test split, which training only looks at."""
    _, weights = trained("sinkformer")
    last = (weights.parent / "metrics.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    share = json.loads(last)["held-out accuracy"]
    return Claim("sinkformer", "accuracy on test digits", "at least 95 %", f"{share:.1%}", share >= 0.95, "")


def clusters() -> Claim:
    """With Q = K = V = I, tokens that begin in an open half of the circle end in one point, whatever their number."""
    evolve, g = compiled(program_of("attention_flow"), "evolve"), np.random.default_rng(0)
    widest = 0.0
    for count in (4, 16, 64):
        angle = g.uniform(0, np.pi, (EXAMPLE_COUNT, count))
        begin = np.stack([np.cos(angle), np.sin(angle)], -1).astype(np.float32)
        end = evolve(X=begin, time=TIME)[:, -1]
        widest = max(widest, float(np.linalg.norm(end[:, :, None] - end[:, None], axis=-1).max()))
    statement = f"tokens of a half circle are one cluster at time {TIME:g}: the largest distance in it"
    return Claim("attention_flow", statement, "1e-5", f"{widest:.1e}", widest <= 1e-5, "Geshkovski et al. 2023")
