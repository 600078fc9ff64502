"""Thirty mistakes that one can make in a solver or a pass and that no type shows: a coefficient, a sign, a term that is left out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong; in the file, the text `before`, which stands there once, becomes `after`."""

    wrong: str
    path: str
    before: str
    after: str

    def sown(self, tree: Path) -> str:
        """The text of the file in a tree, with the fault. Raises `ValueError` where its text is not there once."""
        text = (tree / self.path).read_text(encoding="utf-8")
        if text.count(self.before) != 1:
            raise ValueError(f"{self.path} has {text.count(self.before)} times {self.before!r}")
        return text.replace(self.before, self.after)


TABLEAUS, FIXED, ADAPTIVE = "compiler/solvers/tableaus.py", "compiler/solvers/fixed.py", "compiler/solvers/adaptive.py"
DENSE, EMBEDDED, PROBLEM = "compiler/solvers/dense.py", "compiler/solvers/embedded.py", "compiler/solvers/problem.py"
DERIVATIVE = "compiler/passes/derivatives/derivative.py"
OF_LOOPS = "compiler/passes/derivatives/derivative_of_loops.py"
FOLD, SHARE = "compiler/passes/local/fold.py", "compiler/passes/local/share.py"
COUNTED_STEPS, PACE = "compiler/solvers/counted_steps.py", "compiler/solvers/pace.py"
PAIR = "compiler/passes/branches/pair.py"
TURN = "compiler/passes/text/turn.py"

FAULTS = (
    Fault("midpoint ends by its first stage", TABLEAUS,
          'Tableau(((), _row("1/2")), _row(0, 1), _row(0, "1/2"))', 'Tableau(((), _row("1/2")), _row(1, 0), _row(0, "1/2"))'),
    Fault("heun weighs its stages 1/3 and 2/3", TABLEAUS,
          '_row("1/2", "1/2"), _row(0, 1)),\n            "Heun 1900"', '_row("1/3", "2/3"), _row(0, 1)),\n            "Heun 1900"'),
    Fault("ralston weighs its stages 1/3 and 2/3", TABLEAUS, '_row("1/4", "3/4")', '_row("1/3", "2/3")'),
    Fault("two weights of rk4 are exchanged", TABLEAUS, '_row("1/6", "1/3", "1/3", "1/6")', '_row("1/6", "1/3", "1/6", "1/3")'),
    Fault("ab2 averages two velocities", TABLEAUS, '_row("3/2", "-1/2")', '_row("1/2", "1/2")'),
    Fault("ab3 has two wrong weights", TABLEAUS, '_row("23/12", "-16/12", "5/12")', '_row("23/12", "-15/12", "4/12")'),
    Fault("a digit of dopri5 is exchanged", TABLEAUS, '"9017/3168"', '"9017/3186"'),
    Fault("a digit of tsit5 is wrong", TABLEAUS, '"0.335480655492357"', '"0.334480655492357"'),
    Fault("the sign of an error weight of bosh3", TABLEAUS, '_row("-5/72", "1/12", "1/9", "-1/8")', '_row("5/72", "1/12", "1/9", "-1/8")'),
    Fault("all stages are at the time of the first", PACE, "        if c:\n            count", "        if False:\n            count"),
    Fault("Adams' first steps go back the wrong way", FIXED,
          "self.builder.emit(el.Subtract, a, d, name=\"past\")", "self.builder.emit(el.Add, a, d, name=\"past\")"),
    Fault("a tolerance is a hundred times larger", ADAPTIVE,
          "size * self.control.rtol + self.control.atol", "size * self.control.rtol + 100 * self.control.atol"),
    Fault("steps are kept whatever their error", ADAPTIVE, "error.emit(logic.LessEqual, 1.0)", "error.emit(logic.LessEqual, 1e6)"),
    Fault("time goes on where a step is refused", ADAPTIVE, "kept.where(tau + length, tau).value", "(tau + length).value"),
    Fault("the next step begins with the first velocity", EMBEDDED,
          "before, states, stages[-1], errors", "before, states, stages[0], errors"),
    Fault("dense output forgets the step's length", DENSE, "state.unsqueeze(*front) + total * length", "state.unsqueeze(*front) + total"),
    Fault("the noise of Stratonovich counts as Ito's", TABLEAUS,
          '_row("1/2", "1/2"), _row(0, 1)),\n            "Rümelin 1982"', '_row(1, 0), _row(0, 1)),\n            "Rümelin 1982"'),
    Fault("stages with one coefficient are not added up", PROBLEM,
          "builder.emit(el.Add, groups[c], k) if c in groups else k", "k"),
    Fault("the last part of a gradient is all of it", DERIVATIVE,
          "return part if total is None else self.builder.emit(el.Add, total, part)", "return part"),
    Fault("directions are zero before a loop", OF_LOOPS,
          "first = [d.or_zeros(tangents.get(v), t) for v, t, m in", "first = [d.or_zeros(None, t) for v, t, m in"),
    Fault("a loop is gone back through from its first turn", OF_LOOPS,
          'return builder.emit(el.Subtract, last, turn, name="turn")', "return turn"),
    Fault("0 - x is x", FOLD, "el.Subtract: (0, (1,))", "el.Subtract: (0, (0, 1))"),
    Fault("a - b is b - a", SHARE, "frozenset(inputs) if node.op.commutes else inputs", "frozenset(inputs)"),
    Fault("loops of the same states are the same", SHARE, " and _bodies(node, {}) == _bodies(other, {})", ""),
    Fault("a path begins at its end", COUNTED_STEPS,
          "builder.emit(Concat, first, rows, axis=axis, name=rows.name)", "builder.emit(Concat, rows, first, axis=axis, name=rows.name)"),
    Fault("time goes the other way", PACE,
          "builder.emit(el.Subtract, stop, start)", "builder.emit(el.Subtract, start, stop)"),
    Fault("of two branches the first is taken for both", PAIR, "index=branch, name=value.name", "index=0, name=value.name"),
    Fault("positions begin anew in each turn of a text", TURN,
          'place = self.emit(el.Add, self.emit(Iota, count=self.new, name="places"), self.before)', 'place = self.emit(Iota, count=self.new, name="places")'),
    Fault("a prompt counts as one token", TURN,
          'b.emit(el.Add, self.before, b.size(self.new), name="past")', 'b.emit(el.Add, self.before, b.constant(1), name="past")'),
    Fault("new rows stand before the old ones", TURN, "self.emit(Concat, state.value, new, axis=g.row", "self.emit(Concat, new, state.value, axis=g.row"),
)  # fmt: skip
