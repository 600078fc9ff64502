"""A small tokenizer of the package `tokenizers`, with special tokens."""

from __future__ import annotations

import json

WORDS = ["<pad>", "<unk>", "<s>", "</s>", "red", "fish", "blue", "one"]


def word_tokenizer(template: str, **changes: object) -> str:
    """A tokenizer of whole words, whose post-processor is a template as "<s> $A </s>"."""
    special = [{"id": i, "content": w, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False,
                "special": True} for i, w in enumerate(WORDS[:4])]  # fmt: skip
    single = [
        {"Sequence": {"id": "A", "type_id": 0}} if part == "$A" else {"SpecialToken": {"id": part, "type_id": 0}}
        for part in template.split()
    ]
    ids = {w: {"id": w, "ids": [i], "tokens": [w]} for i, w in enumerate(WORDS[:4])}
    processor = {"type": "TemplateProcessing", "single": single, "pair": single, "special_tokens": ids}
    model = {"type": "WordLevel", "vocab": {w: i for i, w in enumerate(WORDS)}, "unk_token": "<unk>"}
    parts = {"added_tokens": special, "pre_tokenizer": {"type": "WhitespaceSplit"}, "post_processor": processor}
    return json.dumps({"version": "1.0", "truncation": None, "padding": None, "normalizer": None, "decoder": None,
                       **parts, "model": model, **changes})  # fmt: skip
