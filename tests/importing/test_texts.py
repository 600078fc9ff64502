"""Files of a tokenizer that say different things, and texts that are too long for a model's positions: refused, or told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mai.compiler.importing.importing import import_folder
from mai.runtime.text.tokenizer import Pieces
from mai.spec.diagnostics import MaiError
from tests.support.command import invoke
from tests.support.models.decoder_folders import DECODERS
from tests.support.models.model_folders import VOCAB, save

SPECIAL = {"lstrip": False, "rstrip": False, "single_word": False, "normalized": False, "special": True}
SAID: dict[str, Any] = {
    "bos_token": "<s>", "eos_token": {"content": "</s>", **SPECIAL}, "add_bos_token": True, "add_eos_token": False,
    "added_tokens_decoder": {"0": {"content": "<s>", **SPECIAL}}, "chat_template": "{{ messages }}", "do_lower_case": False,
    "additional_special_tokens": ["</s>"], "model_max_length": 1e30, "clean_up_tokenization_spaces": False, "add_prefix_space": False,
}  # fmt: skip

# Of tokenizers that make something of a field.
CLASSES: dict[str, dict[str, object]] = {
    "bos_token": {"tokenizer_class": "CodeLlamaTokenizerFast", "add_bos_token": None},
    "sep_token": {"tokenizer_class": "BertTokenizer"},
    "split_by_punct": {"tokenizer_class": "DebertaV2Tokenizer"},
}


def folder_of(path: Path, name: str = "llama", **changes: object) -> Path:
    """A model's folder with a tokenizer of whole words that begins a text with <s>, and what its settings say."""
    save(DECODERS[name].make(), path)
    added = [{"id": i, "content": t, **SPECIAL} for i, t in enumerate(("<s>", "</s>"))]
    vocab = {"<s>": 0, "</s>": 1, **{f"w{i}": i for i in range(2, VOCAB)}}
    before = {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
              "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]}}}  # fmt: skip
    bytes_ = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    lower = {
        "type": "BertNormalizer",
        "clean_text": True,
        "handle_chinese_chars": True,
        "strip_accents": None,
        "lowercase": False,
    }
    (path / "tokenizer.json").write_text(json.dumps({
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "decoder": None, "post_processor": before,
        "normalizer": {"type": "Sequence", "normalizers": [lower]}, "pre_tokenizer": bytes_,
        "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "</s>"},
    }))  # fmt: skip
    (path / "tokenizer_config.json").write_text(json.dumps({**SAID, **changes}))
    return path


def test_files_that_agree(tmp_path: Path) -> None:
    imported = import_folder(folder_of(tmp_path), tmp_path / "m.mai")
    assert imported.notes == ()
    assert imported.has_chat and imported.asked == "prompt"
    assert imported.is_endless  # Its positions turn, and go on behind those that it was trained on.
    config = json.loads((tmp_path / "config.json").read_text())
    as_wide = {**config, "max_position_embeddings": config["hidden_size"]}  # As Llama 2 of 7 billion parameters is.
    (tmp_path / "config.json").write_text(json.dumps(as_wide))
    assert import_folder(tmp_path, tmp_path / "m.mai").is_endless


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("eos_token", "<end>", "`eos_token` is '<end>', a token that tokenizer.json has not"),
        ("additional_special_tokens", ["</s>", "<tool>"], "`additional_special_tokens` is '<tool>', a token"),
        ("extra_special_tokens", {"image_token": "<image>"}, "`extra_special_tokens` is '<image>', a token"),
        ("added_tokens_decoder", {"97": {"content": "<new>"}}, "`added_tokens_decoder.97`: it is '<new>', and None in tokenizer.json"),
        ("added_tokens_decoder", {"0": {"content": "<a>"}}, "it is '<a>', and '<s>' in tokenizer.json"),
        ("added_tokens_decoder", {"5": {"content": "w5"}}, "'w5' is added, and a plain token in tokenizer.json"),
        ("added_tokens_decoder", {"1": {"content": "</s>", "lstrip": True}}, "`lstrip` of '</s>' is true, and not in tokenizer.json"),
        ("add_bos_token", False, "`add_bos_token` is false, and tokenizer.json puts it there"),
        ("add_eos_token", True, "`add_eos_token` is true, and tokenizer.json puts none there"),
        ("add_prefix_space", True, "`add_prefix_space` is true, and false in tokenizer.json"),
        ("do_lower_case", True, "`do_lower_case` is true, and false in tokenizer.json"),
        ("tokenize_chinese_chars", False, "`tokenize_chinese_chars` is false, and true in tokenizer.json"),
        ("split_special_tokens", True, "special tokens are not split here"),
        ("eos_token", "w7", "`eos_token` is 'w7', a plain token in tokenizer.json"),
        ("image_token", "<image>", "`image_token` is '<image>', a token that tokenizer.json has not"),
        ("unk_token", "<s>", "`unk_token` is '<s>', and '</s>' in tokenizer.json"),
        ("bos_token", "</s>", "`bos_token` is '</s>', and tokenizer.json puts '<s>' there"),
        ("sep_token", "</s>", "`sep_token` is '</s>', and tokenizer.json puts none there"),
        ("src_lang", "</s>", "`src_lang` is '</s>', and tokenizer.json puts '<s>' there"),
        ("split_by_punct", True, "`split_by_punct` is true, and tokenizer.json has no such part, Punctuation"),
        ("tokenizer_class", "BertTokenizerFast",
         "`tokenizer_class` is 'BertTokenizerFast', of WordPiece and BertPreTokenizer; tokenizer.json is of ByteLevel and WordLevel"),
    ],
)  # fmt: skip
def test_what_the_tokenizer_contradicts(field: str, value: object, message: str, tmp_path: Path) -> None:
    folder = folder_of(tmp_path, **{field: value}, **CLASSES.get(field, {}))
    of_kind = ["tokenizer_class"] * (field in CLASSES)  # Words are cut otherwise by those classes.
    with pytest.raises(MaiError) as caught:
        import_folder(folder, tmp_path / "m.mai", of_kind)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == "config-unknown"
    assert message in diagnostic.message
    assert f"--ignore {field}" in str(diagnostic.help)
    assert import_folder(folder, tmp_path / "m.mai", [field, *of_kind]).exports == ("predict", "generate")


def test_texts_with_times(tmp_path: Path) -> None:
    """Whisper's tokenizer puts a token before a text that has none."""
    folder = folder_of(tmp_path, predict_timestamps=True)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_text((folder / name).read_text().replace("<s>", "<|notimestamps|>"))
    with pytest.raises(MaiError, match="`predict_timestamps` is true, and"):
        import_folder(folder, tmp_path / "m.mai")


def test_a_class_that_is_not_asked(tmp_path: Path) -> None:
    """Published models name this class beside tokens of bytes; transformers then reads tokenizer.json."""
    assert import_folder(folder_of(tmp_path, tokenizer_class="LlamaTokenizerFast"), tmp_path / "m.mai").notes == ()


def test_blanks_before_a_text(tmp_path: Path) -> None:
    """A text begins with a blank, or each of its parts does."""
    folder = folder_of(tmp_path, add_prefix_space=False, legacy=True)
    content = json.loads((folder / "tokenizer.json").read_text())
    content["pre_tokenizer"] = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(MaiError) as caught:
        import_folder(folder, tmp_path / "m.mai")
    assert [d.message.partition(",")[0] for d in caught.value.diagnostics] == [
        "tokenizer_config.json: `add_prefix_space` is false",
        "tokenizer_config.json: `legacy` is true",
    ]


def test_tokens_that_the_model_has_not(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"]["vocab"]["more"] = VOCAB
    (folder / "tokenizer.json").write_text(json.dumps(content))
    (note,) = import_folder(folder, tmp_path / "m.mai").notes
    assert note == "tokenizer.json has 98 tokens and the model 97: texts with 'more' or later ones cannot be read"


def test_blanks_that_transformers_takes_out(tmp_path: Path) -> None:
    """It takes none out of pairs of bytes, whatever is said."""
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    folder = folder_of(tmp_path, clean_up_tokenization_spaces=True, eos_token="</s>")
    (note,) = import_folder(folder, tmp_path / "m.mai").notes
    assert note.startswith("texts are what their tokens say, a blank before `.` or `n't` included")
    file = folder / "tokenizer.json"
    plain = json.loads(file.read_text())
    vocab = {**{t: i for t, i in plain["model"]["vocab"].items() if i < 90}, "a": 90, ".": 91}
    kinds = {"WordLevel": {}, "BPE": {"merges": []}}
    for kind, more in kinds.items():
        file.write_text(json.dumps(plain | {"model": {"type": kind, "vocab": vocab, "unk_token": "</s>", **more}}))
        notes = import_folder(folder, tmp_path / "m.mai").notes
        written = library.PreTrainedTokenizerFast.from_pretrained(folder).decode([90, 91])
        assert (written == "a.") is bool(notes)


BYTES = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
BLANK = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
PREPEND = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, BLANK]}
FIRST = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
LETTERS = {t: i for i, t in enumerate(["<s>", "</s>", "e", "Ã", "©", "Ì", "ģ", "▁"])}


@pytest.mark.parametrize(
    ("kind", "normalizer", "cut", "text", "words"),
    [
        ("GPT2Tokenizer", {"type": "NFC"}, BYTES, "e\u0301", "makes a GPT2Tokenizer without NFC"),
        ("GPT2Tokenizer", None, BYTES, "e\u0301", ""),
        ("LlamaTokenizer", PREPEND, None, " e", "also one that begins with a blank"),
        ("LlamaTokenizer", BLANK, None, "e", "tokenizer.json before none"),
        ("LlamaTokenizer", None, FIRST, " e", ""),
    ],
)  # fmt: skip
def test_what_a_class_makes_otherwise(
    kind: str, normalizer: object, cut: object, text: str, words: str, tmp_path: Path
) -> None:
    """A note where transformers' tokens are not those of tokenizer.json."""
    library = pytest.importorskip("transformers", reason="transformers is not installed")
    folder = folder_of(
        tmp_path, tokenizer_class=kind, add_prefix_space=False if cut is BYTES else None, eos_token="</s>"
    )
    file = folder / "tokenizer.json"
    model = {"type": "BPE", "vocab": LETTERS, "merges": [], "unk_token": "</s>"}
    parts = {"model": model, "normalizer": normalizer, "pre_tokenizer": cut}
    file.write_text(json.dumps({**json.loads(file.read_text()), **parts}))
    notes = import_folder(folder, tmp_path / "m.mai").notes
    ours = Pieces(file.read_text()).encode(text)
    theirs = library.AutoTokenizer.from_pretrained(folder).encode(text, add_special_tokens=False)
    assert (list(ours) != theirs) is bool(words)
    assert [words in note for note in notes] == [True] * bool(words)


def test_what_a_class_does_not_put_there(tmp_path: Path) -> None:
    """Each token around a text, and the one of what is unknown, is another in these classes."""
    folder = folder_of(tmp_path, tokenizer_class="T5Tokenizer", eos_token=None)
    file = folder / "tokenizer.json"
    pieces = [[t, -1.0] for t in LETTERS]
    model = {"type": "Unigram", "vocab": pieces, "unk_id": 1}
    file.write_text(json.dumps({**json.loads(file.read_text()), "model": model, "pre_tokenizer": FIRST}))
    with pytest.raises(MaiError) as caught:
        import_folder(folder, tmp_path / "m.mai")
    messages = " ".join(d.message for d in caught.value.diagnostics)
    assert "puts no token before a text; tokenizer.json puts '<s>' there" in messages
    assert "whose token of what is unknown is 2; it is 1 in tokenizer.json" in messages
    assert "`eos_token` is '</s>', and tokenizer.json puts none there" in messages


def test_tokens_that_are_drawn(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    content = json.loads((folder / "tokenizer.json").read_text())
    content["model"] = {
        "type": "BPE",
        "vocab": content["model"]["vocab"],
        "merges": [],
        "dropout": 0.1,
        "unk_token": "</s>",
    }
    (folder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(MaiError, match=r"`model.dropout` is 0\.1: a text would have other tokens each time"):
        import_folder(folder, tmp_path / "m.mai")


def test_what_is_told(tmp_path: Path) -> None:
    """Other ends than the tokenizer's, a second template, a second file of special tokens."""
    folder = folder_of(tmp_path, eos_token="<s>")
    (folder / "chat_template.jinja").write_text("{{ messages[0] }}")
    (folder / "special_tokens_map.json").write_text(json.dumps({"eos_token": "w8", "bos_token": "<s>"}))
    said = invoke("import", folder)
    assert said.exit_code == 0, said.stderr
    message = " ".join(said.stderr.split())
    assert "note: tokenizer_config.json has '<s>' (0) as its `eos_token`; texts end at 1" in message
    assert (
        "note: chat_template.jinja is the template, as in transformers; tokenizer_config.json has another one"
        in message
    )
    assert "note: special_tokens_map.json has 'w8' as `eos_token`; tokenizer_config.json counts, '<s>'" in message


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (b"{{ messages | shout }}", "template `default`: the chat template says: No filter named 'shout'."),
        (b"{{ messages }}{{ pad_token }}", "reads `pad_token`, which tokenizer_config.json does not say"),
        (b"\xff{{ messages }}", "chat_template.jinja cannot be read: "),
    ],
)
def test_a_template_that_cannot_be_read(template: bytes, message: str, tmp_path: Path) -> None:
    """The rest is imported, and takes texts."""
    folder = folder_of(tmp_path)
    (folder / "chat_template.jinja").write_bytes(template)
    imported = import_folder(folder, tmp_path / "m.mai")
    assert not imported.has_chat
    assert 'text(tokenizer = "tokenizer.json", context = 64)' in imported.text
    (note,) = imported.notes
    assert note.startswith("there is no chat: ")
    assert message in note


@pytest.mark.parametrize(
    ("name", "limit"),
    [("phi3, long", "48"), ("llama, dynamic", "64"), ("llama, yarn", None), ("llama, stretched", None)],
)
def test_texts_that_are_too_long(name: str, limit: str | None, tmp_path: Path) -> None:
    save(DECODERS[name].make(), tmp_path)
    notes = import_folder(tmp_path, tmp_path / "m.mai").notes
    assert [n.partition(" at most")[0] for n in notes] == ([f"texts have {limit} tokens"] if limit else [])
