"""RWKV 7 in numpy, by the formulas of its paper (Peng et al. 2025, "RWKV-7 Goose"), and a folder of it as flash-linear-attention saves one.

transformers has no RWKV 7. By hand this was compared with the package `rwkv` 0.8.32, which its authors publish.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

Array = np.ndarray
Tensors = dict[str, Array]
SMALL = {
    "vocab_size": 97, "hidden_size": 32, "num_hidden_layers": 3, "head_dim": 8, "decay_low_rank_dim": 6, "gate_low_rank_dim": 7,
    "a_low_rank_dim": 5, "v_low_rank_dim": 4, "intermediate_size": 48, "fuse_norm": False, "norm_eps": 1e-5,
}  # fmt: skip


def tensors(sizes: Mapping[str, int], seed: int = 0) -> Tensors:
    """Random ones by the names that flash-linear-attention has."""
    draw = np.random.default_rng(seed)
    d, vocab, hidden = sizes["hidden_size"], sizes["vocab_size"], sizes["intermediate_size"]
    shapes: dict[str, tuple[int, ...]] = {"model.embeddings.weight": (vocab, d), "lm_head.weight": (vocab, d)}
    norms = ["model.norm", "model.layers.0.pre_norm"]
    for i in range(sizes["num_hidden_layers"]):
        layer, attention = f"model.layers.{i}", f"model.layers.{i}.attn"
        norms += [f"{layer}.attn_norm", f"{layer}.ffn_norm", f"{attention}.g_norm"]
        shapes |= {f"{attention}.x_{n}": (1, 1, d) for n in "rwkvag"} | {
            f"{attention}.{n}": (d,) for n in ("k_k", "k_a")
        }
        shapes |= {f"{attention}.r_k": (d // sizes["head_dim"], sizes["head_dim"]), f"{layer}.ffn.x_k": (d,)}
        shapes |= {f"{attention}.{n}_proj.weight": (d, d) for n in "rkvo"}
        ranks = {"w": "decay_low_rank_dim", "a": "a_low_rank_dim", "g": "gate_low_rank_dim", "v": "v_low_rank_dim"}
        for n, name in ranks.items():
            if n != "v" or i:
                rank = sizes[name]
                shapes |= {
                    f"{attention}.{n}_lora.lora.0.weight": (rank, d),
                    f"{attention}.{n}_lora.lora.2.weight": (d, rank),
                }
                shapes |= {f"{attention}.{n}_lora.lora.2.bias": (d,)} if n != "g" else {}
        shapes |= {f"{layer}.ffn.key.weight": (hidden, d), f"{layer}.ffn.value.weight": (d, hidden)}
    shapes |= {f"{n}.{part}": (d,) for n in norms for part in ("weight", "bias")}
    return {name: draw.normal(0, 0.4, shape).astype(np.float32) for name, shape in shapes.items()}


def save(folder: Path, weights: Tensors, **settings: object) -> None:
    """The folder of a model."""
    config = {"model_type": "rwkv7", "architectures": ["RWKV7ForCausalLM"], **SMALL, **settings}
    (folder / "config.json").write_text(json.dumps(config))
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


def logits(weights: Tensors, x: Array, sizes: Mapping[str, int]) -> Array:
    """The scores of the next token after each of `x`, [P]."""
    w = {name.removeprefix("model."): tensor.astype(np.float64) for name, tensor in weights.items()}
    h = _norm(w["embeddings.weight"][x], w, "layers.0.pre_norm", sizes)
    first = None
    for i in range(sizes["num_hidden_layers"]):
        y, first = _mix_time(_norm(h, w, f"layers.{i}.attn_norm", sizes), first, w, f"layers.{i}.attn", sizes)
        h = h + y
        z = _norm(h, w, f"layers.{i}.ffn_norm", sizes)
        z = z + (_before(z) - z) * w[f"layers.{i}.ffn.x_k"]
        h = h + np.maximum(z @ w[f"layers.{i}.ffn.key.weight"].T, 0) ** 2 @ w[f"layers.{i}.ffn.value.weight"].T
    return _norm(h, w, "norm", sizes) @ w["lm_head.weight"].T


def _norm(x: Array, w: Tensors, name: str, sizes: Mapping[str, float]) -> Array:
    y = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + sizes["norm_eps"])
    return y * w[f"{name}.weight"] + w[f"{name}.bias"]


def _before(x: Array) -> Array:
    """At each place what stood one place before."""
    return np.concatenate([np.zeros_like(x[:1]), x[:-1]])


def _sigmoid(x: Array) -> Array:
    return 1 / (1 + np.exp(-x))


def _mix_time(x: Array, first: Array | None, w: Tensors, at: str, sizes: Mapping[str, int]) -> tuple[Array, Array]:
    """Equations 3 to 22 of the paper."""
    mixed = {n: x + (_before(x) - x) * w[f"{at}.x_{n}"][0, 0] for n in "rwkvag"}
    r, k, v = (mixed[n] @ w[f"{at}.{n}_proj.weight"].T for n in "rkv")
    decay = np.exp(-np.exp(-0.5) * _sigmoid(_low_rank(np.tanh, mixed["w"], w, f"{at}.w_lora")))
    if first is None:
        first = v
    else:
        v = v + (first - v) * _sigmoid(_low_rank(lambda z: z, mixed["v"], w, f"{at}.v_lora"))
    rate = _sigmoid(_low_rank(lambda z: z, mixed["a"], w, f"{at}.a_lora"))
    gate = _low_rank(_sigmoid, mixed["g"], w, f"{at}.g_lora")
    shape = (len(x), -1, sizes["head_dim"])
    removed = (k * w[f"{at}.k_k"]).reshape(shape)
    removed = removed / np.maximum(np.linalg.norm(removed, axis=-1, keepdims=True), 1e-12)
    k = k * (1 + (rate - 1) * w[f"{at}.k_a"])
    r, k, v, decay, rate = (z.reshape(shape) for z in (r, k, v, decay, rate))
    state, read = np.zeros((r.shape[1], shape[2], shape[2])), []
    for t in range(len(x)):
        replaced = np.einsum("hvc,hc->hv", state, removed[t])
        state = (
            state * decay[t][:, None]
            - replaced[:, :, None] * (removed[t] * rate[t])[:, None]
            + v[t][:, :, None] * k[t][:, None]
        )
        read.append(np.einsum("hvc,hc->hv", state, r[t]))
    y = np.stack(read)
    y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + sizes["head_dim"] * sizes["norm_eps"])
    y = y.reshape(len(x), -1) * w[f"{at}.g_norm.weight"] + w[f"{at}.g_norm.bias"]
    bonus = ((r * k * w[f"{at}.r_k"]).sum(-1, keepdims=True) * v).reshape(len(x), -1)
    return (y + bonus) * gate @ w[f"{at}.o_proj.weight"].T, first


def _low_rank(between: np.ufunc, x: Array, w: Tensors, at: str) -> Array:
    z = between(x @ w[f"{at}.lora.0.weight"].T) @ w[f"{at}.lora.2.weight"].T
    return z + w.get(f"{at}.lora.2.bias", np.zeros(1))
