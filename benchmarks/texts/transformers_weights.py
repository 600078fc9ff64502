"""The weights of a transformers model under the names of a `.mai` program.

Conventions that differ, and what becomes of them:

- GPT-2's `Conv1D` keeps its matrix as [in, out]; `linear` has [out, in].
- GPT-2's `c_attn` is queries, keys and values in one; `attention` has a `linear` for each.
- GPT-2's keys have a bias. It adds the same number to all scores of a query, so it cancels in the softmax, and
  `attention` has none.
- Rotary positions turn the pairs (i, i + d/2) of a head in both: Llama's rows need no permutation.
- `gelu` is the tanh form, which transformers calls `gelu_new`; `layer_norm` adds 1e-5 and `rms_norm` 1e-6.
- A tied head is the embedding's own matrix: `lm_head.weight` is then a second name of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from mai.compiler.program import Program
from mai.runtime.arrays import Array

Named = Iterator[tuple[str, Array]]

LAYER_EPS, RMS_EPS, ROPE_BASE = 1e-5, 1e-6, 10000.0
# Constants of a program that no shape shows, and transformers' names for them.
UNSEEN = {"heads": "num_attention_heads", "kv_heads": "num_key_value_heads"}


class Unlike(ValueError):
    """A transformers model computes something else than the program."""


class Tensors:
    """A state dict from which every tensor is taken once."""

    def __init__(self, state: Mapping[str, Any]) -> None:
        self._left = dict(state)

    def __call__(self, name: str) -> Array:
        """Take a tensor, in float32."""
        array: Array = self._left.pop(name).detach().float().cpu().numpy()
        return array

    @property
    def left(self) -> list[str]:
        """The names of the tensors that nothing has taken, sorted."""
        return sorted(self._left)


def weights_of(program: Program, model: Any, net: str = "logits") -> dict[str, Array]:
    """The weights of `program`, whose net `net` is the network of `model`.

    Args:
        model: a transformers `GPT2LMHeadModel` or `LlamaForCausalLM`.

    Raises:
        Unlike: the model's configuration means another network, or a tensor is left over, missing or of another shape.
    """
    kind = model.config.model_type
    if kind not in FAMILIES:
        raise Unlike(f"a `{kind}` model has no counterpart here: there are {', '.join(FAMILIES)}")
    required, named = FAMILIES[kind]
    for setting, expected in required.items():
        if getattr(model.config, setting) != expected:
            raise Unlike(
                f"`{setting}` is {getattr(model.config, setting)!r} in the model, the program has {expected!r}"
            )
    for constant, setting in UNSEEN.items():
        here, there = program.constants.get(constant), getattr(model.config, setting, None)
        if here is not None and here != there:
            raise Unlike(f"`{constant}` is {here} in the program, `{setting}` is {there} in the model")
    tensors = Tensors(model.state_dict())
    weights = {f"{net}.{name}": np.ascontiguousarray(array) for name, array in named(tensors, model.config)}
    if tensors.left:
        raise Unlike(f"the program has no place for {', '.join(tensors.left)}")
    _fit(program, weights)
    return weights


def _fit(program: Program, weights: Mapping[str, Array]) -> None:
    """Check that these are exactly the weights of the program, in their shapes. Raises `Unlike`."""
    if other := sorted(weights.keys() ^ program.weights.keys()):
        raise Unlike(f"only one of the model and the program has {', '.join(other)}")
    for name, weight in program.weights.items():
        if weights[name].shape != weight.shape:
            raise Unlike(f"`{name}` is {list(weights[name].shape)} in the model, {list(weight.shape)} in the program")


def _gpt2(take: Tensors, config: Any) -> Named:
    tied, head = config.tie_word_embeddings, take("lm_head.weight")
    token = take("transformer.wte.weight")
    yield "token", token
    yield "place", take("transformer.wpe.weight")
    for i in range(config.n_layer):
        block, turn = f"transformer.h.{i}", f"repeat_1.{i}"
        yield from _both(f"{turn}.layer_norm_1", take, f"{block}.ln_1")
        yield from _both(f"{turn}.layer_norm_2", take, f"{block}.ln_2")
        matrices = np.split(take(f"{block}.attn.c_attn.weight").T, 3)
        biases = np.split(take(f"{block}.attn.c_attn.bias"), 3)
        for j, (matrix, bias) in enumerate(zip(matrices, biases, strict=True)):
            yield f"{turn}.attention_1.linear_{j + 1}.weight", matrix
            if j != 1:  # the keys'
                yield f"{turn}.attention_1.linear_{j + 1}.bias", bias
        yield from _both(f"{turn}.attention_1.linear_4", take, f"{block}.attn.c_proj", transposed=True)
        yield from _both(f"{turn}.mlp_1.linear_1", take, f"{block}.mlp.c_fc", transposed=True)
        yield from _both(f"{turn}.mlp_1.linear_2", take, f"{block}.mlp.c_proj", transposed=True)
    yield from _both("layer_norm_1", take, "transformer.ln_f")
    if not tied:
        yield "linear_1.weight", head
    elif not np.array_equal(head, token):
        raise Unlike("the head is said to be tied, and is not the embedding's matrix")


def _both(name: str, take: Tensors, theirs: str, transposed: bool = False) -> Named:
    weight = take(f"{theirs}.weight")
    yield f"{name}.weight", weight.T if transposed else weight
    yield f"{name}.bias", take(f"{theirs}.bias")


LLAMA_BLOCK = {
    "rms_norm_1": "input_layernorm",
    "attention_1.linear_1": "self_attn.q_proj",
    "attention_1.linear_2": "self_attn.k_proj",
    "attention_1.linear_3": "self_attn.v_proj",
    "attention_1.linear_4": "self_attn.o_proj",
    "rms_norm_2": "post_attention_layernorm",
    "gated_mlp_1.linear_1": "mlp.gate_proj",
    "gated_mlp_1.linear_2": "mlp.up_proj",
    "gated_mlp_1.linear_3": "mlp.down_proj",
}


def _llama(take: Tensors, config: Any) -> Named:
    yield "embed_1.weight", take("model.embed_tokens.weight")
    for i in range(config.num_hidden_layers):
        for ours, theirs in LLAMA_BLOCK.items():
            yield f"repeat_1.{i}.{ours}.weight", take(f"model.layers.{i}.{theirs}.weight")
    yield "rms_norm_1.weight", take("model.norm.weight")
    yield "linear_1.weight", take("lm_head.weight")


# By transformers' model type: the settings that the specs' nets have fixed, and how the tensors are named.
FAMILIES: dict[str, tuple[dict[str, Any], Callable[[Tensors, Any], Named]]] = {
    "gpt2": (
        {
            "layer_norm_epsilon": LAYER_EPS,
            "activation_function": "gelu_new",
            "scale_attn_weights": True,
            "scale_attn_by_inverse_layer_idx": False,
        },
        _gpt2,
    ),
    "llama": (
        {
            "rms_norm_eps": RMS_EPS,
            "hidden_act": "silu",
            "attention_bias": False,
            "mlp_bias": False,
            "tie_word_embeddings": False,
            "rope_parameters": {"rope_theta": ROPE_BASE, "rope_type": "default"},
        },
        _llama,
    ),
}
