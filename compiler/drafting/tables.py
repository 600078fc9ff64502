"""A spec that predicts one column of a table from the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from mai.compiler.data.totals import note_of_totals
from mai.compiler.describing.columns.hints import code_for_missing, counted_dates
from mai.compiler.describing.lines import listed, moment, number, share, spread
from mai.compiler.describing.tables import notes_of_words
from mai.compiler.drafting.table_fields import LOG, ONE_HOT, TableFields, Words
from mai.runtime.inputs.cells import in_one_line
from mai.spec.record import record

READ, VOCAB = 32, 1000  # Numbers that are made of a text, and tokens that texts are made of at most.
FEW_ROWS = 10  # Of a word, in the mean: of fewer little is learnt that holds for others.
EMBEDDED = 8  # Numbers of a word that is embedded.
PARTS_OF_DATES = ("year", "month", "day", "weekday", "hour")
# Functions that the net calls: its parameters have other names.
IN_NET = frozenset((
    "concat", "normalise", "fill", "missing", "one_hot", "embed", "linear", "dropout", "mlp", "date", "sin", "cos", "exp", "expm1",
))  # fmt: skip


@record
class Size:
    """The sizes of a model and its training, by how many rows there are to learn from."""

    rows: int
    hidden: int
    batch: int
    steps: int
    rate: float
    dropout: float
    decay: float


# Few rows are learnt by heart: the network beside the straight line is small then, and held back.
SIZES = (
    Size(500, 16, 32, 1200, 1e-3, 0.3, 0.3),
    Size(3_000, 32, 64, 2000, 1e-3, 0.2, 0.1),
    Size(20_000, 64, 128, 4000, 3e-3, 0.1, 0.05),
    Size(200_000, 128, 512, 6000, 3e-3, 0.0, 0.01),
    Size(2**62, 256, 2048, 8000, 3e-3, 0.0, 0.01),
)

# One or two numbers, of which nothing is learnt by heart: each needs a large weight, which small steps and a strong decay do not reach.
FEW_INPUTS, OF_FEW_INPUTS = 2, Size(20_000, 64, 128, 4000, 3e-3, 0.1, 0.01)


def draft_table(fields: TableFields, path: str) -> str:
    """The text of a spec; `path` is where it finds the table."""
    names = _Names(fields)
    blocks = (
        _data(fields, path),
        _scale(fields, names),
        _reader(fields, names),
        _net(fields, names),
        _train(fields, names),
        _export(fields, names),
    )
    return "\n\n".join("\n".join(lines) for block in blocks if (lines := [*block])) + "\n"


class _Names:
    """Names of the spec's own, none of which a column has."""

    def __init__(self, fields: TableFields) -> None:
        self.taken = {name for name, _ in fields.inputs} | {fields.target.name}
        self.net, self.logits, self.guess = self.free("f"), self.free("z"), self.free("guess")
        self.center, self.spread = self.free("center"), self.free("spread")
        self.probability, self.reader = self.free("probability"), self.free("read")

    def free(self, name: str) -> str:
        """A name, or one after it that no column has."""
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name


# ---------------------------------------------------------------- blocks of the text


def _data(fields: TableFields, path: str) -> Iterator[str]:
    yield from map(in_one_line, _comments(fields))
    target = fields.target
    if fields.texts:
        yield f"const vocab = {VOCAB}"
    every = [(target.name, _target_type(fields)), *fields.inputs]
    source = spread(
        f"from {'examples' if fields.texts else fields.table.source}(", [*_source(fields, path)], ")"
    ).replace("\n", "\n    ")
    yield spread("data ", [f"{name}: {type_}" for name, type_ in every], source)


def _comments(fields: TableFields) -> Iterator[str]:
    """What is said of the table, a comment each."""
    file, target = fields.table.files[0].name, fields.target
    others = "columns" if fields.table.source == "table" else "arrays"
    yield f"# {target.name} from the other {others} of {file}: {fields.rows:,} rows, {_what(fields)}."
    yield from (f"# Left out: {name}: {reason}." for name, reason in fields.left)
    dates = (
        (name, counted_dates(column)) for name in fields.numbers if (column := fields.table.column(name)) is not None
    )
    yield from (f"# Look at {name}: {said}." for name, said in dates if said is not None)
    yield from (f"# Look at {each.column}: {each.words}. Is it known before {target.name} is?" for each in fields.leaks)
    taken = {name for name, _ in fields.inputs} | {target.name}
    columns = [column for column in fields.table.columns if column.name in taken]
    codes = ((column.name, code_for_missing(column)) for column in columns)
    yield from (f"# Look at {name}: {said}." for name, said in codes if said is not None)
    yield from (f"# {note[0].upper()}{note[1:]}." for column in columns for note in notes_of_words(column))
    yield from _remarks(fields)


def _remarks(fields: TableFields) -> Iterator[str]:
    """What has to be known of the target."""
    target = fields.target.name
    for words in fields.words:
        rows = fields.rows / len(words.names)
        if len(words.names) > ONE_HOT and rows < FEW_ROWS:
            yield f"# {words.name} has {len(words.names):,} words, each in {rows:.0f} rows: too few to learn much of it. Compare a spec without it."
    totals = [column.name for column in fields.table.columns if column.ends_in_total]
    if totals:
        yield f"# Take it out: {note_of_totals(totals)}."
    if fields.logarithm is not None:
        yield f"# A few {target} are far larger than all others: its {_logarithm_in_words(fields)} is learnt, and a guess is the middle of what may be, not its mean."
    if fields.rarest is not None:
        name, count = fields.rarest
        rows_are = "row is" if count == 1 else "rows are"
        yield f"# {count:,} {rows_are} `{name}`: accuracy says little of them. `sample = balanced({target})` in train(...) shows all labels equally"
        yield "# often; probabilities of rare ones are too high then."


def _what(fields: TableFields) -> str:
    words, numbers = fields.target_words, fields.target.numbers
    if words is None:
        assert numbers is not None
        if fields.target.kind == "date":
            return f"{moment(numbers.low)} to {moment(numbers.high)}, as days since 1970-01-01"
        return f"{number(numbers.low)} to {number(numbers.high)}"
    most = fields.target.counts[0]
    return f"{len(words.names)} labels, {share(most[1], fields.rows)} are `{most[0]}`"


def _target_type(fields: TableFields) -> str:
    if fields.target_words is not None:
        return fields.target_words.type_text
    return f"[{fields.target.width}]" if fields.target.kind == "list" else "[]"


def _source(fields: TableFields, path: str) -> Iterator[str]:
    """The settings of the source: what is missing, what names are, how rows are held out."""
    target, is_table = fields.target.name, fields.table.source == "table"
    yield f'"{path}"'
    if fields.texts:
        yield "tokenizer = bpe(vocab = vocab)"
        yield "longer = cut"
    if fields.gaps or any(each.open for each in fields.words):
        yield "missing = keep"
        if is_table:
            yield f"needs = {listed([target, *(each.name for each in fields.texts if each.name in fields.gaps)])}"
    if fields.table.order is not None:
        yield f"dates = {fields.table.order}"
    named = [each.name for each in (fields.target_words, *fields.words) if each is not None and each.named]
    if named and is_table:
        yield f"words = {listed(named)}"
    if fields.rest is not None and is_table:
        yield f"rest = {fields.rest}"
        without = [each.name for name, _ in fields.left for each in dict(fields.table.groups(target))[name]]
        yield from [f"without = {listed(without)}"] if without else []
    aside = "0.15, test = 0.15" if fields.rows >= 100 else "0.2"
    if fields.rows >= 20:
        yield f"split = stratified({target}, {aside})" if _can_stratify(fields) else f"split = random({aside})"


def _can_stratify(fields: TableFields) -> bool:
    return fields.target_words is not None and min(count for _, count in fields.target.counts) >= 7


def _scale(fields: TableFields, names: _Names) -> Iterator[str]:
    """The unit of a target of numbers."""
    if fields.target_words is None:
        target = _learnt(fields, fields.target.name)
        yield f"let {names.center} = mean(across({target}), axis = 0)      # its unit, of the rows that are trained on"
        yield f"let {names.spread} = std(across({target}), axis = 0)"


def _learnt(fields: TableFields, name: str) -> str:
    """What is learnt of a number: itself, or its logarithm."""
    return name if fields.logarithm is None else f"{fields.logarithm.function}({name})"


def _logarithm_in_words(fields: TableFields) -> str:
    return "logarithm" if fields.logarithm is LOG else "logarithm, after adding 1, as some are 0,"


def _reader(fields: TableFields, names: _Names) -> Iterator[str]:
    """What makes a few numbers of a text."""
    if not fields.texts:
        return
    yield "# A text as numbers: each token looks at the others; the mean of all, without what is behind the text."
    yield f"net {names.reader}(tokens_: tokens[P], seen: [P]) -> [{READ}] {{"
    yield f"  h = embed(tokens_, {READ})"
    yield "  h += masked_attention(layer_norm(h), seen, 4)"
    yield "  return sum(h * seen[:, None], axis = 0) / maximum(sum(seen), 1)"
    yield "}"


def _net(fields: TableFields, names: _Names) -> Iterator[str]:
    """A straight line, and a small network beside it, on what the columns are as numbers."""
    size, words = _size(fields), fields.target_words
    result = "[]" if words is None else f"[{words.size}]"
    if fields.target.kind == "list":
        result = _target_type(fields)
    yield spread(f"net {names.net}(", _parameters(fields), f") -> {result} {{")
    parts = []
    if fields.numbers or fields.vectors:
        gaps = any(name in fields.gaps for name in (*fields.numbers, *(name for name, _ in fields.vectors)))
        parts += ["normalise(fill(numbers))", *(["missing(numbers)"] if gaps else [])]
    for name in fields.dates:
        date_parts = [f"{part}_of_{name}" for part in PARTS_OF_DATES]
        day = f"fill({_own(name)})" if name in fields.gaps else _own(name)
        yield f"  ({', '.join(date_parts)}) = date({day})"
        varying = date_parts[:-1] if _are_days(fields, name) else date_parts  # The hour of a whole day is 0.
        parts += [f"normalise([{', '.join((day, *varying))}])"]
        parts += [f"[missing({_own(name)})]"] if name in fields.gaps else []
    parts += [_as_numbers(each) for each in fields.words]
    parts += [_own(each.name) for each in fields.texts]
    # How alike two are: Conneau et al. 2017, "Supervised learning of universal sentence representations", fig. 1.
    if len(fields.texts) == 2:
        one, other = (_own(each.name) for each in fields.texts)
        parts += [f"abs({one} - {other})", f"{one} * {other}"]
    if len(parts) == 1:
        yield f"  h = {parts[0]}"
    else:
        yield "  " + spread("h = concat(", parts, ")").replace("\n", "\n  ")
    count = 1 if words is None else words.size
    if fields.target.kind == "list":
        count = fields.target.width or 1
    hidden = f"mlp(h, {size.hidden})"
    network = f"dropout({hidden}, {size.dropout:g})" if size.dropout else hidden
    yield f"  y = linear(h, {count}) + linear({network}, {count})      # a straight line, and a small network beside it"
    one = "" if fields.target.kind == "list" else "[0]"
    number = f"{names.center} + {names.spread} * y{one}"
    result = number if fields.logarithm is None else f"{fields.logarithm.back}({number})"
    yield f"  return {result if words is None else 'y'}"
    yield "}"


def _are_days(fields: TableFields, name: str) -> bool:
    """Whether the dates of a column are whole days."""
    column = fields.table.column(name)
    return column is not None and column.numbers is not None and column.numbers.are_whole


def _parameters(fields: TableFields) -> list[str]:
    width = len(fields.numbers) + sum(width for _, width in fields.vectors)
    numbers = [f"numbers: [{width}]"] if width else []
    dates = [f"{_own(name)}: []" for name in fields.dates]
    words = [f"{_own(each.name)}: {each.type_text}" for each in fields.words]
    return [*numbers, *dates, *words, *(f"{_own(each.name)}: [{READ}]" for each in fields.texts)]


def _own(name: str) -> str:
    """What the net calls a field."""
    return f"{name}_" if name in IN_NET or name in ("numbers", "h", "y") else name


def _as_numbers(words: Words) -> str:
    if words.size <= ONE_HOT + 1:
        return f"one_hot({_own(words.name)}, {words.size})"
    return f"embed({_own(words.name)}, {EMBEDDED})"


def _call(fields: TableFields, names: _Names) -> str:
    """The net on the fields."""
    vectors = [_as_vector(name, fields.table.shape_of(name, width)) for name, width in fields.vectors]
    numbers = f"[{', '.join(fields.numbers)}]" if fields.numbers else ""
    if vectors:
        pieces = [numbers, *vectors] if numbers else vectors
        numbers = f"concat({', '.join(pieces)})" if len(pieces) > 1 else pieces[0]
    texts = [f"{names.reader}({each.name}, {each.name}_mask)" for each in fields.texts]
    arguments = [*([numbers] if numbers else []), *fields.dates, *(each.name for each in fields.words), *texts]
    return f"{names.net}({', '.join(arguments)})"


def _as_vector(name: str, shape: Sequence[int]) -> str:
    """A field of several axes as one of a single one."""
    axes = " ".join("abcdefgh"[place] for place in range(len(shape)))
    return name if len(shape) == 1 else f'rearrange({name}, "{axes} -> ({axes})")'


def _train(fields: TableFields, names: _Names) -> Iterator[str]:
    size, target = _size(fields), fields.target.name
    settings = [
        f"steps = {size.steps}",
        f"batch = {size.batch}",
        f"optimizer = adamw(lr = {size.rate:g}, weight_decay = {size.decay:g})",
        "schedule = cosine(warmup = 50)",
        *(["keep = best"] if fields.rows >= 20 else []),
    ]
    yield spread("train(", settings, ") {")
    if fields.target_words is None:
        yield _wrapped(f"{names.guess} = {_call(fields, names)}")
        guess, truth = _learnt(fields, names.guess), _learnt(fields, target)
        error = f"(({guess} - {truth}) / {names.spread})^2"
        yield f"  minimize {'sum(' + error + ')' if fields.target.kind == 'list' else error}"
        if fields.target.kind != "list" and fields.rows >= 20:
            yield f"  report r2(across({guess}), across({truth})) as r2"
            yield f"  report abs({names.guess} - {target}) as error"
    else:
        yield _wrapped(f"{names.logits} = {_call(fields, names)}")
        yield f"  minimize cross_entropy({names.logits}, {target})"
        yield f"  report accuracy({names.logits}, {target}) as accuracy"
        if fields.target_words.size == 2 and fields.rows >= 100:
            yield f"  report auc(across({names.logits}[1] - {names.logits}[0]), across({target})) as auc"
    yield "}"


def _export(fields: TableFields, names: _Names) -> Iterator[str]:
    """A file that takes a row, in the table's own units and words."""
    target, words = fields.target.name, fields.target_words
    inputs = [f"{name}: {type_}" for name, type_ in fields.inputs]
    if words is None:
        yield spread("export predict(", inputs, f") -> {_target_type(fields)} {{")
        yield _wrapped(f"{target} = {_call(fields, names)}")
        yield f"  return {target}"
    else:
        yield spread("export predict(", inputs, f") -> ({words.type_text}, [{words.size}]) {{")
        yield _wrapped(f"{names.logits} = {_call(fields, names)}")
        yield f"  {target} = argmax({names.logits})"
        yield f"  {names.probability} = softmax({names.logits})"
        yield f"  return ({target}, {names.probability})"
    yield "}"


def _wrapped(line: str) -> str:
    """A line of a block, in as many lines as it needs."""
    begin, *parts = line.split(", ")
    return "  " + spread("", [begin, *parts], "").replace("\n", "\n  ")


def _size(fields: TableFields) -> Size:
    size = next(size for size in SIZES if fields.rows < size.rows)
    are_few = len(fields.inputs) <= FEW_INPUTS and all(type_ == "[]" for _, type_ in fields.inputs)
    return replace(OF_FEW_INPUTS, batch=size.batch) if are_few and size.rows < OF_FEW_INPUTS.rows else size
