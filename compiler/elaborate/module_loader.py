"""Files to modules: their declarations in order, and those of what they import."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from pathlib import Path

from mai.compiler.elaborate.bindings import Environment, Function, LetTensor, Module, Poison, is_number
from mai.compiler.elaborate.elaborator import Elaborator
from mai.compiler.elaborate.parameters.second_sets import second_set
from mai.spec import STANDARD, ast, is_public, library, library_names
from mai.spec.diagnostics import Label, MaiError, Reporter
from mai.spec.diagnostics.edit import put
from mai.spec.diagnostics.report import Help
from mai.spec.diagnostics.suggest import closest
from mai.spec.parsing.parse import load_source, parse
from mai.spec.source import Source, Span

MAX_FAMILY = 10_000
MAX_IMPORTS = 500  # One file inside the other.


class Loader:
    """Reads a file and what it imports into modules.

    `sets` are other values for consts: `width` is the file's own, `layers.width` that of an imported `layers.mai`. `texts`
    stand in the place of files, by path. What is `parsed` is kept for the loaders that read the same files again: places in them
    are then the same in exports as in train blocks.
    """

    def __init__(
        self, report: Reporter, sets: Mapping[str, str], texts: Mapping[str, Source], parsed: dict[Path, ast.File]
    ) -> None:
        self.report, self.sets, self.texts, self.parsed = report, sets, texts, parsed
        self.consts: list[str] = []
        self.loading: list[Path] = []
        self.imported_at: dict[Path, Span] = {}  # The last import of each file.
        self.loaded: dict[Path, Module] = {}

    def module(self, file: ast.File, path: Path, prelude: Module) -> Module:
        """The declarations of a parsed file, in order, its imports first."""
        module = Module(file.source, {}, {}, prelude)
        for declaration in file.declarations:
            self._declare(module, declaration, path, prelude)
        for declaration in file.declarations:
            if isinstance(declaration, ast.Twin):
                self._bind(module, declaration.name, second_set(module, declaration, self.report))
        return module

    def check_sets(self) -> None:
        """Tell what `--set` names and no file has."""
        for name in self.sets:
            if name in self.consts:
                continue
            file, _, const = name.rpartition(".")
            guess = next((c for c in self.consts if c.endswith(f".{name}")), None) or closest(name, self.consts)
            help = f"did you mean `{guess}`?" if guess else None
            where = f"no imported `{file}.mai` has a" if file else "the file has no"
            self.report.error("unknown-name", None, f"--set {name}: {where} `const {const}`", help=help)

    def _declare(self, module: Module, declaration: ast.Declaration, path: Path, prelude: Module) -> None:
        match declaration:
            case ast.Import():
                self._import(module, declaration, path, prelude)
            case ast.Const():
                self._bind(module, declaration.name, self._const(module, declaration, path))
            case ast.Let():
                self._bind(module, declaration.name, LetTensor(declaration, module))
            case ast.Function(kind="layer" | "net", count=None):
                self._bind(module, declaration.name, Function(declaration, module))
            case ast.Function(kind="net", count=ast.Expr() as count):
                self._bind(module, declaration.name, self._family(module, declaration, count))

    def _bind(self, module: Module, name: ast.Identifier, value: object) -> None:
        if name.id in module.where:
            where = [Label(module.where[name.id], "first defined here")]
            self.report.error("duplicate-name", name.span, f"`{name.id}` is defined twice", where=where)
            return
        module.names[name.id] = value  # type: ignore[assignment]
        module.where[name.id] = name.span

    def _const(self, module: Module, declaration: ast.Const, path: Path) -> object:
        """A number; `--set` has the last word."""
        name = declaration.name.id if len(self.loading) == 1 else f"{path.stem}.{declaration.name.id}"
        self.consts.append(name)
        if name in self.sets:
            return self._set_value(name, self.sets[name])
        maker = Elaborator(self.report, "const", {})
        value = maker.expressions.expression(Environment(module), declaration.value)
        if is_number(value) or isinstance(value, (Poison, bool, str)):
            return value
        at = declaration.value.span
        help = f"write `let {declaration.name.id} = ...` for a tensor"
        return maker.error("static-needed", at, "a const is a number, known when the file is compiled", help=help)

    def _family(self, module: Module, declaration: ast.Function, written: ast.Expr) -> object:
        """`net st[L](...)`: as many nets as a number says that is known when the file is compiled."""
        count = Elaborator(self.report, "const", {}).expressions.expression(Environment(module), written)
        if isinstance(count, Poison):
            return count
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MAX_FAMILY:
            message = f"a family has a whole number of nets, from 1 to {MAX_FAMILY:,}"
            self.report.error("family-member", written.span, message)
            return Poison()
        return Function(declaration, module, count)

    def _set_value(self, name: str, text: str) -> object:
        source = Source(f"--set {name}", f"const value = {text}\n")
        inner = Reporter()
        try:
            parsed = parse(source, inner).declarations[0]
            assert isinstance(parsed, ast.Const)
            value = Elaborator(inner, "const", {}).expressions.expression(
                Environment(Module(source, {}, {})), parsed.value
            )
            inner.check()
        except MaiError:
            value = None
        if not is_number(value):
            message = f"--set {name}={text}: a const is set to a number"
            self.report.error("static-needed", None, message, help=f"write --set {name}=64")
            return Poison()
        return value

    def _import(self, module: Module, declaration: ast.Import, path: Path, prelude: Module) -> None:
        span, written = declaration.path.span, declaration.path.value
        if written.startswith(STANDARD) and written not in library_names():
            guess = closest(written, library_names())
            message = f"mai has no library {written}; there is {', '.join(library_names())}"
            self._unread(module, "import-not-found", span, message, put(span, f'"{guess}"') if guess else None)
            return
        try:
            target = library(written) if written.startswith(STANDARD) else (path.parent / written).resolve()
            is_there = target.is_file()
        except (OSError, RuntimeError, ValueError):  # links in a circle, a name too long, or no path at all
            is_there = False
        if not is_there:
            guess = closest(written, _importable(path.parent, posixpath.dirname(written)))
            help = put(span, f'"{guess}"') if guess else None
            self._unread(module, "import-not-found", span, f"there is no file {written}", help)
            return
        if len(self.loading) > MAX_IMPORTS:
            message = f"this is import number {len(self.loading):,}, one inside the other: more than are followed"
            self._unread(module, "import-too-deep", span, message, "let one file import the others side by side")
            return
        if target in self.loading:
            module.unread.append(span)
            self._report_circle(target, span)
            return
        self.imported_at[target] = span
        imported = self.loaded.get(target) or self._load(target, _name_of_import(declaration), prelude)
        for name, value in imported.names.items():
            if isinstance(value, Function) and is_public(name):
                module.names[name] = value
                module.where[name] = span

    def _unread(self, module: Module, slug: str, span: Span, message: str, help: Help) -> None:
        """Report an import that cannot be read; the names that may come from it are reported no more."""
        module.unread.append(span)
        self.report.error(slug, span, message, help=help)

    def _report_circle(self, target: Path, span: Span) -> None:
        """Tell of a circle that an import of `target` closes, in the same words whichever of its files is checked."""
        circle = self.loading[self.loading.index(target) :]
        first = min(circle)
        at = circle.index(first)
        chain = " -> ".join(path.name for path in (*circle[at:], *circle[:at], first))
        closing = span if first == target else self.imported_at[first]
        self.report.error("import-cycle", closing, f"files import each other in a circle: {chain}")

    def _load(self, target: Path, name: str, prelude: Module) -> Module:
        self.loading.append(target)
        try:
            if target not in self.parsed:
                source = self.texts.get(str(target)) or load_source(target, self.report, name)
                self.parsed[target] = parse(source, self.report)
            self.loaded[target] = self.module(self.parsed[target], target, prelude)
        finally:
            self.loading.pop()
        return self.loaded[target]


def _importable(folder: Path, inner: str) -> list[str]:
    """The files beside one that an import names, as it would name them."""
    try:
        return sorted(posixpath.join(inner, file.name) for file in (folder / inner).glob("*.mai"))
    except (OSError, ValueError):
        return []


def _name_of_import(declaration: ast.Import) -> str:
    """The path of an imported file from the folder of the spec that is compiled, as the imports spell it."""
    importer = declaration.path.span.source.name
    return posixpath.normpath(posixpath.join(posixpath.dirname(importer), declaration.path.value))
