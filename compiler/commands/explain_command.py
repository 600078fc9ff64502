"""The verb `explain`."""

from __future__ import annotations

from typing import Annotated

import typer


def explain(
    slug: Annotated[
        str | None,
        typer.Argument(
            help="What stands in brackets after `error`, or a function's or layer's name.", show_default=False
        ),
    ] = None,
) -> None:
    """Explain a diagnostic, with an example, or a function or layer; without a name, list all diagnostics."""
    from mai.compiler.elaborate.functions.function_reference import explained
    from mai.spec.diagnostics.catalog import CATALOG
    from mai.spec.diagnostics.explain import explanation, index
    from mai.spec.diagnostics.foreign import FOREIGN

    if slug is None:
        typer.echo(index())
        return
    if slug in CATALOG:
        typer.echo(explanation(slug))
        return
    function = explained(slug) or FOREIGN.get(slug)
    typer.echo(function or explanation(slug), err=function is None)
    if function is None:
        raise typer.Exit(1)
