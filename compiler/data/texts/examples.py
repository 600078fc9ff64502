"""Tables whose columns are texts: their tokens, in rows of one length, and masks of these."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field, replace

import numpy as np

from mai.compiler.data.fields import bad
from mai.compiler.data.files.paths import listed
from mai.compiler.data.places import Places
from mai.compiler.data.row_source import Wanted
from mai.compiler.data.rows import Column, Dates, Padded, Rows, Spans, choose_of, rows_of
from mai.compiler.data.source_kinds import Finite, Request
from mai.compiler.data.sources.examples import ANSWERS, Examples, Piece
from mai.compiler.data.splitting.splits import Parts, usual_parts
from mai.compiler.data.tables.convert import KEY, ROW, read_tables
from mai.compiler.data.tables.files import TableFile, read_blocks
from mai.compiler.data.tables.signs import common_sign
from mai.compiler.data.tables.store import TableColumns
from mai.compiler.data.texts.conversations import Conversations, conversations_of
from mai.compiler.data.texts.masks import marked_by, with_something_marked
from mai.compiler.data.texts.messages import NAMES
from mai.compiler.data.texts.pieces import Texts, TurnParts, check_vocabulary, shown, tokens_of_parts, tokens_of_pieces
from mai.compiler.data.texts.tokens import opened, state_tokenizer
from mai.compiler.ir.types import Type
from mai.runtime.arrays import Array
from mai.runtime.inputs.cells import few_of
from mai.runtime.text.tokenizer import Tokenizer
from mai.spec.record import record


@record
class Tokens:
    """The tokens of a text field, a row behind the other; `ends` [n, pieces + 1] are where each piece begins, and the last one ends.

    Of conversations, `answered` is 1 at the tokens of answers.
    """

    numbers: Array
    ends: Array
    answered: Array | None = None

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
    conversations: Conversations | None = None
    dates: Dates = field(default_factory=dict)


def reader_of(source: Examples, request: Request, trained: Wanted) -> Callable[[Wanted], Finite]:
    """What reads files with one tokenizer: that of a run, or one that is trained on the rows that are `trained` on. Raises `MaiError`."""
    conversations = conversations_of(source, request.base)
    stated = request.tokenizer or state_tokenizer(
        source.tokenizer, request.base, lambda: _training_text(source, trained, conversations)
    )
    tokenizer = opened(stated)
    return lambda wanted: replace(_read(source, tokenizer, wanted, conversations), tokenizer=stated)


def _training_text(source: Examples, wanted: Wanted, conversations: Conversations | None) -> str:
    rows = _chosen(source, wanted, conversations)
    is_trained = np.ones(len(rows.numbers), bool) if rows.parts.train is None else np.zeros(len(rows.numbers), bool)
    if rows.parts.train is not None:
        is_trained[rows.parts.train] = True
    pieces = [piece for each in source.texts(_fields(wanted)).values() for piece in each]
    blocks = _blocks(rows, [piece.column for piece in pieces])
    return "\n".join(
        "".join(text) if isinstance(text, tuple) else shown(piece, str(text)) for texts, place in blocks
        for piece, column in zip(pieces, texts, strict=True)
        for text, kept in zip(column, is_trained[place], strict=True) if kept
    )  # fmt: skip


def read_texts(
    source: Examples,
    tokenizer: Tokenizer,
    table: TableFile,
    fields: Mapping[str, Type],
    conversations: Conversations | None = None,
) -> TextRows:
    """The texts among some fields, and their masks, of the rows of a table, as training reads them; what is left out has no number.

    Raises:
        MaiError: `data-bad`: the table lacks a column, or a row has no text, or one that is longer than its field, and has to have it.
    """
    pieces = source.texts(fields)
    names = list(dict.fromkeys(piece.column for each in pieces.values() for piece in each))
    is_there, _ = _is_there(source, [table], names, {*pieces}, conversations)
    rows = Chosen([table], np.flatnonzero(is_there), {}, Parts(), (), conversations)
    texts = _all_tokens(source, tokenizer, rows, fields)
    fits, longer = _fitting(source, rows, texts, fields)
    return TextRows(rows.numbers[fits], _arrays(source, texts, fits, fields), longer)


def _fields(wanted: Wanted) -> Mapping[str, Type]:
    assert wanted.fields is not None
    return wanted.fields


def _read(source: Examples, tokenizer: Tokenizer, wanted: Wanted, conversations: Conversations | None) -> Finite:
    fields, rows = _fields(wanted), _chosen(source, wanted, conversations)
    texts = _all_tokens(source, tokenizer, rows, fields)
    fits, longer = _fitting(source, rows, texts, fields)
    if not fits.any():
        raise bad("every text is longer than its field", help="`longer = cut` cuts them")
    notes = [note_of_longer(source, name, fields[name], count, len(fits)) for name, count in longer.items()]
    lengths = {name: _length(fields[name]) for name in texts}
    fits, more = with_something_marked(marked_by(source, texts, fields, lengths), fits, lambda k: _row_of(rows, k))
    notes += more
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
        places=Places(rows.numbers[numbers]),
        decimal=common_sign(rows.tables),
        dates=rows.dates,
        absent=source.absent_values,
        order=source.dates,
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
        tokens, ends, length = texts[text], texts[text].ends[fits], _length(fields[name])
        if place == ANSWERS and tokens.answered is not None:
            arrays[name] = Padded(tokens.answered, ends[:, 0], np.minimum(ends[:, -1] - ends[:, 0], length), length)
        else:
            arrays[name] = _mask(ends, place, length)
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


def _chosen(source: Examples, wanted: Wanted, conversations: Conversations | None) -> Chosen:
    """The rows with what they need to have, and their columns that are no texts."""
    tables, fields = source.tables(wanted), _fields(wanted)
    texts = source.texts(fields)
    names = list(dict.fromkeys(piece.column for pieces in texts.values() for piece in pieces))
    is_there, notes = _is_there(source, tables, names, {*texts}, conversations)
    others = {name: type_ for name, type_ in fields.items() if name not in texts and name not in source.masks(fields)}
    beside = _others(source, tables, others, wanted)
    columns = beside.columns
    numbers = np.arange(len(is_there)) if not columns else _numbers(columns[ROW])
    kept = np.flatnonzero(is_there[numbers])
    columns = {name: choose_of(column, kept) for name, column in columns.items()}
    if not len(kept):
        raise bad(f"{tables[0].path} has no row with a text")
    key = columns.pop(KEY, None)
    columns.pop(ROW, None)
    parts = _parts(source, wanted, len(kept), key)
    return Chosen(tables, numbers[kept], columns, parts, (*beside.notes, *notes), conversations, beside.dates)


def _others(source: Examples, tables: Sequence[TableFile], others: Mapping[str, Type], wanted: Wanted) -> TableColumns:
    key, of_time = (wanted.split.key, wanted.split.of_time) if wanted.split is not None else (None, False)
    if not others and key is None:
        return TableColumns({}, (), {}, {})
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
    source: Examples,
    tables: Sequence[TableFile],
    names: Sequence[str],
    texts: set[str],
    conversations: Conversations | None,
) -> tuple[Array, list[str]]:
    """Of every row whether it has all the texts that it needs, and notes on those that do not. Raises `MaiError` where it has to have them."""
    needed = [name for name in names if source.missing == "drop" or name in listed(source.needs)]
    parts, notes = [], []
    for table in tables:
        _check_names(table, names)
        gone = begin = 0
        for block in _texts(table, names, conversations):
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
    """What to do with what is no text: lists of messages are conversations."""
    first = value[0] if isinstance(value, list) and value else None
    if isinstance(first, dict) and any(names <= first.keys() for names in map(set, NAMES)):
        said = 'data text: tokens[512], answer_mask: [512] from examples(..., messages = NAME, chat = "chat_template.jinja")'
        return f"these are messages: `{said}` makes texts of them, and `answer_mask` is 1 at the answers, of which the loss is"
    return None


def _texts(table: TableFile, names: Sequence[str], conversations: Conversations | None = None) -> Iterator[list[Texts]]:
    """The texts of columns, a block of rows at a time; what is missing is an empty one. Raises `MaiError` for what is none."""
    columns, begin = [table.columns[name] for name in names], 0
    for block in read_blocks(table, list(dict.fromkeys(columns))):
        values = [block[column].to_pylist() for column in columns]
        first = table.first + begin + 1
        yield [
            _parts_of(table, conversations, column, first)
            if conversations is not None and conversations.column == name
            else _texts_of(table, name, column, first)
            for name, column in zip(names, values, strict=True)
        ]
        begin += len(values[0])


def _parts_of(table: TableFile, conversations: Conversations, values: list[object], first: int) -> list[TurnParts]:
    """Conversations in parts; `first` is the number of the first row."""
    column = conversations.column
    return [
        conversations.parts_of(value, f"{table.path}, row {row:,}, `{column}`")
        for row, value in enumerate(values, first)
    ]


def _texts_of(table: TableFile, name: str, values: list[object], first: int) -> list[str]:
    for row, value in enumerate(values, first):
        if value is not None and not isinstance(value, str):
            help = _why_no_text(value)
            raise bad(f"{table.path}, row {row:,}: `{name}` is no text: {value!r:.60}", help=help)
    return [str(value or "") for value in values]


def _blocks(rows: Chosen, names: Sequence[str]) -> Iterator[tuple[list[Texts], slice]]:
    """The texts of the chosen rows, and the places that these have among them."""
    begin = done = 0
    for table in rows.tables:
        for block in _texts(table, names, rows.conversations):
            end = begin + len(block[0])
            last = int(np.searchsorted(rows.numbers, end))
            places = (rows.numbers[done:last] - begin).tolist()
            yield [[column[place] for place in places] for column in block], slice(done, last)
            begin, done = end, last


# ---------------------------------------------------------------- tokens


def _tokens(
    source: Examples, tokenizer: Tokenizer, rows: Chosen, name: str, pieces: Sequence[Piece], type_: Type
) -> Tokens:
    """All tokens of a field. A text by itself has the special tokens that its tokenizer prescribes, a template those before it."""
    dtype = np.min_scalar_type(max(1, tokenizer.size - 1))
    is_conversation = rows.conversations is not None and pieces[0].column == rows.conversations.column
    is_template = source.text is not None and len(pieces) > 0 and pieces[0] != Piece(name)
    flat, counts, answered = [np.zeros(0, dtype)], [0], [np.zeros(0, np.uint8)]
    for block, _ in _blocks(rows, [piece.column for piece in pieces]):
        if is_conversation:
            in_order, answers = tokens_of_parts(tokenizer, block[0])
            answered += answers
        else:
            in_order = tokens_of_pieces(tokenizer, pieces, block, is_template)
        flat.append(np.concatenate(in_order).astype(dtype) if in_order else flat[0])
        counts += [len(tokens) for tokens in in_order]
    numbers, ends = np.concatenate(flat), np.cumsum(counts)
    check_vocabulary(name, numbers, tokenizer, type_)
    begins = ends[:-1].reshape(-1, len(pieces))
    ends = np.concatenate([begins, ends[len(pieces) :: len(pieces), None]], 1)
    return Tokens(numbers, ends, np.concatenate(answered) if is_conversation else None)


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
            row, tokens_there = _row_of(rows, most), int(counts[most])
            help = f"`longer = cut` cuts them, `longer = drop` leaves them out; or `{name}: tokens[{tokens_there}]`"
            said = _said_of_longer(name, length, counted[name], len(longer))
            raise bad(f"{said}; the longest, in row {row:,}, has {tokens_there:,}", help=help)
        fits &= ~longer | (source.longer == "cut")
    return fits, counted


def _row_of(rows: Chosen, place: int) -> int:
    """The number of a row in its files, from 1."""
    return rows.tables[0].first + int(rows.numbers[place]) + 1


def note_of_longer(source: Examples, name: str, type_: Type, count: int, total: int) -> str:
    """What became of texts of a field that have more tokens than it: so many of a total."""
    what = "cut" if source.longer == "cut" else "left out"
    return f"{_said_of_longer(name, _length(type_), count, total)}, and are {what}"


def _said_of_longer(name: str, length: int, count: int, total: int) -> str:
    return f"{count:,} of {total:,} texts of `{name}` have more than {length:,} tokens"
