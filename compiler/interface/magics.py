"""`%load_ext mai`: a notebook's cell is a spec, `%%mai flow`, and a line is a command, `%mai check flow.mai`."""

from __future__ import annotations

import builtins
import shlex
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from keyword import iskeyword
from typing import TYPE_CHECKING, Any

from mai.compiler.interface.spec import Spec
from mai.spec import ast
from mai.spec.diagnostics import Diagnostic, MaiError
from mai.spec.diagnostics.suggest import closest

if TYPE_CHECKING:
    from mai.runtime.model.model import Model

USUAL_NAME = "spec"
HELP = """%%mai [NAME] [CONST=VALUE ...]: the cell is a spec, which NAME (or `spec`) holds; its exports become functions.

    %%mai flow width=64
    data x: [2] from python(points)        # points is an array, a table or a dictionary of this notebook
    ...

    run = flow.train(steps=500)            # in the next cell
    sample(batch=100)

%mai VERB ...: a line is a command, as in a terminal: %mai check flow.mai
"""


def load_ipython_extension(shell: Any) -> None:
    """What `%load_ext mai` calls: it registers `%%mai` and `%mai`."""
    shell.register_magic_function(lambda line, cell=None: run_magic(shell, line, cell), "line_cell", "mai")


def run_magic(shell: Any, line: str, cell: str | None) -> Spec | None:
    """A cell as a spec, which is shown; or a line as a command. A name of the notebook that is no function of a spec stays as it is."""
    if cell is None:
        _command(line)
        return None
    words = shlex.split(line)
    if "--help" in words or "-h" in words:
        print(HELP)
        return None
    names = [word for word in words if "=" not in word]
    name = names[0] if names else USUAL_NAME
    if len(names) > 1 or not name.isidentifier() or iskeyword(name):
        from IPython.core.error import UsageError

        raise UsageError(f"%%mai {line}: one name of Python, then CONST=VALUE\n\n{HELP}")
    consts = dict(word.split("=", 1) for word in words if "=" in word)
    spec = Spec(cell, name, data=_values(Spec(cell, name).variable_names, shell.user_ns), **consts)
    findings = spec.check()
    if not findings:
        raise MaiError(findings.diagnostics)
    _tell_of_before(spec, shell.user_ns.get(name))
    shell.user_ns[name] = spec
    shell.user_ns.update(_functions(spec, shell.user_ns))
    return spec


def _tell_of_before(spec: Spec, before: object) -> None:
    """What is no longer meant by the name of a spec."""
    if isinstance(before, Spec):
        with suppress(MaiError):  # Of a run whose folder was removed there is nothing to say.
            if before.run is not None:
                print(f"note: {spec.name} begins anew; what it was trained to is mai.Run({str(before.run.folder)!r})")
    elif before is not None:
        print(f"note: {spec.name} was something else here, {type(before).__name__}; it is the spec now")


def _values(variables: tuple[ast.Name, ...], names: Mapping[str, object]) -> object:
    """The values that a spec's `python(...)` names, or None where it names none. Raises `MaiError` at one that the notebook has not."""
    for variable in variables:
        if variable.id not in names:
            meant = closest(variable.id, [name for name in names if not name.startswith("_")])
            help = f"did you mean `{meant}`?" if meant else "a cell that ran before this one gives its data a name"
            raise MaiError(
                [Diagnostic("unknown-name", variable.span, f"this notebook has no `{variable.id}`", help=help)]
            )
    values = tuple(names[variable.id] for variable in variables)
    return values[0] if len(values) == 1 else values or None


class Function:
    """An export of a notebook's spec, which runs with the weights of its last run."""

    def __init__(self, spec: Spec, name: str) -> None:
        self.spec, self.name = spec, name

    @property
    def model(self) -> Model:
        """The compiled file."""
        return self.spec.export(self.name)

    def __call__(self, /, *unnamed: object, **values: object) -> Any:
        """See `Model.__call__`."""
        return self.model(*unnamed, **values)

    def __getattr__(self, name: str) -> Any:
        """What else a compiled file can do, as `draw`; a notebook's own questions, which begin with `_`, compile nothing."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.model, name)

    def __repr__(self) -> str:
        return f"<export {self.name} of {self.spec.name}>"


def _functions(spec: Spec, names: Mapping[str, object]) -> dict[str, Function]:
    """The exports, as far as their names are free."""
    functions = {name: Function(spec, name) for name in spec.exports}
    taken_names = {**vars(builtins), **names}
    taken = [name for name in functions if name in taken_names and not isinstance(taken_names[name], Function)]
    for name in taken:
        print(f"note: {name} is something else here: call {spec.name}.{name}(...)")
    for name in functions:
        before = taken_names.get(name)
        if isinstance(before, Function) and before.spec.name != spec.name:
            print(f"note: {name} is that of {spec.name} now: call {before.spec.name}.{name}(...) for the other")
    return {name: each for name, each in functions.items() if name not in taken}


def _command(line: str) -> None:
    """A command of mai in a process of its own, whose output is printed here as it comes."""
    command = [sys.executable, "-m", "mai.runtime.cli", *shlex.split(line)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for text in process.stdout or ():
            print(text, end="")
