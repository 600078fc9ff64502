"""How soon the language server has an answer after a change: seconds of a processor.

    python -m benchmarks.editor.server

At each letter a text is read anew, and colours and outline are asked for; it is checked when nothing was typed for a moment, and then hints
are asked for.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median, quantiles

from benchmarks.measure import record, seconds, table
from mai.compiler.editor.completion import completions, warm_up
from mai.compiler.editor.desk import Desk
from mai.compiler.editor.outline import hints, outline, tokens
from mai.compiler.editor.server import put_off_garbage

EXAMPLES = Path(__file__).parents[2] / "examples"
CHECKED = ("moons_flow", "dit", "llama", "digits_unet")
ROUNDS, PARTS = 9, 27
TYPED = " + 0.125 * 1"  # Letter by letter, at the end of a line.
PART = """# One of the parts of the velocity.
net part{k}(x: [2], s: []) -> [2] {{
  h = linear(concat(x, fourier(s, 16)), width)
  repeat depth {{
    y = silu(linear(h, width)) |> rms_norm
    h += 1 / depth * linear(y, width)
  }}
  g = sigmoid(linear(h, width))
  m = mean(g * h)
  h = layer_norm(g * h - m)
  return linear(h, 2)
}}
"""
REST = """net velocity(x: [2], s: []) -> [2] {{
{calls}
  return {sum}
}}

train(steps = 5000, batch = 512, optimizer = adamw(lr = 1e-3), ema = 0.999) {{
  x0 ~ normal([2])
  s ~ uniform(0, 1)
  xs = (1 - s) * x0 + s * x
  minimize sum((x - x0 - velocity(xs, s))^2)
}}

export sample(steps: int = 20) -> [2] {{
  x ~ normal([2])
  integrate s in 0..1 using rk4(steps) {{ dx/ds = velocity(x, s) }}
  return x
}}

export path() -> [21, 2] {{
  x ~ normal([2])
  integrate s in 0..1 using rk4(20) {{ dx/ds = velocity(x, s) }} keep x as points
  return points
}}
"""


def long_text() -> str:
    """A flow whose velocity is the sum of many nets, in some 400 lines."""
    names = [f"v{k}" for k in range(PARTS)]
    calls = "\n".join(f"  v{k} = part{k}(x, s)" for k in range(PARTS))
    head = "const width = 64\nconst depth = 4\n\ndata x: [2] from moons(noise = 0.05)\n"
    rest = REST.format(calls=calls, sum=" + ".join(names))
    return "\n".join([head, *(PART.format(k=k) for k in range(PARTS)), rest])


def main() -> None:
    """Measure, print and record the tables."""
    warm_up()  # As the server does, before the first question.
    put_off_garbage()
    texts = {f"{name}.mai": (EXAMPLES / f"{name}.mai").read_text(encoding="utf-8") for name in CHECKED}
    texts[f"a flow of {PARTS} nets"] = long_text()
    figures = {name: measured(text) for name, text in texts.items()}
    rows = [(name, texts[name].count("\n"), *map(seconds, figures[name].values())) for name in texts]
    head = ("a text after a change", "lines", "opened: checked", "read, coloured, outlined", "completed", "hints")
    letters = {name: {where: checked(text, at) for where, at in places(text).items()} for name, text in texts.items()}
    where = [*places(long_text())]
    typed = [(name, *(_shown(by.get(each)) for each in where)) for name, by in letters.items()]
    record("editor", f"{table(head, rows)}\n\n{table(('checked after a letter in', *where), typed)}", letters)


def measured(text: str) -> dict[str, float]:
    """The median seconds of each answer, to a text that nobody has checked."""
    rounds = [_answers(Desk(), f"{text}# {number}\n") for number in range(ROUNDS + 1)][1:]
    return {what: median(each[what] for each in rounds) for what in rounds[0]}


def _answers(desk: Desk, text: str) -> dict[str, float]:
    view = desk.put(EXAMPLES / "changed.mai", text, None)
    at = text.index("return ") + len("return ")
    read = _seconds(lambda: (outline(view), list(tokens(view))))
    return {
        "check": _seconds(lambda: view.check(desk.texts())),
        "read": read,
        "complete": _seconds(lambda: list(completions(view, at))),
        "hints": _seconds(lambda: list(hints(view, 0, len(view.source.text)))),
    }


def places(text: str) -> dict[str, int]:
    """Ends of lines: of the first `return` of a net or a layer, the last one of an export, the objective of a train block."""
    export, train = text.rfind("export "), text.find("minimize ")
    begins = {"a net": text.find("return "), "an export": text.find("return ", export), "a train block": train}
    return {where: text.index("\n", begin) for where, begin in begins.items() if begin >= 0}


def checked(text: str, at: int) -> list[float]:
    """The seconds of reading and checking a text after each of some letters."""
    desk, path, times = Desk(), EXAMPLES / "changed.mai", []
    for count in range(len(TYPED) + 1):
        view = desk.put(path, text[:at] + TYPED[:count] + text[at:], None)
        times.append(_seconds(lambda view=view: (view.file, view.check(desk.texts()))))  # type: ignore[misc]
        gc.collect()
    return times[1:]


def _shown(times: list[float] | None) -> str:
    return "" if times is None else f"{seconds(median(times))} ({seconds(_late(times))})"


def _late(times: list[float]) -> float:
    """The time that one answer of twenty is later than."""
    return quantiles(times, n=20, method="inclusive")[-1]


def _seconds(ask: Callable[[], object]) -> float:
    start = time.process_time()
    ask()
    return time.process_time() - start


if __name__ == "__main__":
    main()
