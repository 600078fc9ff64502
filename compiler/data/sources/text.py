"""Windows of a text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

from mai.compiler.data.fields import bad, window
from mai.compiler.data.files.paths import Paths
from mai.compiler.data.source_kinds import Reading, Request, Source
from mai.compiler.ir.types import Type
from mai.spec.settings import Choice, Settings, setting


class Bpe(Settings):
    """Byte-level pairs, trained from the corpus: at most `vocab` different tokens."""

    name: ClassVar[str] = "bpe"
    vocab: int = setting(ge=256, le=10**6)


PLAIN = (".txt", ".text", ".md", ".rst")
TOKENIZERS: dict[str, type[Bpe]] = {Bpe.name: Bpe}


def misfit_of(tokenizer: str | Bpe) -> str | None:
    """What is wrong with the name of a tokenizer, in words that go on after that of a source."""
    if isinstance(tokenizer, Bpe) or tokenizer == "bytes" or tokenizer.endswith(".json"):
        return None
    return "needs a tokenizer: `bytes`, `bpe(vocab = 4096)`, or the path of a .json file"


class Text(Source):
    """Windows of a text; the default corpus is English text that comes with Python.

    `path` names a file, several, a pattern or a folder: plain texts in an `encoding`, and tables (jsonl, csv, parquet, feather) of which the
    column `field` holds a document a row. Its tokens are bytes, those of a `tokenizers` file, or pairs trained from the corpus. `chat` names
    the template that makes a prompt of messages: a `.jinja` file, or a `tokenizer_config.json`. A file that grows a text of more than `context`
    tokens says that the model was trained on none so long. The bytes of letters that are neither UTF-8 nor
    marked as others stay as they are where nothing is said.
    """

    name: ClassVar[str] = "text"
    reads_files: ClassVar[bool] = True
    tokenizer: Annotated[str | Bpe, Choice(TOKENIZERS, or_text=True)] = "bytes"
    path: Paths | None = None
    field: str = "text"
    encoding: str | None = None
    chat: str | None = None
    context: int | None = setting(default=None, ge=1)

    def misfit(self) -> str | None:
        wrong = misfit_of(self.tokenizer)
        is_path = wrong is not None and self.path is None and bool({".", "/", "*"} & {*str(self.tokenizer)})
        return f'has its tokenizer before the path: `text(bytes, "{self.tokenizer}")`' if is_path else wrong

    @classmethod
    def call_for(cls, path: str) -> str | None:
        return f'text(bytes, "{path}")' if path.endswith(PLAIN) else None

    @classmethod
    def reads(cls, path: Path) -> bool:
        """Whether a file of a folder is one of its texts, by its name."""
        from mai.compiler.data.tables.kinds import PACKED, is_table

        name = path.name.lower()
        plain = next((name.removesuffix(suffix) for suffix in PACKED if name.endswith(suffix)), name)
        return plain.endswith(PLAIN) or is_table(path)

    def check_fields(self, fields: Mapping[str, Type]) -> None:
        """One field of tokens; a tokenizer that is trained from the text makes no more tokens than the spec has."""
        _, _, type_ = window(fields)
        size, classes = self.tokenizer.vocab if isinstance(self.tokenizer, Bpe) else 0, type_.classes
        if isinstance(classes, int) and size > classes:
            message = f"`bpe(vocab = {size})` makes up to {size:,} tokens, but `vocab` is {classes:,}"
            raise bad(message, help=f"`const vocab = {size}`")

    def read(self, request: Request) -> Reading:
        from mai.compiler.data.texts.tokens import tokenise

        return tokenise(self, request)
