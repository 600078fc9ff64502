"""Files of llama.cpp (GGUF): the same weights, positions and tokens as of the folder that they were made of."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mai.compiler.importing.adapter import spec_path
from mai.compiler.importing.gguf_model import config_of, share_of
from mai.compiler.importing.gguf_tokenizer import write_tokenizer
from mai.compiler.importing.importing import import_folder
from mai.compiler.weights.gguf_file import GgufFile, parts_of
from mai.compiler.weights.tensor_files import TensorFiles
from mai.spec.diagnostics import MaiError
from tests.support.models.chat_folders import CHATML, chat_tokenizer
from tests.support.models.compiled_folders import compiled_file
from tests.support.models.decoder_folders import DECODERS, LLAMA3
from tests.support.models.model_folders import VOCAB, imported
from tests.support.models.zoo import tokens

NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "self_attn.qkv_proj": "attn_qkv",
    "mlp.gate_up_proj": "ffn_up",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate": "ffn_gate_inp",
    "mlp.shared_expert_gate": "ffn_gate_inp_shexp",
    "mlp.shared_expert.gate_proj": "ffn_gate_shexp",
    "mlp.shared_expert.up_proj": "ffn_up_shexp",
    "mlp.shared_expert.down_proj": "ffn_down_shexp",
    "mlp.experts.gate": "ffn_gate_exps",
    "mlp.experts.up": "ffn_up_exps",
    "mlp.experts.down": "ffn_down_exps",
}
GEMMA = {
    "pre_feedforward_layernorm": "ffn_norm",
    "post_attention_layernorm": "post_attention_norm",
    "post_feedforward_layernorm": "post_ffw_norm",
}
KEYS = {
    "num_experts": "expert_count",
    "num_experts_per_tok": "expert_used_count",
    "moe_intermediate_size": "expert_feed_forward_length",
    "shared_expert_intermediate_size": "expert_shared_feed_forward_length",
}
CAPS = {"attn_logit_softcapping", "final_logit_softcapping"}  # fmt: skip
TOPS = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


def their_name(name: str, arch: str = "llama") -> str:
    if name in TOPS:
        return TOPS[name]
    _, _, layer, rest = name.split(".", 3)
    stem, _, end = rest.rpartition(".")
    return f"blk.{layer}.{ {**NAMES, **(GEMMA if arch in ('gemma2', 'gemma3') else {})}[stem] }.{end}"


def their_tensors(model: Any) -> Iterator[tuple[str, np.ndarray]]:
    """The tensors by names that have a place there: gates of experts and what they multiply are two."""
    for name, tensor in model.state_dict().items():
        array, stem = tensor.float().numpy(), name.removesuffix("gate_up_proj")
        if name.endswith("experts.gate_up_proj"):
            half = array.shape[1] // 2
            yield from ((f"{stem}gate.weight", array[:, :half]), (f"{stem}up.weight", array[:, half:]))
        elif name.endswith("experts.down_proj"):
            yield name.replace("down_proj", "down.weight"), array
        else:
            yield name, array


def paired(weight: np.ndarray, heads: int) -> np.ndarray:
    """As llama.cpp's `LlamaModel.permute` does."""
    return (
        weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:]).swapaxes(1, 2).reshape(weight.shape)
    )


def write(
    path: Path, model: Any, arch: str = "llama", kind: str = "F32", tokenizer: Any = None, at_most: int = 0, **more: Any
) -> Path:
    """A model as llama.cpp's converter writes it; matrices are of few bits where `kind` says so, files of `at_most` tensors."""
    gguf = pytest.importorskip("gguf", reason="gguf is not installed")
    writer = gguf.GGUFWriter(path, arch, split_max_tensors=at_most)
    write_config(writer, model.config, arch)
    for key, value in more.items():
        writer.add_uint32(f"{arch}.{key}", value)
    if tokenizer is not None:
        write_tokens(writer, tokenizer)
    write_tensors(writer, model, arch, gguf.GGMLQuantizationType[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def rope_of(c: Any) -> Any:
    return c.rope_parameters.get("full_attention", c.rope_parameters)


def write_config(writer: Any, c: Any, arch: str) -> None:
    writer.add_context_length(c.max_position_embeddings)
    writer.add_embedding_length(c.hidden_size)
    writer.add_block_count(c.num_hidden_layers)
    writer.add_feed_forward_length(c.intermediate_size)
    writer.add_head_count(c.num_attention_heads)
    writer.add_head_count_kv(c.num_key_value_heads)
    writer.add_layer_norm_rms_eps(c.rms_norm_eps)
    writer.add_rope_freq_base(rope_of(c)["rope_theta"])
    for field, key in KEYS.items():
        if "moe" in arch and hasattr(c, field):
            writer.add_uint32(f"{arch}.{key}", getattr(c, field))
    if arch in ("gemma2", "gemma3", "phi3"):
        writer.add_sliding_window(c.sliding_window or 0)
    if arch == "phi3":
        writer.add_rope_scaling_orig_ctx_len(c.max_position_embeddings)
    for field in CAPS:
        if getattr(c, field, None):
            writer.add_float32(f"{arch}.{field}", getattr(c, field))
    width = getattr(c, "head_dim", None) or c.hidden_size // c.num_attention_heads
    writer.add_rope_dimension_count(int(rope_of(c).get("partial_rotary_factor", 1) * width))
    writer.add_key_length(width)


def write_tokens(writer: Any, tokenizer: Any) -> None:
    pieces = [tokenizer.convert_ids_to_tokens(i) for i in range(len(tokenizer))]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(pieces)
    writer.add_token_types([3 if i < 4 else 1 for i in range(len(pieces))])
    merges = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(m) for m in merges])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_add_bos_token(True)
    writer.add_chat_template(CHATML)


def write_tensors(writer: Any, model: Any, arch: str, kind: Any) -> None:
    """The tensors, matrices in numbers of a kind, and by what Llama 3's rates are slower."""
    import gguf

    c = model.config
    for name, array in their_tensors(model):
        if name == "lm_head.weight" and c.tie_word_embeddings:
            continue
        if arch.startswith("gemma") and "norm" in name:
            array = array + 1
        if arch == "llama" and ("q_proj" in name or "k_proj" in name):
            array = paired(array, c.num_attention_heads if "q_proj" in name else c.num_key_value_heads)
        if array.ndim > 1 and kind.name != "F32":
            writer.add_tensor(their_name(name, arch), gguf.quantize(array, kind), raw_dtype=kind)
        else:
            writer.add_tensor(their_name(name, arch), np.ascontiguousarray(array))
    if rope_of(c)["rope_type"] == "llama3":
        pairs = c.hidden_size // c.num_attention_heads // 2
        plain = c.rope_parameters["rope_theta"] ** (-np.arange(pairs) / pairs)
        writer.add_tensor("rope_freqs.weight", (plain / model.model.rotary_emb.inv_freq.numpy()).astype(np.float32))


LONG = {
    "rope_parameters": {**LLAMA3, "rope_theta": 500000.0, "original_max_position_embeddings": 8192},
    "max_position_embeddings": 16384,
}
CASES = {
    "llama": ("llama", "llama", {}), "llama, stretched": ("llama, stretched", "llama", LONG), "qwen2": ("qwen2, windows", "qwen2", {}),
    "qwen3": ("qwen3", "qwen3", {}), "gemma": ("gemma", "gemma", {}), "gemma2": ("gemma2", "gemma2", {"query_pre_attn_scalar": 12}),
    "gemma3": ("gemma3", "gemma3", {"num_hidden_layers": 7, "query_pre_attn_scalar": 8, "layer_types": None}),
    "phi3": ("phi3", "phi3", {}), "phi3, in part": ("phi3, in part", "phi3", {}),
    "qwen2moe": ("qwen2_moe", "qwen2moe", {}), "qwen3moe": ("qwen3_moe", "qwen3moe", {"norm_topk_prob": True}),
}  # fmt: skip
QUICK = {"llama", "llama, stretched", "qwen2", "qwen3"}


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in CASES])
def test_a_file_computes_what_its_folder_does(name: str, tmp_path: Path) -> None:
    family, arch, more = CASES[name]
    case = DECODERS[family]
    settings = {
        k: v
        for k, v in {**case.settings, **more}.items()
        if "gemma" in arch or arch == "phi3" or k not in ("use_sliding_window", "sliding_window", "max_window_layers")
    }
    model = replace(case, settings=settings).make()
    file = write(tmp_path / "m.gguf", model, arch)
    program = imported(file, spec=spec_path(file))
    x = np.minimum(tokens(2, 11), VOCAB - 1)
    with torch.inference_mode():
        expected = model(torch.from_numpy(x)).logits.numpy()
    result = compiled_file(program, "predict", tmp_path)(x=x)
    np.testing.assert_allclose(result, expected, atol=1e-4 * max(1, np.abs(expected).max()))


def test_the_share_of_each_head_that_is_turned() -> None:
    """Rounded down as in the spec, it is what the file says."""
    assert all(math.floor(share_of(part, n) * n) == part for n in range(2, 257, 2) for part in range(2, n, 2))


@pytest.mark.parametrize(("kind", "most"), [("F32", 0), ("F16", 2e-3), ("BF16", 1e-2), ("Q8_0", 2e-2), ("Q4_0", 0.4)])
def test_few_bits(kind: str, most: float, tmp_path: Path) -> None:
    """Each tensor near that of the folder, under its name there."""
    model = replace(DECODERS["llama"], settings={**DECODERS["llama"].settings, "intermediate_size": 64}).make()
    with TensorFiles(write(tmp_path / "m.gguf", model, kind=kind)) as files:
        own = model.state_dict()
        assert files.shapes == {n: tuple(t.shape) for n, t in own.items()}
        for name, tensor in own.items():
            assert (files.read(name) - tensor).abs().max() <= most * tensor.abs().max()


@pytest.mark.parametrize("name", ["m.gguf", "m-00003-of-00002.gguf", "m-00000-of-00000.gguf"])
def test_a_file_whose_name_is_no_place_among_others_is_alone(name: str) -> None:
    assert parts_of(Path(name)) == [Path(name)]


def test_a_model_in_several_files(tmp_path: Path) -> None:
    """Each of them stands for all, and all must be there."""
    model = DECODERS["llama"].make()
    write(tmp_path / "m.gguf", model, at_most=9)
    parts = sorted(tmp_path.glob("m-*.gguf"))
    assert len(parts) > 1
    own = model.state_dict()
    for part in parts:
        with TensorFiles(part) as files:
            assert files.shapes == {n: tuple(t.shape) for n, t in own.items()}
            assert all(torch.equal(files.read(name), tensor) for name, tensor in own.items())
        assert spec_path(part) == tmp_path / "m.mai"
    assert import_folder(parts[-1], tmp_path / "m.mai").text.count("weights from") == 1
    alone = tmp_path / "alone.gguf"
    shutil.copy(parts[0], alone)
    with pytest.raises(MaiError, match=f"its model is in {len(parts)} files, and its name that it is one of 1"):
        import_folder(alone, tmp_path / "alone.mai")
    shutil.copy(parts[0], parts[1])
    with pytest.raises(MaiError, match="tensors together, and the model"):
        import_folder(parts[0], tmp_path / "m.mai")
    parts[1].unlink()
    with pytest.raises(MaiError, match="00002-of"):
        import_folder(parts[0], tmp_path / "m.mai")


def joined_by_scores(text: str, pieces: list[str], scores: list[float]) -> list[int]:
    """As llama.cpp's `llm_tokenizer_spm` reads a text: the pair with the best whole is joined, the first of equal ones."""
    parts = list(("▁" + text.replace(" ", "▁")) if text else "")
    while True:
        wholes = [a + b for a, b in pairwise(parts)]
        best = max(
            (i for i, w in enumerate(wholes) if w in pieces),
            key=lambda i: (scores[pieces.index(wholes[i])], -i),
            default=None,
        )
        if best is None:
            break
        parts[best : best + 2] = [wholes[best]]
    each = ([p] if p in pieces else [f"<0x{b:02X}>" for b in p.encode()] for p in parts)
    return [pieces.index(p) for piece in each for p in piece]


def test_a_tokenizer_of_sentence_piece(tmp_path: Path) -> None:
    """Pieces and their scores: the same tokens as by a plain loop, and the same text of them."""
    tokenizers = pytest.importorskip("tokenizers", reason="tokenizers is not installed")
    generator = np.random.default_rng(0)
    letters = [*"abcde", "▁", "ä"]
    grown = list(letters)
    while len(grown) < 60:
        whole = "".join(generator.choice(grown, 2))
        if whole not in grown and len(whole) < 7:
            grown.append(whole)
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{b:02X}>" for b in range(256)), *grown, "<|user|>"]
    kinds = [2, 3, 3, *[6] * 256, *[1] * len(grown), 4]
    scores = [0.0] * 259 + [-float(n) for n in generator.permutation(len(grown))] + [0.0]
    said = {
        "model": "llama",
        "tokens": pieces,
        "scores": scores,
        "token_type": kinds,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    write_tokenizer({f"tokenizer.ggml.{n}": v for n, v in said.items()}, tmp_path / "a")
    tokenizer = tokenizers.Tokenizer.from_file(str(tmp_path / "a" / "tokenizer.json"))
    for _ in range(60):
        text = "".join(
            generator.choice(
                [*"abcdeä ", "é", "\n", "日"], generator.integers(1, 30), p=[0.12] * 7 + [0.06, 0.05, 0.05]
            )
        )
        assert tokenizer.encode(text).ids == [1, *joined_by_scores(text, pieces, scores)], repr(text)
        assert tokenizer.decode(tokenizer.encode(text).ids) == text
    assert tokenizer.encode("ab<|user|>").tokens[-1] == "<|user|>"
    more = {
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_eos_token": True,
        "tokenizer.ggml.add_space_prefix": False,
    }
    write_tokenizer({f"tokenizer.ggml.{n}": v for n, v in said.items()} | more, tmp_path / "b")
    ends = tokenizers.Tokenizer.from_file(str(tmp_path / "b" / "tokenizer.json")).encode("a").ids
    assert ends == [pieces.index("a"), 2]


def test_its_tokenizer_and_its_conversations(tmp_path: Path) -> None:
    tokenizer = chat_tokenizer()
    case = DECODERS["llama"]
    model = replace(case, settings={**case.settings, "vocab_size": len(tokenizer)}).make()
    file = write(tmp_path / "m.gguf", model, tokenizer=tokenizer)
    result = import_folder(file, tmp_path / "m.mai")
    assert result.has_chat
    assert result.notes == ()
    assert 'tokenizer = "m.tokenizer/tokenizer.json", chat = "m.tokenizer/tokenizer_config.json"' in result.text
    from transformers import PreTrainedTokenizerFast

    ours = PreTrainedTokenizerFast(tokenizer_file=str(tmp_path / "m.tokenizer" / "tokenizer.json"))
    for text in ("one fish, two  fish!\n", "<|im_start|>user\nwhat is 12?", "naïve ☃ 雪"):
        assert ours(text).input_ids == tokenizer(text).input_ids
        assert ours.decode(ours(text).input_ids) == tokenizer.decode(tokenizer(text).input_ids)


@pytest.mark.parametrize(
    ("arch", "more", "message"),
    [
        ("llama", {"expert_count": 4}, "`llama.expert_count` is 4, and nothing is known of it"),
        ("llama", {"rope.dimension_count": 4}, "`llama.rope.dimension_count` is 4, and heads have 8 numbers"),
        ("rwkv6", {}, "`general.architecture` is 'rwkv6'"),
    ],
)
def test_what_is_refused(arch: str, more: dict[str, Any], message: str, tmp_path: Path) -> None:
    file = write(tmp_path / "m.gguf", DECODERS["llama"].make(), arch, **more)
    with pytest.raises(MaiError) as caught:
        import_folder(file, tmp_path / "m.mai")
    assert message in caught.value.diagnostics[0].message


def test_no_such_file(tmp_path: Path) -> None:
    pytest.importorskip("gguf", reason="gguf is not installed")
    (tmp_path / "m.gguf").write_bytes(b"GGUF" + b"\xff" * 60)
    with pytest.raises(MaiError, match=r"m\.gguf: "):
        import_folder(tmp_path / "m.gguf", tmp_path / "m.mai")


def test_without_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gguf", None)
    (tmp_path / "m.gguf").write_bytes(b"GGUF")
    with pytest.raises(MaiError, match="need the package `gguf`") as caught:
        import_folder(tmp_path / "m.gguf", tmp_path / "m.mai")
    assert caught.value.diagnostics[0].help == "pip install gguf"


def test_rates_that_are_not_known() -> None:
    metadata = {"llama.embedding_length": 32, "llama.attention.head_count": 4}
    with pytest.raises(MaiError, match="factors that are not Llama 3's"):
        config_of(GgufFile("llama", metadata, {}, torch.tensor([1.0, 2, 3, 4])))


@pytest.mark.parametrize(
    ("said", "kind"), [({"scaling.factor": 4.0}, "linear"), ({"scale_linear": 4.0}, "linear"), ({"scaling.factor": 4.0, "scaling.type": "yarn"}, "yarn"),
                       ({"scaling.factor": 4.0, "scaling.type": "none"}, None)],
)  # fmt: skip
def test_a_factor_of_rates(said: dict[str, object], kind: str | None) -> None:
    """llama.cpp takes a factor whose kind is not stated as linear (`llama-model.cpp`)."""
    shape = {"llama.embedding_length": 32, "llama.attention.head_count": 4}
    metadata = {**shape, **{f"llama.rope.{name}": value for name, value in said.items()}}
    scaling = config_of(GgufFile("llama", metadata, {}, None))["rope_scaling"]
    assert isinstance(scaling, dict)
    assert (scaling["factor"], scaling.get("rope_type")) == (4, kind)
