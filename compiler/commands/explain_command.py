"""The verb `explain`."""

from __future__ import annotations

from typing import Annotated

from mai.compiler.commands.shared import with_diagnostics
from mai.runtime.command_line.markers import Argument, Exit
from mai.runtime.show.terminal import echo


@with_diagnostics
def explain(
    words: Annotated[
        list[str] | None,
        Argument(
            help="What stands in brackets after `error`, or the name of a function, a layer, a library or a setting, or a word of mai's pages.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Explain an error, a function, a setting or a word: mai explain shape-mismatch, mai explain attention, mai explain lead axis

    The name of an error stands in brackets behind the word error. Without a name, all errors and warnings are listed.
    """
    from mai.compiler.editor.settings.reference import explained_setting, setting_names
    from mai.compiler.elaborate.functions.function_reference import explained, layer_text, library_text, sections
    from mai.spec import library_names
    from mai.spec.diagnostics.catalog import CATALOG
    from mai.spec.diagnostics.explain import explanation, index
    from mai.spec.diagnostics.foreign import FOREIGN
    from mai.spec.glossary import explained_word, glossary

    slug = " ".join(words or ())
    if not slug:
        echo(index())
        return
    if slug in CATALOG:
        echo(explanation(slug))
        return
    texts = explained(slug), layer_text(slug), library_text(slug), explained_setting(slug), explained_word(slug)
    said = [text for text in texts if text is not None]
    text = "\n\n".join(said) or FOREIGN.get(slug)
    if text is not None:
        echo(text)
        return
    names = {entry.name for section in sections() for entry in section.entries}
    echo(
        explanation(slug, [*CATALOG, *sorted(names | setting_names() | glossary().keys()), *library_names()]), err=True
    )
    raise Exit(1)
