"""What generates text today: transformers' `generate`, onnxruntime-genai, and `torch.onnx.export` of one step.

All have the same random weights. A rival whose package is not installed raises `Missing`.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mai.runtime.arrays import Array

# Tokens after a prompt [B, P]: ids and how many, to [B, count]. Greedy, and none of them ends it.
Generate = Callable[[Array, int], Array]
Constants = Mapping[str, Any]

GENAI_PRECISIONS = {"float32": "fp32", "int4": "int4"}
INSTALL = {"onnxruntime-genai": "--no-deps onnxruntime-genai"}
INT4 = ("--extra_options", "int4_accuracy_level=4", "int4_block_size=32")
ONE_THREAD = {"model": {"decoder": {"session_options": {"intra_op_num_threads": 1}}}}
START, END, UNKNOWN = 0, 1, 2
NGRAM = 3  # How many tokens must be the same for onnxruntime-genai to take those that followed as drafts.


class Missing(RuntimeError):
    """A rival cannot run here; the message says why."""


def version(package: str) -> str:
    """The version of an installed package. Raises `Missing`."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError as error:
        how = INSTALL.get(package, "'.[bench]'")
        raise Missing(f"{package} is not installed: pip install {how}") from error


def cache() -> Path:
    """Where checkpoints are kept between runs."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("MAI_BENCH_CACHE") or home / "mai" / "bench")


def llama(c: Constants) -> Any:
    """A transformers Llama of random weights, of the shape that the constants of `llama.mai` say."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=c["vocab"], hidden_size=c["d"], intermediate_size=c["hidden"], num_hidden_layers=c["depth"],
        num_attention_heads=c["heads"], num_key_value_heads=c["kv_heads"], max_position_embeddings=1024,
        rms_norm_eps=1e-6, initializer_range=0.04, tie_word_embeddings=False, bos_token_id=START, eos_token_id=END,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def gpt2(c: Constants) -> Any:
    """A transformers GPT-2 of random weights, of the shape that the constants of `gpt2.mai` say."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=c["vocab"], n_positions=c["context"], n_embd=c["d"], n_layer=c["depth"], n_head=c["heads"],
        initializer_range=0.05, tie_word_embeddings=bool(c["tied"]), bos_token_id=START, eos_token_id=END,
    )  # fmt: skip
    return GPT2LMHeadModel(config)


FAMILIES: dict[str, Callable[[Constants], Any]] = {"llama": llama, "gpt2": gpt2}


def random_model(family: str, constants: Constants) -> Any:
    """A transformers model with the same random weights at every call; norms and biases are random, too."""
    version("transformers")
    torch.manual_seed(0)
    model = FAMILIES[family](constants).eval()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 1:
                weight.add_(0.1 * torch.randn_like(weight))
    return model


def transformers_generate(model: Any) -> Generate:
    """Greedy generation by transformers' `generate`, with its cache."""

    def generate(ids: Array, count: int) -> Array:
        prompt = torch.from_numpy(ids)
        with torch.inference_mode():
            output = model.generate(
                prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=count, do_sample=False, eos_token_id=None,
                pad_token_id=START,
            )  # fmt: skip
        tokens: Array = output[:, ids.shape[1] :].numpy()
        return tokens

    return generate


def genai_generate(model: Any, precision: str, drafts: int = 0) -> Generate:
    """Greedy generation by onnxruntime-genai, on the graph that its own model builder makes of `model`.

    With `drafts`, a turn reads up to so many tokens more, which it looks up in the text so far: it takes a batch of 1 then.
    """
    version("onnxruntime-genai")
    import onnxruntime_genai as og

    config = og.Config(str(genai_folder(model, precision)))
    config.overlay(json.dumps(ONE_THREAD))
    loaded = og.Model(config)

    def generate(ids: Array, count: int) -> Array:
        batch, length = ids.shape
        parameters = og.GeneratorParams(loaded)
        whole = length + count
        parameters.set_search_options(min_length=whole, max_length=whole, batch_size=batch, do_sample=False)
        if drafts:
            parameters.set_speculative_options(ngram_size=NGRAM, max_draft_tokens=drafts)
        generator = og.Generator(loaded, parameters)
        generator.append_tokens(ids.astype(np.int32))
        while generator.token_count() < whole:
            generator.generate_next_token()
        return np.stack([np.asarray(generator.get_sequence(i))[length:whole] for i in range(batch)])

    return generate


def genai_folder(model: Any, precision: str) -> Path:
    """The folder of the graph that the model builder of onnxruntime-genai makes of a model, built where it is not in the cache."""
    versions = [version(package) for package in ("onnxruntime-genai", "transformers", "torch")]
    key = hashlib.sha256("\n".join([*versions, model.config.to_json_string()]).encode()).hexdigest()[:12]
    folder = cache() / f"{model.config.model_type}-{precision}-{key}"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            _build_genai(model, precision, Path(scratch))
            (Path(scratch) / "built").rename(folder)
    return folder


def _build_genai(model: Any, precision: str, folder: Path) -> None:
    model.save_pretrained(folder / "checkpoint")
    _toy_tokenizer(model.config.vocab_size).save_pretrained(folder / "checkpoint")
    command = [
        sys.executable, "-m", "onnxruntime_genai.models.builder", "-i", "checkpoint", "-o", "built", "-c", "cache",
        "-p", GENAI_PRECISIONS[precision], "-e", "cpu", *(INT4 if precision == "int4" else ()),
    ]  # fmt: skip
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    if done.returncode or not (folder / "built" / "genai_config.json").exists():
        reason = (done.stderr.strip() or "it said nothing").splitlines()[-1]
        raise Missing(f"onnxruntime-genai's model builder failed: {reason}")


def _toy_tokenizer(vocab: int) -> Any:
    """A tokenizer of as many tokens as the model has: the builder copies one, and nothing here uses it."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = {"<s>": START, "</s>": END, "<unk>": UNKNOWN}
    words |= {chr(0x4E00 + i): i for i in range(len(words), vocab)}
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[], unk_token="<unk>"))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


class Step(torch.nn.Module):
    """One step of a decoder, as the exporter traces it."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.depth = model, model.config.num_hidden_layers

    def forward(self, ids: Any, mask: Any, positions: Any, *past: Any) -> Any:
        """New tokens [B, S], mask [B, P + S], positions [B, S], keys and values so far; to the last logits, keys and values."""
        from transformers import DynamicCache

        cached = DynamicCache()
        for i in range(self.depth):
            cached.update(past[i], past[self.depth + i], i)
        output = self.model(
            input_ids=ids, attention_mask=mask, position_ids=positions, past_key_values=cached, use_cache=True, logits_to_keep=1
        )  # fmt: skip
        layers = output.past_key_values.layers
        return (output.logits, *(x.keys for x in layers), *(x.values for x in layers))


def export_seconds(model: Any, folder: Path) -> float:
    """Seconds of `torch.onnx.export` and saving, for a step graph with its cache."""
    version("onnxscript")
    c = model.config
    kv_heads = getattr(c, "num_key_value_heads", c.num_attention_heads)
    batch, new, before = 2, 3, 5
    past = [torch.randn(batch, kv_heads, before, c.hidden_size // c.num_attention_heads)] * (2 * c.num_hidden_layers)
    positions = torch.arange(before, before + new).expand(batch, new).contiguous()
    ids = torch.randint(UNKNOWN + 1, c.vocab_size, (batch, new))
    arguments = (ids, torch.ones(batch, before + new, dtype=torch.long), positions, *past)
    free = torch.export.Dim.DYNAMIC
    rows = {0: free, 1: free}
    shapes = {"ids": rows, "mask": rows, "positions": rows, "past": tuple({0: free, 2: free} for _ in past)}
    began = time.perf_counter()
    with torch.no_grad():
        program = torch.onnx.export(Step(model).eval(), arguments, dynamo=True, dynamic_shapes=shapes, verbose=False)
    assert program is not None
    program.save(str(folder / "step.onnx"), external_data=True)
    return time.perf_counter() - began
