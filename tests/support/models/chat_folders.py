"""Folders of small chat models with random weights: a tokenizer of byte pairs with special tokens, and a template."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from tests.support.models.model_folders import TEXT, Model, save

CHATML = """{%- if messages[0]['role'] != 'system' -%}
{{ bos_token + '<|im_start|>system\\nYou are a model.<|im_end|>\\n' }}{%- else -%}{{ bos_token }}
{%- endif -%}
{%- if tools %}{{ '<tools>' }}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{{ '</tools>\\n' }}{% endif -%}
{%- for message in messages %}
{{- '<|im_start|>' + message['role'] + '\\n' }}{% generation %}{{ message['content'] | trim }}{% endgeneration %}{{ '<|im_end|>\\n' -}}
{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' -}}{% endif %}"""
SPECIAL = ["<s>", "<|im_end|>", "<|im_start|>", "<pad>"]
CORPUS = [
    "the quick brown fox jumps over the lazy dog", "system user assistant You are a model.", "hello there, what is one and one?",
    "0123456789 -+.:,{}[]\"'!?", "red fish blue fish one fish two fish", "a man a plan a canal",
]  # fmt: skip


@lru_cache(maxsize=1)
def chat_tokenizer() -> Any:
    """A tokenizer of transformers: pairs of bytes, the special tokens of ChatML first, and a post-processor that puts <s> before a text."""
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=320, initial_alphabet=alphabet, special_tokens=SPECIAL, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return library.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="<|im_end|>", pad_token="<pad>", chat_template=CHATML
    )


def chat_folder(folder: Path, kind: str = "Llama", **settings: object) -> Any:
    """Write a folder as `save_pretrained` does, of a class of transformers' models; the model."""
    tokenizer = chat_tokenizer()
    sizes = {**TEXT, "vocab_size": len(tokenizer), "max_position_embeddings": 512, "bos_token_id": 0, "eos_token_id": 1}
    model = Model(f"{kind}ForCausalLM", f"{kind}Config", {**sizes, **settings}).make()
    save(model, folder)
    tokenizer.save_pretrained(folder)
    return model
