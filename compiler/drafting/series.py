"""A spec for a series: the next values of a column from those before."""

from __future__ import annotations

from mai.compiler.data.fields import bad
from mai.compiler.data.sources.series import Series
from mai.compiler.data.tables.cells import Missing
from mai.compiler.data.tables.files import open_tables
from mai.compiler.data.tables.header import NAME
from mai.compiler.data.windows.windows import count_windows
from mai.compiler.describing.columns.column import ColumnSummary
from mai.compiler.describing.lines import spread
from mai.compiler.describing.tables import TableSummary, why_not
from mai.compiler.ir.types import DType, Type
from mai.runtime.inputs.cells import few_of
from mai.spec.record import record

PAST = 4  # Windows are so many times as long as what is forecast, where that leaves enough of them,
LEAST_PAST = 24  # and at least so long.
FEW_ROWS, MANY_ROWS = 3000, 10_000  # Below the one a net needs dropout, and from the other on it may be larger.
MOST_LOST = 0.25  # Of the windows: where gaps cost more of them, windows with gaps are learnt from, too.
USED = frozenset((
    "f", "h", "last", "linear", "dropout", "mlp", "guess", "unit", "across", "std", "mean", "abs", "last_of", "mean_of", "there", "fill", "missing", "argmax", "cumsum", "where", "sum",
    "maximum",
))  # fmt: skip


@record
class Order:
    """The columns that put the rows of a series in order: its time, and what tells several series apart."""

    time: str | None
    group: str | None


def draft_series(table: TableSummary, target: str, horizon: int, window: int | None, path: str) -> str:
    """The text of a spec that forecasts a column. Raises `MaiError` where it is no series of numbers, too short, or without an order."""
    column = _target(table, target)
    series = _series(table, column, horizon, window, path)
    fields = {column.name: Type(DType.REAL, (series.window,))}
    windows = count_windows(series, open_tables(table.files, series.stated), fields)
    name, gaps = column.name, ""
    if column.missing:
        series, gaps = _with_gaps(column, series, *windows)
    parts = _keeping(name, series) if series.missing == "keep" else _whole(name, series)
    blocks = (
        _data(table, name, series, gaps),
        _net(table, name, series, parts),
        _train(table, name, parts),
        _export(name, series),
    )
    return "\n".join(blocks)


def _target(table: TableSummary, name: str) -> ColumnSummary:
    """The column that is forecast. Raises `MaiError` where it holds no numbers, or has a name that the spec needs."""
    column = table.column_called(name)
    if column is None or column.kind not in ("number", "whole"):
        why = (why_not(column) if column is not None else None) or "it is no column of numbers"
        help = f"there are {few_of([each.name for each in table.columns])}"
        raise bad(f"`{name}` cannot be forecast: {why}", help=help)
    if column.name in USED or not NAME.fullmatch(column.name):
        raise bad(f"`{column.name}` is a name that the spec has for itself", help="give the column another name")
    return column


def _series(table: TableSummary, column: ColumnSummary, horizon: int, window: int | None, path: str) -> Series:
    """How the rows are cut into windows: without gaps alone. Raises `MaiError` where there are too few rows."""
    order = _order(table, column)
    rows = table.rows // max(1, _distinct(table, order.group))
    past = window or min(max(LEAST_PAST, PAST * horizon), rows // 4)
    if past < 1 or past + 2 * horizon > rows // 2:
        raise bad(
            f"a series of {rows:,} rows is too short to forecast {horizon} from {past}",
            help="a smaller --horizon, or --window",
        )
    missing: Missing = "drop" if column.missing else "refuse"
    return Series(
        path=path, window=past, horizon=horizon, time=order.time, group=order.group, missing=missing, dates=table.order
    )


def _data(table: TableSummary, target: str, series: Series, gaps: str) -> str:
    """What is forecast from what, and the line of the data."""
    past, horizon = series.window, series.horizon
    order = [f"{kind} = {name}" for kind, name in (("time", series.time), ("group", series.group)) if name]
    others = [each.name for each in table.columns if each.name not in (target, series.time, series.group)]
    order_of_file = (
        ""
        if series.time
        else "# No column has dates that are read: rows are taken in the order of the file, the earliest first.\n"
    )
    left = f"# Left out: {few_of(others)}: the forecast is made from the past of {target} alone.\n" if others else ""
    settings = [f'"{series.path}"', f"window = {past}", f"horizon = {horizon}", *order]
    settings += [f"missing = {series.missing}"] if gaps else []
    settings += [f"dates = {series.dates}"] if series.dates is not None else []
    fields = [f"{target}: [{past}]", f"next_{target}: [{horizon}]"]
    return f"""# The next {horizon} of {target} from the {past} before: {table.files[0].name}, {table.rows:,} rows.
{order_of_file}{left}{gaps}{spread("data ", fields, f"from series({', '.join(settings)})")}
"""


def _with_gaps(column: ColumnSummary, series: Series, count: int, lost: int) -> tuple[Series, str]:
    """What becomes of windows that lack a value, `lost` of them, and a line of the spec that says so."""
    rows = f"{column.missing:,} rows lack" if column.missing > 1 else "1 row lacks"
    over = f"# {rows} {column.name}: {lost:,} of {count:,} windows go over one"
    if lost <= MOST_LOST * count:
        return series, f"{over} and are left out.\n"
    kept = f"{over}, and are kept.\n# A value that is missing in the past counts as the last one that is there, one of the future is not learnt.\n"
    return series.but(missing="keep"), kept


@record
class Parts:
    """How a spec says: the unit of the target, the last value of the past, how the past differs from it, the loss, the errors that it reports."""

    unit: str
    before: str
    last: str
    past: str
    loss: str
    error: str
    of_no_change: str


def _whole(target: str, series: Series) -> Parts:
    """Of windows that lack nothing."""
    return Parts(
        f"std(across({target}))", "", f"{target}[-1]", f"({target} - last) / unit", f"mean(((guess - next_{target}) / unit)^2)",
        f"mean(abs(guess - next_{target}))", f"mean(abs({target}[-1] - next_{target}))",
    )  # fmt: skip


def _keeping(target: str, series: Series) -> Parts:
    """Of windows that may lack values."""
    before = f"""
# The last value that is there.
net last_of({target}: [{series.window}]) -> [] {{ return fill({target})[argmax(cumsum(1 - missing({target})))] }}

# The mean of the numbers for which there is a value to compare with.
net mean_of(x: [{series.horizon}], there: [{series.horizon}]) -> [] {{
  return sum(where(there == 1, x, 0)) / maximum(sum(there), 1)
}}
"""
    there = f"1 - missing(next_{target})"
    return Parts(
        f"std(across(fill({target})))", before, f"last_of({target})", f"where(missing({target}) == 1, 0, ({target} - last) / unit)",
        f"mean_of(((guess - next_{target}) / unit)^2, {there})",
        f"mean_of(abs(guess - next_{target}), {there})", f"mean_of(abs(last_of({target}) - next_{target}), {there})",
    )  # fmt: skip


def _net(table: TableSummary, target: str, series: Series, parts: Parts) -> str:
    """The net, larger for more rows, and without dropout for many."""
    past, horizon, hidden = series.window, series.horizon, 64 if table.rows < MANY_ROWS else 128
    network = f"dropout(mlp(h, {hidden}), 0.1)" if table.rows < FEW_ROWS else f"mlp(h, {hidden})"
    return f"""let unit = {parts.unit}
{parts.before}
# A straight line and a small network beside it, on how the past differs from its last value.
net f({target}: [{past}]) -> [{horizon}] {{
  last = {parts.last}
  h = {parts.past}
  return last + unit * (linear(h, {horizon}) + linear({network}, {horizon}))
}}
"""


def _train(table: TableSummary, target: str, parts: Parts) -> str:
    steps = 2000 if table.rows < MANY_ROWS else 4000
    return f"""train(steps = {steps}, batch = 64, optimizer = adamw(lr = 3e-3, weight_decay = 0.01), schedule = cosine(warmup = 50), keep = best) {{
  guess = f({target})
  minimize {parts.loss}
  report {parts.error} as error
  report {parts.of_no_change} as error_of_no_change      # what to say that nothing changes would give
}}
"""


def _export(target: str, series: Series) -> str:
    return f"""export forecast({target}: [{series.window}]) -> [{series.horizon}] {{
  next_{target} = f({target})
  return next_{target}
}}
"""


def _order(table: TableSummary, target: ColumnSummary) -> Order:
    """The column of times, and that of words, or else of whole numbers, which says whose row it is where times come again."""
    times = [each for each in table.columns if each.kind == "date"]
    time = times[0] if times else next((each for each in table.columns if each.is_numbering), None)
    if time is None:
        return Order(None, None)
    moments = time.distinct or table.rows
    telling = [
        each
        for each in table.columns
        if each.kind in ("word", "whole")
        and each not in (time, target)
        and moments * (each.distinct or 0) >= table.rows
    ]
    by_kind = sorted(telling, key=lambda each: (each.kind == "whole", each.distinct))
    group = by_kind[0] if by_kind and moments < table.rows else None
    return Order(time.name, group.name if group else None)


def _distinct(table: TableSummary, name: str | None) -> int:
    column: ColumnSummary | None = table.column(name) if name else None
    return (column.distinct or 1) if column else 1
