"""The verb `lsp`."""

from __future__ import annotations

from importlib.util import find_spec

from mai.compiler.commands.shared import with_diagnostics
from mai.runtime.command_line.markers import Exit
from mai.runtime.show.terminal import echo


@with_diagnostics
def lsp() -> None:
    """Serve an editor: errors as you type, shapes, completion. Editors start it: mai lsp

    It speaks the language server protocol on standard input and output. The page "In your editor" of the documentation has the settings
    for VS Code, Neovim, Helix, Zed and Emacs.
    """
    if find_spec("pygls") is None:
        echo(
            "the language server needs pygls: pip install 'mai-lang[editor]', or '.[editor]' in a clone of mai",
            err=True,
        )
        raise Exit(1)
    from mai.compiler.editor.server import serve

    serve()
