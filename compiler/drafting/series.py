"""A spec for a series: the next values of a column from those before."""

from __future__ import annotations

from mai.compiler.data.fields import bad
from mai.compiler.data.sources.series import Series
from mai.compiler.data.tables.dialect import Stated
from mai.compiler.data.tables.files import open_table
from mai.compiler.data.tables.header import NAME
from mai.compiler.data.windows.windows import count_windows
from mai.compiler.describing.columns import ColumnSummary
from mai.compiler.describing.lines import spread
from mai.compiler.describing.tables import TableSummary
from mai.compiler.ir.types import DType, Type
from mai.spec.record import record

PAST = 4  # Windows are so many times as long as what is forecast, where that leaves enough of them,
LEAST_PAST = 24  # and at least so long.
USED = frozenset(("f", "guess", "unit", "across", "std", "mean", "abs"))


@record
class Order:
    """The columns that put the rows of a series in order: its time, and what tells several series apart."""

    time: str | None
    group: str | None


def draft_series(table: TableSummary, target: str, horizon: int, window: int | None, path: str) -> str:
    """The text of a spec that forecasts a column. Raises `MaiError` where it is no series of numbers, or too short."""
    column = table.column(target)
    if column is None or column.kind not in ("number", "whole"):
        raise bad(
            f"`{target}` cannot be forecast: it is no column of numbers",
            help=f"there are {', '.join(each.name for each in table.columns)}",
        )
    if target in USED or not NAME.fullmatch(target):
        raise bad(f"`{target}` is a name that the spec has for itself", help="give the column another name")
    order = _order(table)
    rows = table.rows // max(1, _distinct(table, order.group))
    past = window or min(max(LEAST_PAST, PAST * horizon), rows // 4)
    if past < 1 or past + 2 * horizon > rows // 2:
        raise bad(
            f"a series of {rows:,} rows is too short to forecast {horizon} from {past}",
            help="a smaller --horizon, or --window",
        )
    named = [f"{kind} = {name}" for kind, name in (("time", order.time), ("group", order.group)) if name]
    settings = [f'"{path}"', f"window = {past}", f"horizon = {horizon}", *named]
    settings += ["missing = drop"] if column.missing else []  # Windows without gaps alone.
    gaps = (
        _gaps(table, target, Series(path=path, window=past, horizon=horizon, time=order.time, group=order.group))
        if column.missing
        else ""
    )
    data = spread(
        "data ", [f"{target}: [{past}]", f"next_{target}: [{horizon}]"], f"from series({', '.join(settings)})"
    )
    hidden, steps = (64, 2000) if table.rows < 10_000 else (128, 4000)
    network = f"dropout(mlp(h, {hidden}), 0.1)" if table.rows < 3000 else f"mlp(h, {hidden})"
    return f"""# The next {horizon} of {target} from the {past} before: {table.files[0].name}, {table.rows:,} rows.
{gaps}{data}

let unit = std(across({target}))

# A straight line and a small network beside it, on how the past differs from its last value.
net f({target}: [{past}]) -> [{horizon}] {{
  last = {target}[-1]
  h = ({target} - last) / unit
  return last + unit * (linear(h, {horizon}) + linear({network}, {horizon}))
}}

train(steps = {steps}, batch = 64, optimizer = adamw(lr = 3e-3, weight_decay = 0.01), schedule = cosine(warmup = 50), keep = best) {{
  guess = f({target})
  minimize mean(((guess - next_{target}) / unit)^2)
  report mean(abs(guess - next_{target})) as error
  report mean(abs({target}[-1] - next_{target})) as error_of_no_change      # what to say that nothing changes would give
}}

export forecast({target}: [{past}]) -> [{horizon}] {{
  next_{target} = f({target})
  return next_{target}
}}
"""


def _gaps(table: TableSummary, target: str, series: Series) -> str:
    """What the missing values of the target cost, as a line of the spec. Raises `MaiError` where no window is left."""
    missing = sum(each.missing for each in table.columns if each.name == target)
    tables = [open_table(file, Stated()) for file in table.files]
    fields = {target: Type(DType.REAL, (series.window,))}
    count, lost = count_windows(series.but(missing="drop"), tables, fields)
    rows = f"{missing:,} rows lack" if missing > 1 else "1 row lacks"
    if lost == count:
        raise bad(
            f"{rows} `{target}`, and all {count:,} windows of {series.window} + {series.horizon} rows go over one",
            help="a smaller --window or --horizon, or fill in the values",
        )
    return f"# {rows} {target}: {lost:,} of {count:,} windows go over one and are left out.\n"


def _order(table: TableSummary) -> Order:
    """The column of times, and that of words which says whose row it is where times come again."""
    times = [each for each in table.columns if each.kind == "date"]
    time = times[0] if times else next((each for each in table.columns if each.is_numbering), None)
    if time is None:
        return Order(None, None)
    moments = time.distinct or table.rows
    words = [
        each
        for each in table.columns
        if each.kind == "word" and each.distinct and moments * each.distinct >= table.rows
    ]
    group = min(words, key=lambda each: each.distinct or 0) if words and moments < table.rows else None
    return Order(time.name, group.name if group else None)


def _distinct(table: TableSummary, name: str | None) -> int:
    column: ColumnSummary | None = table.column(name) if name else None
    return (column.distinct or 1) if column else 1
