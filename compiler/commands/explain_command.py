"""The verb `explain`."""

from __future__ import annotations

from typing import Annotated

from mai.compiler.commands.shared import with_diagnostics
from mai.runtime.command_line.markers import Argument, Exit
from mai.runtime.show.terminal import echo


@with_diagnostics
def explain(
    slug: Annotated[
        str | None,
        Argument(help="What stands in brackets after `error`, or a function's or layer's name.", show_default=False),
    ] = None,
) -> None:
    """Explain an error or a function, with an example: mai explain shape-mismatch, mai explain attention

    The name of an error stands in brackets behind the word error. Without a name, all errors and warnings are listed.
    """
    from mai.compiler.elaborate.functions.function_reference import explained, layer_text
    from mai.spec.diagnostics.catalog import CATALOG
    from mai.spec.diagnostics.explain import explanation, index
    from mai.spec.diagnostics.foreign import FOREIGN

    if slug is None:
        echo(index())
        return
    if slug in CATALOG:
        echo(explanation(slug))
        return
    said = [text for text in (explained(slug), layer_text(slug)) if text is not None]
    function = "\n\n".join(said) or FOREIGN.get(slug)
    echo(function or explanation(slug), err=function is None)
    if function is None:
        raise Exit(1)
