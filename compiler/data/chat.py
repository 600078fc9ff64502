"""How a publisher's files make one prompt of messages: the template, and the special tokens that it knows by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from mai.compiler.data.fields import bad
from mai.compiler.program import Program
from mai.runtime.chat.template import DEFAULT, check_template, names_read
from mai.runtime.errors import ModelError
from mai.runtime.files import read_text, reason
from mai.runtime.model.manifest import Chat

TEMPLATE, FOLDER, CONFIG, SPECIAL = (
    "chat_template.jinja", "additional_chat_templates", "tokenizer_config.json", "special_tokens_map.json",
)  # fmt: skip
WORDS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
MAX_BYTES = 20_000_000


def chat_of(program: Program) -> Chat | None:
    """What the `chat` of a spec's texts says; None where it has none. Raises `MaiError`."""
    stated = getattr(program.data, "chat", None)
    return None if stated is None else read_chat(Path(program.source.path).parent / stated)


def read_chat(path: Path) -> Chat:
    """The chat templates of a folder.

    Args:
        path: a template of Jinja, or a `tokenizer_config.json` whose `chat_template` is one or several; the special tokens are
            those of the `tokenizer_config.json` in the same folder.

    Raises:
        MaiError: `data-missing` where there is no such file; `data-bad` for a template that cannot be read, or that reads a special
            token which nothing says.
    """
    said = _said(path.parent)
    templates = templates_of(path, said)
    if DEFAULT not in templates:
        raise bad(f"{path} has no chat template" + f" `{DEFAULT}`, but {', '.join(templates)}" * bool(templates))
    words = {name: text for name, token in _named(said).items() if (text := token_text(token))}
    for name, template in templates.items():
        _check(path, name, template, said)
    return Chat(templates=templates, words=words)


def templates_of(path: Path, said: Mapping[str, object]) -> dict[str, str]:
    """The templates by name: a `.jinja` file with those of the folder beside it, or what a table says. Raises `MaiError`."""
    if path.suffix == ".jinja":
        others = sorted((path.parent / FOLDER).glob("*.jinja"))
        return {DEFAULT: _read(path)} | {other.stem: _read(other) for other in others}
    stated = said.get("chat_template") if path.name == CONFIG else _table(path).get("chat_template")
    if isinstance(stated, str):
        return {DEFAULT: stated}
    entries = stated if isinstance(stated, list) else []
    named = {e.get("name"): e.get("template") for e in entries if isinstance(e, dict)}
    return {name: text for name, text in named.items() if isinstance(name, str) and isinstance(text, str)}


def _check(path: Path, name: str, template: str, said: Mapping[str, object]) -> None:
    try:
        check_template(template)
        unsaid = sorted(word for word in names_read(template) & set(WORDS) if word not in said)
    except ModelError as error:
        raise bad(f"{path}, template `{name}`: {error.message}") from error
    if unsaid:
        message = f"{path}: the template `{name}` reads `{unsaid[0]}`, which {CONFIG} does not say"
        raise bad(message, help=f'"{unsaid[0]}": null in {CONFIG} if there is none')


def _said(folder: Path) -> dict[str, object]:
    """What the tables of a folder say of its tokenizer, the first that says something."""
    tables = [_table(folder / name) for name in (SPECIAL, CONFIG) if (folder / name).is_file()]
    return {name: value for table in tables for name, value in table.items()}


def _named(said: Mapping[str, object]) -> dict[str, object]:
    """The special tokens that have names, those of a model's own included, as `image_token`; these may stand in a table."""
    tables = [said.get(field) for field in ("extra_special_tokens", "model_specific_special_tokens")]
    named = {name: token for t in [*tables, said] if isinstance(t, dict) for name, token in t.items()}
    return {name: token for name, token in named.items() if name.endswith("_token")}


def token_text(token: object) -> str | None:
    """A special token, which is a text, or a table with its `content`."""
    text = cast(dict[str, object], token).get("content") if isinstance(token, dict) else token
    return text if isinstance(text, str) else None


def _table(path: Path) -> dict[str, object]:
    try:
        table = json.loads(_read(path))
    except (ValueError, RecursionError) as error:
        raise bad(f"{path} is no table of settings: {error}") from error
    if not isinstance(table, dict):
        raise bad(f"{path} is no table of settings")
    return table


def _read(path: Path) -> str:
    try:
        return read_text(path, MAX_BYTES)
    except (OSError, ValueError) as error:
        raise bad(f"{path} cannot be read: {reason(error)}", "data-missing") from error
