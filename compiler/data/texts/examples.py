"""Tables whose columns are texts: their tokens, in rows of one length, and masks of these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.data.files.paths import listed
from mai.compiler.data.row_source import Wanted
from mai.compiler.data.rows import Column, Padded, Rows, Spans, choose_of, rows_of
from mai.compiler.data.source_kinds import Finite, Request
from mai.compiler.data.sources.examples import Examples, Piece
from mai.compiler.data.splitting.splits import Parts, usual_parts
from mai.compiler.data.tables.convert import KEY, ROW, read_tables
from mai.compiler.data.tables.files import TableFile, read_blocks
from mai.compiler.data.tables.signs import common_sign
from mai.compiler.data.texts.tokens import opened, state_tokenizer
from mai.compiler.ir.types import Type
from mai.runtime.arrays import Array
from mai.runtime.inputs.cells import few_of
from mai.runtime.text.tokenizer import Tokenizer
from mai.spec.record import record

Texts = list[str]  # Of one column, some rows.


@record
class Tokens:
    """The tokens of a text field, a row behind the other; `ends` [n, pieces + 1] are where each piece begins, and the last one ends."""

    numbers: Array
    ends: Array

    @property
    def counts(self) -> Array:
        """How many tokens each row has."""
        counts: Array = self.ends[:, -1] - self.ends[:, 0]
        return counts


@record
class TextRows:
    """Rows of a table as texts: the numbers of those that are `kept`, their tokens and masks by field, and how many texts are `longer`, by field."""

    kept: Array
    rows: Mapping[str, Rows]
    longer: Mapping[str, int]


@record
class Chosen:
    """The rows of files that are examples, by their `numbers` there; their other columns, parts of them, and what was found."""

    tables: Sequence[TableFile]
    numbers: Array
    columns: Mapping[str, Column]
    parts: Parts
    notes: tuple[str, ...]


def reader_of(source: Examples, request: Request, trained: Wanted) -> Callable[[Wanted], Finite]:
    """What reads files with one tokenizer: that of a run, or one that is trained on the rows that are `trained` on. Raises `MaiError`."""
    stated = request.tokenizer or state_tokenizer(
        source.tokenizer, request.base, lambda: _training_text(source, trained)
    )
    tokenizer = opened(stated)
    return lambda wanted: replace(_read(source, tokenizer, wanted), tokenizer=stated)


def _training_text(source: Examples, wanted: Wanted) -> str:
    rows = _chosen(source, wanted)
    is_trained = np.ones(len(rows.numbers), bool) if rows.parts.train is None else np.zeros(len(rows.numbers), bool)
    if rows.parts.train is not None:
        is_trained[rows.parts.train] = True
    pieces = [piece for each in source.texts(_fields(wanted)).values() for piece in each]
    blocks = _blocks(rows, [piece.column for piece in pieces])
    return "\n".join(
        _shown(piece, text) for texts, place in blocks
        for piece, column in zip(pieces, texts, strict=True)
        for text, kept in zip(column, is_trained[place], strict=True) if kept
    )  # fmt: skip


def read_texts(source: Examples, tokenizer: Tokenizer, table: TableFile, fields: Mapping[str, Type]) -> TextRows:
    """The texts among some fields, and their masks, of the rows of a table, as training reads them; what is left out has no number.

    Raises:
        MaiError: `data-bad`: the table lacks a column, or a row has no text, or one that is longer than its field, and has to have it.
    """
    pieces = source.texts(fields)
    names = list(dict.fromkeys(piece.column for each in pieces.values() for piece in each))
    is_there, _ = _is_there(source, [table], names, {*pieces})
    rows = Chosen([table], np.flatnonzero(is_there), {}, Parts(), ())
    texts = _all_tokens(source, tokenizer, rows, fields)
    fits, longer = _fitting(source, rows, texts, fields)
    return TextRows(rows.numbers[fits], _arrays(source, texts, fits, fields), longer)


def _fields(wanted: Wanted) -> Mapping[str, Type]:
    assert wanted.fields is not None
    return wanted.fields


def _read(source: Examples, tokenizer: Tokenizer, wanted: Wanted) -> Finite:
    fields, rows = _fields(wanted), _chosen(source, wanted)
    texts = _all_tokens(source, tokenizer, rows, fields)
    fits, longer = _fitting(source, rows, texts, fields)
    if not fits.any():
        raise bad("every text is longer than its field", help="`longer = cut` cuts them")
    notes = [note_of_longer(source, name, fields[name], count, len(fits)) for name, count in longer.items()]
    numbers = np.flatnonzero(fits)
    arrays: dict[str, Column] = {
        name: choose_of(rows.columns[name], numbers) for name in fields if name in rows.columns
    }
    arrays |= _arrays(source, texts, fits, fields)
    parts = Parts(*(_among(part, fits) for part in (rows.parts.train, rows.parts.held_out, rows.parts.test)))
    return Finite(
        arrays,
        notes=(*rows.notes, *notes),
        has_gaps=source.missing == "keep",
        parts=parts,
        decimal=common_sign(rows.tables),
    )


def _all_tokens(
    source: Examples, tokenizer: Tokenizer, rows: Chosen, fields: Mapping[str, Type]
) -> dict[str, Tokens]:  # fmt: skip
    return {
        name: _tokens(source, tokenizer, rows, name, pieces, fields[name])
        for name, pieces in source.texts(fields).items()
    }


def _arrays(source: Examples, texts: Mapping[str, Tokens], fits: Array, fields: Mapping[str, Type]) -> dict[str, Rows]:
    """The tokens of the rows that fit, cut to the length of their field, and their masks."""
    arrays: dict[str, Rows] = {}
    for name, tokens in texts.items():
        length = _length(fields[name])
        counts = np.minimum(tokens.counts, length)
        arrays[name] = Padded(tokens.numbers, tokens.ends[fits, 0], counts[fits], length)
    for name, (text, place) in source.masks(fields).items():
        arrays[name] = _mask(texts[text].ends[fits], place, _length(fields[name]))
    return arrays


def _length(type_: Type) -> int:
    (length,) = type_.shape
    assert isinstance(length, int)
    return length


def _mask(ends: Array, place: int | None, length: int) -> Rows:
    first, last = (0, ends.shape[1] - 1) if place is None else (place, place + 1)
    return Spans(ends[:, first] - ends[:, 0], ends[:, last] - ends[:, 0], length)


def _among(numbers: Array | None, fits: Array) -> Array | None:
    """Row numbers, counted among the rows that fit."""
    if numbers is None:
        return None
    among: Array = (np.cumsum(fits) - 1)[numbers[fits[numbers]]]
    return among


# ---------------------------------------------------------------- rows


def _chosen(source: Examples, wanted: Wanted) -> Chosen:
    """The rows with what they need to have, and their columns that are no texts."""
    tables, fields = source.tables(wanted), _fields(wanted)
    texts = source.texts(fields)
    names = list(dict.fromkeys(piece.column for pieces in texts.values() for piece in pieces))
    is_there, notes = _is_there(source, tables, names, {*texts})
    others = {name: type_ for name, type_ in fields.items() if name not in texts and name not in source.masks(fields)}
    columns, column_notes = _others(source, tables, others, wanted)
    numbers = np.arange(len(is_there)) if not columns else _numbers(columns[ROW])
    kept = np.flatnonzero(is_there[numbers])
    columns = {name: choose_of(column, kept) for name, column in columns.items()}
    if not len(kept):
        raise bad(f"{tables[0].path} has no row with a text")
    key = columns.pop(KEY, None)
    columns.pop(ROW, None)
    return Chosen(tables, numbers[kept], columns, _parts(source, wanted, len(kept), key), (*column_notes, *notes))


def _others(
    source: Examples, tables: Sequence[TableFile], others: Mapping[str, Type], wanted: Wanted
) -> tuple[dict[str, Column], tuple[str, ...]]:
    key, of_time = (wanted.split.key, wanted.split.of_time) if wanted.split is not None else (None, False)
    if not others and key is None:
        return {}, ()
    needs, words = ([name for name in listed(said) if name in others] for said in (source.needs, source.words))
    return read_tables(tables, others, key, of_time, source.missing, needs, words, numbered=True)


def _parts(source: Examples, wanted: Wanted, count: int, key: Column | None) -> Parts:
    """Which rows are trained on: told before any of their tokens is looked at."""
    if wanted.split is not None:
        return wanted.split.parts(count, None if key is None else _numbers(key))
    return Parts() if source.validation is not None else usual_parts(count)


def _numbers(column: Column) -> Array:
    rows = rows_of(column)
    return rows[:]


def _is_there(
    source: Examples, tables: Sequence[TableFile], names: Sequence[str], texts: set[str]
) -> tuple[Array, list[str]]:
    """Of every row whether it has all the texts that it needs, and notes on those that do not. Raises `MaiError` where it has to have them."""
    needed = [name for name in names if source.missing == "drop" or name in listed(source.needs)]
    parts, notes = [], []
    for table in tables:
        _check_names(table, names)
        gone = begin = 0
        for block in _texts(table, names):
            lacks = {
                name: np.array([not text for text in column], bool) for name, column in zip(names, block, strict=True)
            }
            if source.missing == "refuse":
                _refuse_empty(table, {name: each for name, each in lacks.items() if name not in needed}, begin)
            parts.append(~np.any([lacks[name] for name in needed] or np.zeros((1, len(block[0])), bool), axis=0))
            gone, begin = gone + int((~parts[-1]).sum()), begin + len(parts[-1])
        if gone:
            notes.append(f"{table.path.name}: {gone:,} of {begin:,} rows lack a text, and are left out")
    return np.concatenate(parts) if parts else np.zeros(0, bool), notes


def _check_names(table: TableFile, names: Sequence[str]) -> None:
    for name in names:
        if name not in table.columns:
            raise bad(f"{table.path} has no column `{name}`; it has {few_of(table.columns)}")


def _refuse_empty(table: TableFile, lacks: Mapping[str, Array], begin: int) -> None:
    for name, where in lacks.items():
        if where.any():
            row = table.first + begin + int(np.argmax(where)) + 1
            help = "leave such rows out, `missing = drop`; or take them without this text, `missing = keep`"
            raise bad(f"{table.path}: column `{name}` has no text in row {row:,}", help=help)


def _why_no_text(value: object) -> str | None:
    """What to do with what is no text: lists of messages are taken apart."""
    first = value[0] if isinstance(value, list) and value else None
    if isinstance(first, dict) and "role" in first and "content" in first:
        turns = 'a row with `question` and `answer` for each answer, and `text = "{question}\\n{answer}"`'
        return f"messages are turns of several: write {turns}; `answer_mask` is 1 at the answer, of which the loss is"
    return None


def _texts(table: TableFile, names: Sequence[str]) -> Iterator[list[Texts]]:
    """The texts of columns, a block of rows at a time; what is missing is an empty one. Raises `MaiError` for what is none."""
    columns, begin = [table.columns[name] for name in names], 0
    for block in read_blocks(table, list(dict.fromkeys(columns))):
        texts = [block[column].to_pylist() for column in columns]
        for name, column in zip(names, texts, strict=True):
            for row, value in enumerate(column):
                if value is not None and not isinstance(value, str):
                    raise bad(
                        f"{table.path}, row {table.first + begin + row + 1:,}: `{name}` is no text: {value!r:.60}",
                        help=_why_no_text(value),
                    )
        begin += len(texts[0])
        yield [[text or "" for text in column] for column in texts]


def _blocks(rows: Chosen, names: Sequence[str]) -> Iterator[tuple[list[Texts], slice]]:
    """The texts of the chosen rows, and the places that these have among them."""
    begin = done = 0
    for table in rows.tables:
        for block in _texts(table, names):
            end = begin + len(block[0])
            last = int(np.searchsorted(rows.numbers, end))
            places = (rows.numbers[done:last] - begin).tolist()
            yield [[column[place] for place in places] for column in block], slice(done, last)
            begin, done = end, last


# ---------------------------------------------------------------- tokens


def _shown(piece: Piece, text: str) -> str:
    return f"{piece.before}{text}{piece.behind}"


def _tokens(
    source: Examples, tokenizer: Tokenizer, rows: Chosen, name: str, pieces: Sequence[Piece], type_: Type
) -> Tokens:
    """All tokens of a field. A text by itself has the special tokens that its tokenizer prescribes, a template those before it."""
    dtype = np.min_scalar_type(max(1, tokenizer.size - 1))
    is_template = source.text is not None and len(pieces) > 0 and pieces[0] != Piece(name)
    flat, counts = [np.zeros(0, dtype)], []
    for block, _ in _blocks(rows, [piece.column for piece in pieces]):
        encoded = [
            [tokenizer.encode(_shown(piece, text)) for text in column]
            for piece, column in zip(pieces, block, strict=True)
        ]
        before, after = _special(tokenizer, block[0], encoded[0])
        encoded[0] = [np.concatenate([before, each]) for each in encoded[0]] if len(before) else encoded[0]
        if len(after) and not is_template:
            encoded[-1] = [np.concatenate([each, after]) for each in encoded[-1]]
        in_order = [tokens for row in zip(*encoded, strict=True) for tokens in row]
        flat.append(np.concatenate(in_order).astype(dtype) if in_order else flat[0])
        counts += [len(tokens) for tokens in in_order]
    numbers = np.concatenate(flat)
    _check_vocabulary(name, numbers, tokenizer, type_)
    ends = np.concatenate([[0], np.cumsum(counts)])
    begins = ends[:-1].reshape(-1, len(pieces))
    return Tokens(numbers, np.concatenate([begins, ends[len(pieces) :: len(pieces), None]], 1))


def _special(tokenizer: Tokenizer, texts: Sequence[str], encoded: Sequence[Array]) -> tuple[Array, Array]:
    """What stands before and behind a text, as one that has tokens shows it: an empty one does not tell which is which."""
    shown = next((text for text, tokens in zip(texts, encoded, strict=True) if len(tokens)), "a")
    return tokenizer.special_tokens(shown)


def _check_vocabulary(name: str, numbers: Array, tokenizer: Tokenizer, type_: Type) -> None:
    most, classes = int(numbers.max(initial=0)), type_.classes
    if isinstance(classes, int) and most >= classes:
        help = f"this tokenizer has {tokenizer.size:,} tokens: `const vocab = {tokenizer.size}`"
        raise bad(f"`{name}` holds the token {most}, but `vocab` is {classes}", help=help)


def _fitting(
    source: Examples, rows: Chosen, texts: Mapping[str, Tokens], fields: Mapping[str, Type]
) -> tuple[Array, dict[str, int]]:
    """Of every row whether its texts are no longer than their fields, or may be; and how many are longer, by field.

    Raises `MaiError` where none may be longer.
    """
    fits, counted = np.ones(len(rows.numbers), bool), dict[str, int]()
    for name, tokens in texts.items():
        length, counts = _length(fields[name]), tokens.counts
        longer = counts > length
        if not longer.any():
            continue
        counted[name] = int(longer.sum())
        if source.longer == "refuse":
            most = int(counts.argmax())
            row, tokens_there = rows.tables[0].first + int(rows.numbers[most]) + 1, int(counts[most])
            help = f"`longer = cut` cuts them, `longer = drop` leaves them out; or `{name}: tokens[{tokens_there}]`"
            said = _said_of_longer(name, length, counted[name], len(longer))
            raise bad(f"{said}; the longest, in row {row:,}, has {tokens_there:,}", help=help)
        fits &= ~longer | (source.longer == "cut")
    return fits, counted


def note_of_longer(source: Examples, name: str, type_: Type, count: int, total: int) -> str:
    """What became of texts of a field that have more tokens than it: so many of a total."""
    what = "cut" if source.longer == "cut" else "left out"
    return f"{_said_of_longer(name, _length(type_), count, total)}, and are {what}"


def _said_of_longer(name: str, length: int, count: int, total: int) -> str:
    return f"{count:,} of {total:,} texts of `{name}` have more than {length:,} tokens"
