"""What `tokenizer_config.json` says of texts beside `tokenizer.json`: where the two say different things, no side is taken in silence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from mai.compiler.data.chat import read_chat, token_text
from mai.compiler.importing.config import Settings, read_json, refused, said_in
from mai.compiler.importing.folder import TEMPLATE, TOKENIZER, TOKENIZER_CONFIG, ModelFolder
from mai.compiler.weights.gguf_file import SUFFIX
from mai.runtime.errors import ModelError
from mai.runtime.files import read_text, reason
from mai.runtime.text.tokenizer import Pieces
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.family_records import family_records

SPECIAL = "special_tokens_map.json"
MAX_BYTES = 200_000_000
ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "cls_token", "mask_token")
FLAGS = ("special", "lstrip", "rstrip", "normalized", "single_word")
# What a field says of the parts of tokenizer.json that read a text, by the names that it has there.
PARTS = {
    "add_prefix_space": "add_prefix_space",
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
UNTIMED = "<|notimestamps|>"  # What Whisper reads before a text without times.
CUTS = ("ByteLevel", "BertPreTokenizer")  # The ways to cut a text that no others stand for.
CHANGING = ("normalizer", "pre_tokenizer")  # What changes a text before its tokens are looked up.
# Which parts of a text begin with a blank, by the words of tokenizer.json.
BLANKS = {
    "first": "the first part of a text alone",
    "always": "each part of a text",
    "never": "none",
    "prepend": "each part of a text, also one that begins with a blank",
}
# A tokenizer as other programs keep it.
OTHER_FORMS = (
    "tokenizer.model",
    "spiece.model",
    "sentencepiece.bpe.model",
    "source.spm",
    "tekken.json",
    "vocab.txt",
    "vocab.json",
    TOKENIZER_CONFIG,
)
HELP = "`AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)` writes one of both; `--ignore {0}`: tokenizer.json counts"


def check_texts(folder: ModelFolder, settings: Settings, ignored: Sequence[str]) -> list[str]:
    """What is to be said of a folder's tokenizer: where what the files say may be taken in two ways.

    Args:
        ignored: fields that the user says change nothing.

    Raises:
        MaiError: `config-unknown` for each field that says of the tokens of a text what `tokenizer.json` does not.
    """
    if not folder.has_tokenizer:
        return []
    said_at, file = folder.texts / TOKENIZER_CONFIG, folder.texts / TOKENIZER
    try:
        text = read_text(file, MAX_BYTES)
        parts = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise refused("import-folder", f"{file} cannot be read: {reason(error)}") from error
    _check_draws(parts)
    pieces = _pieces(file, text)
    if not said_at.is_file():
        return []
    said = read_json(said_at)
    tokens = _Tokens(pieces, parts if isinstance(parts, dict) else {})
    complaints = [(f, c) for f, c in _contradictions(said, tokens, folder.config.get("model_type")) if f not in ignored]
    if complaints:
        said_of = ((f"{TOKENIZER_CONFIG}: {c}", HELP.format(f)) for f, c in dict.fromkeys(complaints))
        raise MaiError([Diagnostic("config-unknown", None, message, help=help) for message, help in said_of])
    return [
        *_beyond(tokens, settings),
        *_ends(said, tokens, settings),
        *_templates(folder, said),
        *_second_words(folder, said),
        *_blanks(said, tokens, settings),
        *_notes_of_rebuilding(said, tokens, folder.config.get("model_type")),
    ]


def _pieces(file: Path, text: str) -> Pieces:
    """The tokenizer of a file. Raises `MaiError`, `import-folder`, where its library cannot read it."""
    try:
        return Pieces(text)
    except ModelError as error:
        write = "`AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)` writes it again"
        raise refused("import-folder", f"{file}: {error.message}", write) from error


def with_readable_chat(folder: ModelFolder) -> tuple[ModelFolder, list[str]]:
    """The folder without a chat template that cannot be read, and what is to be said of that."""
    if folder.chat is None or not folder.has_tokenizer:
        return folder, []
    try:
        read_chat(folder.texts / folder.chat)
    except MaiError as error:
        first = error.diagnostics[0]
        help = "" if first.help is None else f"; {first.help}"
        return replace(folder, chat=None), [f"there is no chat: {first.message}{help}"]
    return folder, []


def without_tokenizer(folder: ModelFolder) -> Iterator[str]:
    """That texts are not read for want of a `tokenizer.json`, where a folder has a tokenizer in another form."""
    if folder.has_tokenizer:
        return
    if folder.weights.suffix.lower() == SUFFIX:
        yield f"its tokenizer is of a kind that is not read: the files take tokens, or texts with a {TOKENIZER} in {folder.texts.name}/"
    elif (other := next((n for n in OTHER_FORMS if (folder.texts / n).is_file()), None)) is not None:
        write = "`AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)` writes it"
        yield f"there is {other} and no {TOKENIZER}: the files take tokens, not texts, and have no chat; {write}"


def _check_draws(parts: object) -> None:
    """Raise `MaiError`, `config-unknown`, where a text's tokens are drawn at random, as in trainings by BPE dropout (Provilkov et al. 2020)."""
    model = parts.get("model") if isinstance(parts, dict) else None
    share = model.get("dropout") if isinstance(model, dict) else None
    if share:
        message = f"{TOKENIZER}: `model.dropout` is {json.dumps(share)}: a text would have other tokens each time"
        raise refused("config-unknown", message, "write `null` there, as models are used")


class _Tokens:
    """What `tokenizer.json` says."""

    def __init__(self, pieces: Pieces, parts: Mapping[str, object]) -> None:
        self.parts = parts
        self.changing = [parts.get(key) for key in CHANGING]
        self.before, self.after = ([int(t) for t in side] for side in pieces.special_tokens("a"))
        added = parts.get("added_tokens")
        self.added = {int(t["id"]): t for t in added} if isinstance(added, list) else {}
        self.size = pieces.size
        model = parts.get("model")
        table = model if isinstance(model, dict) else {}
        cuts = {*_values(self.changing, "type")} & {*CUTS}
        self.ways = {str(table["type"]), *map(str, cuts)} if "type" in table else set()
        unknown, number = table.get("unk_token"), table.get("unk_id")  # By its text, or by its number.
        self.unknown_number = number
        self.unknown = pieces.text_of(number) if isinstance(number, int) else unknown
        self.number_of = pieces.number_of
        self.text_of = pieces.text_of


def _contradictions(said: Mapping[str, object], tokens: _Tokens, family: object) -> Iterator[tuple[str, str]]:
    """The fields that `tokenizer.json` contradicts, with what is wrong; of several tokens of a field the first."""
    yield from _of_kind(said, tokens, family)
    for field, texts in _named(said):
        lacking = [t for t in texts if tokens.number_of(t) is None]
        if lacking:
            yield field, f"`{field}` is {lacking[0]!r}, a token that tokenizer.json has not"
        plain = [t for t in texts if tokens.number_of(t) not in tokens.added]
        if plain and not lacking:
            yield (
                field,
                f"`{field}` is {plain[0]!r}, a plain token in tokenizer.json: in a text it is no token of its own",
            )
    yield from _of_added(said, tokens)
    yield from _at_the_edges(said, tokens)
    yield from _of_class(said, tokens)
    yield from _of_parts(said, tokens)
    if said.get("split_special_tokens"):
        yield "split_special_tokens", "`split_special_tokens` is true, and special tokens are not split here"


def _of_added(said: Mapping[str, object], tokens: _Tokens) -> Iterator[tuple[str, str]]:
    """The first added token that is another one there."""
    field = "added_tokens_decoder"
    added = said.get(field)
    for number, token in added.items() if isinstance(added, dict) else ():
        is_token = number.isdigit() and isinstance(token, dict)
        complaint = _added(int(number), token, tokens) if is_token else "it is no token"
        if complaint is not None:
            yield field, f"`{field}.{number}`: {complaint}"
            return


def _at_the_edges(said: Mapping[str, object], tokens: _Tokens) -> Iterator[tuple[str, str]]:
    """Whether a token is put before a text, and one after it."""
    edges = (("add_bos_token", "bos_token", tokens.before), ("add_eos_token", "eos_token", tokens.after))
    for field, role, side in edges:
        number = tokens.number_of(token_text(said.get(role)) or "")
        if isinstance(said.get(field), bool) and number is not None and said[field] != (number in side):
            there = "it" if number in side else "none"
            yield field, f"`{field}` is {json.dumps(said[field])}, and tokenizer.json puts {there} there"
    if said.get("predict_timestamps") and tokens.number_of(UNTIMED) in tokens.before:
        yield "predict_timestamps", f"`predict_timestamps` is true, and tokenizer.json puts {UNTIMED!r} before a text"


def _of_kind(said: Mapping[str, object], tokens: _Tokens, family: object) -> Iterator[tuple[str, str]]:
    """A tokenizer's class that cuts texts in another way, where transformers makes the tokenizer of a model's `family` by that class."""
    field, kind = "tokenizer_class", _class_of(said)
    ways = family_records()["tokenizers"]["ways"].get(kind)
    if ways is not None and tokens.ways and set(ways) != tokens.ways and _is_rebuilt(kind, tokens, family):
        yield (
            field,
            f"`{field}` is {said[field]!r}, of {' and '.join(ways)}; tokenizer.json is of {' and '.join(sorted(tokens.ways))}",
        )


def _class_of(said: Mapping[str, object]) -> str:
    """The class of a tokenizer, as transformers 5 calls it."""
    return str(said.get("tokenizer_class")).removesuffix("Fast")


def _is_rebuilt(kind: str, tokens: _Tokens, family: object) -> bool:
    """Whether transformers makes a tokenizer by its class, and takes no more than the pieces from tokenizer.json."""
    record = family_records()["tokenizers"]
    is_of_bytes = kind in record["read_whole_of_bytes"] and "ByteLevel" in tokens.ways
    return family not in record["read_whole"] and not is_of_bytes


def _of_class(said: Mapping[str, object], tokens: _Tokens) -> Iterator[tuple[str, str]]:
    """What the tokenizer's class in transformers makes of the fields: the tokens around a text, and switches."""
    record, kind = family_records()["tokenizers"], _class_of(said)
    first, last = record["edges"].get(kind, (["src_lang"], ["src_lang"]))
    sides = {"before": (first, tokens.before), "after": (last, tokens.after)}
    for place, (edge, side) in sides.items():
        yield from _at_edge(said, tokens, edge, place, side)
    yield from _around(said, tokens, "src_lang", None, [*tokens.before, *tokens.after])
    number = record["unknown"].get(kind)
    if number is not None and isinstance(tokens.unknown_number, int) and number != tokens.unknown_number:
        yield (
            "tokenizer_class",
            f"`tokenizer_class` is {said['tokenizer_class']!r}, whose token of what is unknown is {number}; it is {tokens.unknown_number} in tokenizer.json",
        )
    parts = {*_values(tokens.changing, "type")}
    for field, part in record["switches"].get(kind, {}).items():
        if isinstance(said.get(field), bool) and said[field] != (part in parts):
            there = "has such a part" if part in parts else "has no such part"
            yield field, f"`{field}` is {json.dumps(said[field])}, and tokenizer.json {there}, {part}"


def _at_edge(
    said: Mapping[str, object], tokens: _Tokens, edge: Sequence[str], place: str, side: Sequence[int]
) -> Iterator[tuple[str, str]]:
    """A token at a side of a text that the class does not put there, or not the one that it does."""
    if not edge and side and not said.get("add_eos_token"):
        there = ", ".join(repr(tokens.text_of(t)) for t in side)
        yield (
            "tokenizer_class",
            f"`tokenizer_class` is {said['tokenizer_class']!r}, which puts no token {place} a text; tokenizer.json puts {there} there",
        )
    if len(edge) > 1:
        yield from _around(said, tokens, edge[0], edge[1], side)


def _around(
    said: Mapping[str, object], tokens: _Tokens, field: str, text: str | None, side: Sequence[int]
) -> Iterator[tuple[str, str]]:
    """The token of a field, or else a `text`, which is not at a side of a text."""
    text = token_text(said.get(field)) or text or ""
    number = tokens.number_of(text)
    if text and number is not None and number not in side:
        there = ", ".join(repr(tokens.text_of(t)) for t in side) or "none"
        yield field, f"`{field}` is {text!r}, and tokenizer.json puts {there} there"


def _of_parts(said: Mapping[str, object], tokens: _Tokens) -> Iterator[tuple[str, str]]:
    """How a text is changed before it is cut into tokens, and what stands for what is none."""
    first_blanks = [
        *(True for _ in _values(tokens.changing, "prepend")),
        *(v != "never" for v in _values(tokens.changing, "prepend_scheme")),
    ]
    for field, name in PARTS.items():
        written = [*_values(tokens.changing, name), *(first_blanks if field == "add_prefix_space" else ())]
        if isinstance(said.get(field), bool) and any(v != said[field] for v in written):
            yield field, f"`{field}` is {json.dumps(said[field])}, and {json.dumps(written[0])} in tokenizer.json"
    if said.get("legacy") is True and "first" in _values(tokens.changing, "prepend_scheme"):
        yield (
            "legacy",
            "`legacy` is true, as where each part of a text begins with a blank; in tokenizer.json the first one alone does",
        )
    unknown, own = token_text(said.get("unk_token")), tokens.unknown
    if unknown and own and unknown != own:
        yield "unk_token", f"`unk_token` is {unknown!r}, and {own!r} in tokenizer.json"


def _added(number: int, token: Mapping[str, object], tokens: _Tokens) -> str | None:
    """How a token differs from that of the same number; None where it does not."""
    text = token.get("content")
    if tokens.text_of(number) != text:
        return f"it is {text!r}, and {tokens.text_of(number)!r} in tokenizer.json"
    own = tokens.added.get(number)
    if own is None:
        return f"{text!r} is added, and a plain token in tokenizer.json"
    differing = [flag for flag in FLAGS if flag in token and bool(token[flag]) != bool(own.get(flag))]
    if not differing:
        return None
    return f"`{differing[0]}` of {text!r} is {json.dumps(token[differing[0]])}, and not in tokenizer.json"


def _named(said: Mapping[str, object]) -> Iterator[tuple[str, list[str]]]:
    """The fields that name tokens by their texts."""
    for role in (field for field in said if field.endswith("_token") and field != "pad_token"):
        yield role, [text for text in [token_text(said[role])] if text]
    for field in ("additional_special_tokens", "extra_special_tokens", "model_specific_special_tokens"):
        named = said.get(field)
        if isinstance(named, dict):
            named = list(named.values())
        yield field, [text for text in map(token_text, named if isinstance(named, list) else []) if text]


def _values(part: object, name: str) -> Iterator[object]:
    """What the parts of a tokenizer say under a name, those in sequences included."""
    if isinstance(part, dict):
        if name in part:
            yield part[name]
        part = [v for v in part.values() if isinstance(v, (dict, list))]
    if isinstance(part, list):
        for inner in part:
            yield from _values(inner, name)


def _beyond(tokens: _Tokens, settings: Settings) -> Iterator[str]:
    """That the tokenizer has tokens which the model has not, where that is so."""
    size = settings.get("vocab_size")
    if isinstance(size, int) and tokens.size > size:
        yield f"tokenizer.json has {tokens.size:,} tokens and the model {size:,}: texts with {tokens.text_of(size)!r} or later ones cannot be read"


def _ends(said: Mapping[str, object], tokens: _Tokens, settings: Settings) -> Iterator[str]:
    """That the tokenizer's last token does not end a text, where that is so."""
    text, ends = token_text(said.get("eos_token")), settings.get("ends")
    number = tokens.number_of(text or "")
    if isinstance(ends, list) and ends and number is not None and number not in ends:
        yield f"{TOKENIZER_CONFIG} has {text!r} ({number}) as its `eos_token`; texts end at {', '.join(map(str, ends))}, as the model's files say"


def _templates(folder: ModelFolder, said: Mapping[str, object]) -> Iterator[str]:
    """That there are two templates that differ, where that is so."""
    stated = said.get("chat_template")
    if folder.chat == TEMPLATE and stated:
        own = read_text(folder.texts / TEMPLATE, MAX_BYTES)
        if not isinstance(stated, str) or stated.strip() != own.strip():
            yield f"{TEMPLATE} is the template, as in transformers; {TOKENIZER_CONFIG} has another one"


def _second_words(folder: ModelFolder, said: Mapping[str, object]) -> Iterator[str]:
    """That a second file calls a special token otherwise, where that is so."""
    words = said_in(folder.texts / SPECIAL)
    for role in ROLES:
        text, own = token_text(words.get(role)), token_text(said.get(role))
        if text and own and text != own:
            yield f"{SPECIAL} has {text!r} as `{role}`; {TOKENIZER_CONFIG} counts, {own!r}"


def _blanks(said: Mapping[str, object], tokens: _Tokens, settings: Settings) -> Iterator[str]:
    """That texts which the model writes keep blanks that transformers takes out; it takes none out of those of pairs of bytes."""
    field, model = "clean_up_tokenization_spaces", tokens.parts.get("model")
    is_of_pairs = isinstance(model, dict) and model.get("type") == "BPE"
    is_cleaned = bool(said.get(f"{field}_for_bpe_even_though_it_will_corrupt_output")) if is_of_pairs else True
    if said.get(field) and is_cleaned and settings.get("head") == "generate":
        yield f"texts are what their tokens say, a blank before `.` or `n't` included; transformers takes it out, as `{field}` is true"


def _notes_of_rebuilding(said: Mapping[str, object], tokens: _Tokens, family: object) -> Iterator[str]:
    """What a class in transformers makes otherwise than tokenizer.json, where it says nothing of it: the parts that change a text, and its first blanks."""
    record, kind = family_records()["tokenizers"], _class_of(said)
    if not _is_rebuilt(kind, tokens, family):
        return
    parts = {str(part) for part in _values(tokens.changing, "type")} - {"Sequence"}
    own = {*record["parts"].get(kind, parts)}
    changes = [*(f"without {part}" for part in sorted(parts - own)), *(f"with {part}" for part in sorted(own - parts))]
    if changes:
        yield f"some texts have other tokens in transformers, which makes a {kind} {', '.join(changes)}: tokenizer.json counts here"
    theirs, ours = _first_blanks(said, record["blanks"].get(kind)), _written_blanks(tokens)
    if theirs not in (None, ours):
        blanks = f"puts a blank before {BLANKS[theirs]}, and tokenizer.json before {BLANKS[ours]}"
        yield f"some texts have other tokens in transformers, whose {kind} {blanks}: tokenizer.json counts here"


def _first_blanks(said: Mapping[str, object], usual: str | None) -> str | None:
    """Which parts of a text begin with a blank by a class that does `usual`; None: as tokenizer.json says."""
    if usual != "first":
        return usual
    return "never" if said.get("add_prefix_space") is False else "always" if said.get("legacy") else usual


def _written_blanks(tokens: _Tokens) -> str:
    """Which parts of a text begin with a blank by tokenizer.json."""
    scheme = next(_values(tokens.changing, "prepend_scheme"), None)
    return str(scheme) if scheme else "prepend" if any(_values(tokens.changing, "prepend")) else "never"
