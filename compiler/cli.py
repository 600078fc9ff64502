"""The verbs of the compiler, added to the command line `mai`."""

from __future__ import annotations

import typer

from mai.compiler.commands.check_command import check
from mai.compiler.commands.compile_command import compile_
from mai.compiler.commands.explain_command import explain
from mai.compiler.commands.new_command import new
from mai.compiler.commands.shared import with_diagnostics
from mai.compiler.commands.show_command import show
from mai.compiler.commands.train_command import train
from mai.compiler.commands.tune_command import tune
from mai.compiler.commands.weights_command import list_weights, map_weights


def register(app: typer.Typer) -> None:
    """Add the verbs to an application, in the order in which its help lists them."""
    for verb in (check, show, train, compile_, tune, explain, new):
        app.command(name=verb.__name__.rstrip("_"))(with_diagnostics(verb))
    weights = typer.Typer(help="Weights of other programs.")
    weights.command(name="list")(with_diagnostics(list_weights))
    weights.command(name="map")(with_diagnostics(map_weights))
    app.add_typer(weights, name="weights")
