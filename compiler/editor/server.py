"""The language server: requests of an editor to questions, answers to what the protocol has for them. pygls speaks the protocol."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import mai
from mai.compiler.editor import convert
from mai.compiler.editor.completion import completions, signature, warm_up
from mai.compiler.editor.desk import Desk, with_change
from mai.compiler.editor.hover import hover
from mai.compiler.editor.meaning import mended
from mai.compiler.editor.outline import TOKEN_KINDS, folds, hints, lenses, outline, tokens
from mai.compiler.editor.places import offset_of, place_of, units
from mai.compiler.editor.view import View
from mai.spec.diagnostics import Diagnostic
from mai.spec.source import Span

if TYPE_CHECKING:
    from lsprotocol import types as lsp
    from pygls.lsp.server import LanguageServer

T = TypeVar("T")
STACK = 256 * 2**20  # Bytes; the elaborator recurses into what is nested.
OBJECTS = 100_000  # A check of a long text makes some 60,000.
PAUSE = 0.05  # Seconds without a change after which a text is checked; meanwhile what is asked is answered.


Answer = Callable[[Any], Any]  # Of the parameters of a request, as pygls has them.


class Addressed(Protocol):
    """What the protocol names a text by."""

    @property
    def uri(self) -> str: ...


class OfText(Protocol):
    """The parameters of a request about a text."""

    @property
    def text_document(self) -> Addressed: ...


class AtPlace(OfText, Protocol):
    """The parameters of a request about a place in a text."""

    @property
    def position(self) -> lsp.Position: ...


class Answers:
    """What the server answers, by the methods of the protocol; texts are checked beside, one after the other."""

    def __init__(self, server: LanguageServer) -> None:
        self.server, self.desk = server, Desk()
        self.addresses: dict[Path, str] = {}  # Of open texts, as the editor writes them.
        self.checks: dict[Path, asyncio.Task[None]] = {}
        self.fixes: dict[Path, tuple[View, list[Diagnostic]]] = {}
        self.runs_commands = False
        threading.stack_size(STACK)
        self.pool = ThreadPoolExecutor(1)
        self.pool.submit(warm_up)
        self.pool.submit(put_off_garbage)

    # ----------------------------------------------------------------- texts

    def initialize(self, params: lsp.InitializeParams) -> None:
        """An editor that can run commands says so: `{"run": true}` among its options."""
        options = params.initialization_options
        self.runs_commands = bool(options.get("run")) if isinstance(options, dict) else False
        # pygls keeps texts of its own, and on the way moves places to where it has the ends of lines.
        self.server.workspace.update_text_document = lambda *_: None  # type: ignore[method-assign]

    def opened(self, params: lsp.DidOpenTextDocumentParams) -> None:
        """A text was opened."""
        self._put(params.text_document.uri, params.text_document.text, params.text_document.version)

    def changed(self, params: lsp.DidChangeTextDocumentParams) -> None:
        """A text was changed, in parts or as a whole.

        Parts are put in here: pygls counts more characters as ends of lines (U+2028, form feeds) than the protocol does.
        """
        view = self._view(params)
        text = view.source.text if view is not None else ""
        for change in params.content_changes:
            text = with_change(text, getattr(change, "range", None), change.text)
        self._put(params.text_document.uri, text, params.text_document.version)

    def files_changed(self, params: lsp.DidChangeWatchedFilesParams) -> None:
        """Files were changed beside the editor: texts that are open may import them."""
        for view in [*self.desk.views.values()]:
            self._check_anew(self.desk.put(view.path, view.source.text, view.version))

    def closed(self, params: lsp.DidCloseTextDocumentParams) -> None:
        """A text was closed: nothing is said of it any more."""
        path = convert.path_of(params.text_document.uri)
        self.desk.close(path)
        self.checks.pop(path, None)
        self._publish(path, None, [])

    def _put(self, uri: str, text: str, version: int | None) -> None:
        path = convert.path_of(uri)
        self.addresses[path] = uri
        self._check_anew(self.desk.put(path, text, version))

    def _check_anew(self, view: View) -> None:
        self.checks[view.path] = asyncio.ensure_future(self._check(view))

    async def _check(self, view: View) -> None:
        """Check a text, then those that import it; what is said of a text that was changed meanwhile is left out."""
        await asyncio.sleep(PAUSE)
        await self._run(lambda: self._meaning(view))
        if self._is_current(view) and view.meaning is not None:
            self._publish(view.path, view, view.meaning.diagnostics)
            self._refresh()
        await self._show_importers(view)
        await self._run(lambda: gc.collect() if self._is_current(view) else 0)

    async def _show_importers(self, view: View) -> None:
        for old, new in await self._run(lambda: self._importers(view)):
            is_open = self._is_current(old)
            if is_open:
                self.desk.views[old.path] = new
            if new.meaning is not None and (is_open or old.path not in self.desk.views):
                self._publish(new.path, new if is_open else None, new.meaning.diagnostics)

    def _meaning(self, view: View) -> None:
        if self._is_current(view):
            view.check(self.desk.texts())

    def _importers(self, view: View) -> list[tuple[View, View]]:
        """The files that import a text, as they were and checked anew."""
        importers = []
        for old in self.desk.importers(view.path) if self._is_current(view) else ():
            new = View(old.path, old.source, self.desk.read, old.version, self.desk.kept(old.path))
            new.check(self.desk.texts())
            importers.append((old, new))
        return importers

    async def _run(self, question: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self.pool, question)

    def _is_current(self, view: View) -> bool:
        return self.desk.views.get(view.path) is view

    def _publish(self, path: Path, view: View | None, diagnostics: list[Diagnostic]) -> None:
        source = view.source if view is not None else self.desk.read(path)
        view = view or (View(path, source, self.desk.read) if source is not None else None)
        converted = [convert.diagnostic(view, d) for d in diagnostics] if view is not None else []
        address = self.addresses.get(path) or convert.uri_of(path)
        self.server.text_document_publish_diagnostics(
            convert.published(address, view.version if view else None, converted)
        )

    def _refresh(self) -> None:
        """Let the editor ask again for what depends on a check."""
        workspace = getattr(self.server.client_capabilities, "workspace", None)
        if getattr(getattr(workspace, "inlay_hint", None), "refresh_support", False):
            self.server.workspace_inlay_hint_refresh(None)
        if getattr(getattr(workspace, "code_lens", None), "refresh_support", False):
            self.server.workspace_code_lens_refresh(None)

    def _view(self, params: OfText) -> View | None:
        return self.desk.views.get(convert.path_of(params.text_document.uri))

    def _folders(self) -> list[Path]:
        """The folders that the editor has open."""
        workspace = self.server.workspace
        addresses = [*workspace.folders] or [workspace.root_uri or ""]
        return [convert.path_of(address) for address in addresses if address]

    def _asked(self, params: AtPlace) -> tuple[View, int] | None:
        view = self._view(params)
        at = params.position
        return None if view is None else (view, offset_of(view.source, (at.line, at.character)))

    async def _checked(self, params: OfText) -> View | None:
        """The text, once it was checked; None if it was changed meanwhile."""
        view = self._view(params)
        check = self.checks.get(view.path) if view is not None else None
        if check is not None and view is not None and view.meaning is None:
            await asyncio.shield(check)
        return view if view is not None and self._is_current(view) else None

    # --------------------------------------------------------------- answers

    async def hover(self, params: lsp.HoverParams) -> lsp.Hover | None:
        """What the thing under the pointer is."""
        view = await self._checked(params)
        asked = self._asked(params)
        said = hover(*asked) if view is not None and asked is not None else None
        return None if said is None else convert.hover(said)

    async def inlay_hints(self, params: lsp.InlayHintParams) -> list[lsp.InlayHint] | None:
        """The shapes behind names."""
        view = await self._checked(params)
        if view is None:
            return None
        begin, end = (offset_of(view.source, (p.line, p.character)) for p in (params.range.start, params.range.end))
        return [convert.hint(view.source, hint) for hint in hints(view, begin, end)]

    async def code_lenses(self, params: lsp.CodeLensParams) -> list[lsp.CodeLens] | None:
        """The lines above declarations."""
        view = await self._checked(params)
        return None if view is None else [convert.lens(lens, self.runs_commands) for lens in lenses(view)]

    async def code_actions(self, params: lsp.CodeActionParams) -> list[lsp.CodeAction] | None:
        """The edits that mend what is wrong in a range; each was tried."""
        view = await self._checked(params)
        if view is None or view.meaning is None:
            return None
        texts = self.desk.texts()
        if self.fixes.get(view.path, (None,))[0] is not view and any(d.edits for d in view.meaning.diagnostics):
            self.fixes[view.path] = (
                view,
                await self._run(lambda: mended(view.path, view.source, texts, self.desk.kept(view.path))),
            )
        kept, diagnostics = self.fixes.get(view.path, (None, []))
        if kept is not view or not self._is_current(view):
            return []
        begin, end = (offset_of(view.source, (p.line, p.character)) for p in (params.range.start, params.range.end))
        here = [d for d in diagnostics if d.span and d.edit and d.span.source.path == str(view.path)]
        return [convert.action(view, d) for d in here if d.span and d.span.start <= end and d.span.end >= begin]

    def completion(self, params: lsp.CompletionParams) -> list[lsp.CompletionItem] | None:
        """What may be written."""
        asked = self._asked(params)
        return None if asked is None else convert.completions(completions(*asked))

    def signature_help(self, params: lsp.SignatureHelpParams) -> lsp.SignatureHelp | None:
        """What the call around takes."""
        asked = self._asked(params)
        call = signature(*asked) if asked is not None else None
        return None if call is None else convert.signature(call)

    def definition(self, params: lsp.DefinitionParams) -> lsp.Location | None:
        """Where a name is defined."""
        asked = self._asked(params)
        span = self.desk.definition(*asked) if asked is not None else None
        return None if span is None else convert.location(span)

    def references(self, params: lsp.ReferenceParams) -> list[lsp.Location] | None:
        """Where a name stands."""
        asked = self._asked(params)
        if asked is None:
            return None
        home = self.desk.definition(*asked) if not params.context.include_declaration else None
        with _refusing():
            spans = self.desk.places(*asked, self._folders())
        return [convert.location(span) for span in spans if not _is_at(span, home)]

    def highlights(self, params: lsp.DocumentHighlightParams) -> list[lsp.DocumentHighlight]:
        """Where a name stands in this text."""
        asked = self._asked(params)
        spans = self.desk.places(*asked) if asked is not None else []
        return [convert.highlight(span) for span in spans if asked is not None and span.source is asked[0].source]

    def prepare_rename(self, params: lsp.PrepareRenameParams) -> lsp.Range | None:
        """Whether there is a name that can be changed."""
        asked = self._asked(params)
        span = self.desk.can_rename(*asked) if asked is not None else None
        return None if span is None else convert.range_of(span)

    def rename(self, params: lsp.RenameParams) -> lsp.WorkspaceEdit | None:
        """Another name, wherever it stands."""
        asked = self._asked(params)
        if asked is None or self.desk.can_rename(*asked) is None:
            return None
        with _refusing():
            return convert.renamed(self.desk.renamed(*asked, params.new_name, self._folders()), params.new_name)

    def formatting(self, params: lsp.DocumentFormattingParams) -> list[lsp.TextEdit] | None:
        """The text in the form that all have; nothing where it is not of the language."""
        view = self._view(params)
        after = view.formatted() if view is not None else None
        return None if view is None or after is None else convert.replaced(view.source, after)

    def indent(self, params: lsp.DocumentOnTypeFormattingParams) -> list[lsp.TextEdit] | None:
        """The indent of a line that was begun, or that a bracket closes."""
        asked = self._asked(params)
        edit = asked[0].indented(asked[1], params.ch) if asked is not None else None
        return None if edit is None else convert.edited(*edit)

    def symbols(self, params: lsp.DocumentSymbolParams) -> list[lsp.DocumentSymbol] | None:
        """The outline."""
        view = self._view(params)
        return None if view is None else [convert.symbol(entry) for entry in outline(view)]

    def folding(self, params: lsp.FoldingRangeParams) -> list[lsp.FoldingRange] | None:
        """What can be folded."""
        view = self._view(params)
        return None if view is None else [convert.fold(*fold) for fold in folds(view)]

    def semantic_tokens(self, params: lsp.SemanticTokensParams) -> lsp.SemanticTokens | None:
        """The colours by meaning."""
        view = self._view(params)
        if view is None:
            return None
        text = view.source.text
        places = [(*place_of(view.source, at), units(text[at : at + n]), kind) for at, n, kind in tokens(view)]
        return convert.tokens(places)


def put_off_garbage() -> None:
    """Let Python look for objects that only speak of each other, as graphs do, when we ask it to, unless very many were made before.

    By itself it looks in the middle of a check, at all that was ever loaded, and takes as long as the check.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS, 5, 5)


@contextmanager
def _refusing() -> Iterator[None]:
    """Say a `ValueError` to the editor, which shows it."""
    from pygls.exceptions import JsonRpcInvalidParams

    try:
        yield
    except ValueError as error:
        raise JsonRpcInvalidParams(str(error)) from error


def _is_at(span: Span, other: Span | None) -> bool:
    return other is not None and (span.source.path, span.start) == (other.source.path, other.start)


def serve() -> None:
    """Answer an editor over standard input and output, until it ends."""
    start(make_server())


def make_server() -> LanguageServer:
    """The server, with an answer for each method that it knows."""
    from lsprotocol import types as lsp
    from pygls.lsp.server import LanguageServer

    server = LanguageServer("mai", mai.__version__)
    answers = Answers(server)
    legend = lsp.SemanticTokensLegend(token_types=list(TOKEN_KINDS), token_modifiers=[])
    features: list[tuple[str, Answer, object]] = [
        (lsp.INITIALIZE, answers.initialize, None),
        (lsp.TEXT_DOCUMENT_DID_OPEN, answers.opened, None),
        (lsp.TEXT_DOCUMENT_DID_CHANGE, answers.changed, None),
        (lsp.TEXT_DOCUMENT_DID_CLOSE, answers.closed, None),
        (lsp.WORKSPACE_DID_CHANGE_WATCHED_FILES, answers.files_changed, None),
        (lsp.TEXT_DOCUMENT_HOVER, answers.hover, None),
        (lsp.TEXT_DOCUMENT_INLAY_HINT, answers.inlay_hints, None),
        (lsp.TEXT_DOCUMENT_CODE_LENS, answers.code_lenses, None),
        (lsp.TEXT_DOCUMENT_CODE_ACTION, answers.code_actions, lsp.CodeActionOptions(code_action_kinds=[lsp.CodeActionKind.QuickFix])),
        (lsp.TEXT_DOCUMENT_COMPLETION, answers.completion, lsp.CompletionOptions(trigger_characters=["(", ",", "~", ".", '"', "/"])),
        (lsp.TEXT_DOCUMENT_SIGNATURE_HELP, answers.signature_help, lsp.SignatureHelpOptions(trigger_characters=["(", ","])),
        (lsp.TEXT_DOCUMENT_DEFINITION, answers.definition, None),
        (lsp.TEXT_DOCUMENT_REFERENCES, answers.references, None),
        (lsp.TEXT_DOCUMENT_DOCUMENT_HIGHLIGHT, answers.highlights, None),
        (lsp.TEXT_DOCUMENT_PREPARE_RENAME, answers.prepare_rename, None),
        (lsp.TEXT_DOCUMENT_RENAME, answers.rename, lsp.RenameOptions(prepare_provider=True)),
        (lsp.TEXT_DOCUMENT_FORMATTING, answers.formatting, None),
        (lsp.TEXT_DOCUMENT_ON_TYPE_FORMATTING, answers.indent, lsp.DocumentOnTypeFormattingOptions("\n", ["}", ")", "]"])),
        (lsp.TEXT_DOCUMENT_DOCUMENT_SYMBOL, answers.symbols, None),
        (lsp.TEXT_DOCUMENT_FOLDING_RANGE, answers.folding, None),
        (lsp.TEXT_DOCUMENT_SEMANTIC_TOKENS_FULL, answers.semantic_tokens, legend),
    ]  # fmt: skip
    for method, answer, options in features:
        server.feature(method, options)(_plain(answer))
    return server


def _plain(answer: Answer) -> Answer:
    """A function of the parameters alone; pygls looks at the names of what it is given."""
    if asyncio.iscoroutinefunction(answer):

        async def asks(params: Any) -> Any:
            return await answer(params)

        return asks

    def ask(params: Any) -> Any:
        return answer(params)

    return ask


def start(server: LanguageServer) -> None:
    """Read requests from standard input."""
    server.start_io()
