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
USED = frozenset(("f", "guess", "unit", "across", "std", "mean", "abs"))


@record
class Order:
    """The columns that put the rows of a series in order: its time, and what tells several series apart."""

    time: str | None
    group: str | None


def draft_series(table: TableSummary, target: str, horizon: int, window: int | None, path: str) -> str:
    """The text of a spec that forecasts a column. Raises `MaiError` where it is no series of numbers, too short, or without an order."""
    column = _target(table, target)
    series = _series(table, column, horizon, window, path)
    count_windows(series, open_tables(table.files, series.stated), {column.name: Type(DType.REAL, (series.window,))})
    name = column.name
    blocks = (_data(table, column, series), _net(table, name, series), _train(table, name), _export(name, series))
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


def _data(table: TableSummary, column: ColumnSummary, series: Series) -> str:
    """What is forecast from what, and the line of the data."""
    target, past, horizon = column.name, series.window, series.horizon
    order = [f"{kind} = {name}" for kind, name in (("time", series.time), ("group", series.group)) if name]
    gaps = _gaps(table, column, series) if column.missing else ""
    others = [each.name for each in table.columns if each.name not in (target, series.time, series.group)]
    left = f"# Left out: {few_of(others)}: the forecast is made from the past of {target} alone.\n" if others else ""
    settings = [f'"{series.path}"', f"window = {past}", f"horizon = {horizon}", *order]
    settings += [f"missing = {series.missing}"] if column.missing else []
    settings += [f"dates = {series.dates}"] if series.dates is not None else []
    fields = [f"{target}: [{past}]", f"next_{target}: [{horizon}]"]
    return f"""# The next {horizon} of {target} from the {past} before: {table.files[0].name}, {table.rows:,} rows.
{left}{gaps}{spread("data ", fields, f"from series({', '.join(settings)})")}
"""


def _gaps(table: TableSummary, column: ColumnSummary, series: Series) -> str:
    """What the missing values of the target cost, as a line of the spec. Raises `MaiError` where no window is left."""
    fields = {column.name: Type(DType.REAL, (series.window,))}
    count, lost = count_windows(series, open_tables(table.files, series.stated), fields)
    rows = f"{column.missing:,} rows lack" if column.missing > 1 else "1 row lacks"
    if lost == count:
        raise bad(
            f"{rows} `{column.name}`, and all {count:,} windows of {series.window} + {series.horizon} rows go over one",
            help="a smaller --window or --horizon, or fill in the values",
        )
    return f"# {rows} {column.name}: {lost:,} of {count:,} windows go over one and are left out.\n"


def _net(table: TableSummary, target: str, series: Series) -> str:
    """The net, larger for more rows, and without dropout for many."""
    past, horizon, hidden = series.window, series.horizon, 64 if table.rows < MANY_ROWS else 128
    network = f"dropout(mlp(h, {hidden}), 0.1)" if table.rows < FEW_ROWS else f"mlp(h, {hidden})"
    return f"""let unit = std(across({target}))

# A straight line and a small network beside it, on how the past differs from its last value.
net f({target}: [{past}]) -> [{horizon}] {{
  last = {target}[-1]
  h = ({target} - last) / unit
  return last + unit * (linear(h, {horizon}) + linear({network}, {horizon}))
}}
"""


def _train(table: TableSummary, target: str) -> str:
    steps = 2000 if table.rows < MANY_ROWS else 4000
    return f"""train(steps = {steps}, batch = 64, optimizer = adamw(lr = 3e-3, weight_decay = 0.01), schedule = cosine(warmup = 50), keep = best) {{
  guess = f({target})
  minimize mean(((guess - next_{target}) / unit)^2)
  report mean(abs(guess - next_{target})) as error
  report mean(abs({target}[-1] - next_{target})) as error_of_no_change      # what to say that nothing changes would give
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
