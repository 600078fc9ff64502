"""Folders of RWKV 7 become specs that compute what its paper says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mai.compiler.importing.config import read_settings
from mai.compiler.importing.importing import import_folder
from mai.compiler.training.initial_weights import load_weights
from mai.spec.diagnostics import MaiError
from mai.spec.family_records import family_records
from tests.support.models import rwkv7
from tests.support.models.compiled_folders import compiled_files
from tests.support.models.model_folders import imported
from tests.support.models.zoo import tokens

PUBLISHED = {
    "a_low_rank_dim": 96, "attn": None, "attn_mode": "chunk", "auto_map": {"AutoModelForCausalLM": "modeling_rwkv7.RWKV7ForCausalLM"},
    "bos_token_id": 0, "decay_low_rank_dim": 96, "eos_token_id": 0, "fuse_cross_entropy": True, "fuse_norm": False, "gate_low_rank_dim": 256,
    "head_dim": 64, "hidden_act": "sqrelu", "hidden_ratio": 4.0, "hidden_size": 2048, "initializer_range": 0.006, "intermediate_size": 8192,
    "max_position_embeddings": 2048, "norm_bias": True, "norm_eps": 1e-05, "norm_first": True, "num_heads": 32, "num_hidden_layers": 24,
    "v_low_rank_dim": 64, "value_dim": [2048] * 24, "vocab_size": 65536, "torch_dtype": "bfloat16", "use_l2warp": True,
}  # fmt: skip


def greedy(weights: rwkv7.Tensors, prompt: np.ndarray, count: int) -> list[int]:
    text = prompt.tolist()
    for _ in range(count):
        text.append(int(rwkv7.logits(weights, np.array(text), rwkv7.SMALL)[-1].argmax()))
    return text


@pytest.mark.slow
def test_a_folder_computes_what_the_paper_says(tmp_path: Path) -> None:
    weights = rwkv7.tensors(rwkv7.SMALL)
    rwkv7.save(tmp_path, weights)
    files = compiled_files(imported(tmp_path), tmp_path, ["predict", "generate"])
    x = np.minimum(tokens(3, 23), 96)
    expected = np.stack([rwkv7.logits(weights, row, rwkv7.SMALL) for row in x])
    result = files["predict"](x=x)
    assert expected.std() > 0.1
    np.testing.assert_allclose(result, expected, atol=1e-4, rtol=0)
    grow = files["generate"]
    prompts = [x[0, :11], x[1, :2], x[2, :6]]
    together = grow(prompt=prompts, count=9, temperature=0.0, stop=-1)
    for prompt, row in zip(prompts, together, strict=True):
        assert row.tolist() == greedy(weights, prompt, 9)
        assert grow(prompt=prompt[None], count=9, temperature=0.0, stop=-1)[0].tolist() == row.tolist()


@pytest.mark.slow
def test_shares_as_they_were_saved_before(tmp_path: Path) -> None:
    """All six of a layer in one tensor, and no heads' number but their width; the same spec of the same values."""
    weights = rwkv7.tensors(rwkv7.SMALL | {"num_hidden_layers": 1})
    joined = {n: t for n, t in weights.items() if ".attn.x_" not in n}
    joined["model.layers.0.attn.x_x"] = np.concatenate([weights[f"model.layers.0.attn.x_{n}"][0] for n in "rwkvag"])
    values = []
    for name, tensors in (("new", weights), ("old", joined)):
        (tmp_path / name).mkdir()
        rwkv7.save(tmp_path / name, tensors, num_hidden_layers=1, fuse_norm=True)
        values.append(load_weights(imported(tmp_path / name), None)[0])
    assert values[0].keys() == values[1].keys()
    assert all(np.array_equal(values[0][n], values[1][n]) for n in values[0])


def test_a_config_as_it_is_published() -> None:
    read_settings(family_records()["rwkv7"], PUBLISHED, "config.json")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"attn": {"layers": [0], "num_heads": 4}}, "`attn.layers` is"),
        ({"value_dim": 64}, "values are known as wide as the layers"),
        ({"head_dim": 5}, "`hidden_size` is no multiple of `head_dim`"),
        ({"v_low_rank_dim": None}, "`v_low_rank_dim` is null"),
        ({"head_dim": None}, "`head_dim` and `num_heads` are both null"),
        ({"hidden_act": "gelu"}, "its activation is known as sqrelu"),
    ],
)
def test_what_is_refused(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    rwkv7.save(tmp_path, rwkv7.tensors(rwkv7.SMALL), **changes)
    with pytest.raises(MaiError, match=message):
        import_folder(tmp_path, tmp_path / "m.mai")
