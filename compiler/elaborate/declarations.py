"""Files to programs: declarations, imports, the exports and the train block."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from mai.compiler.elaborate.bindings import Environment, Function, LetTensor, Module, Poison, is_number
from mai.compiler.elaborate.blocks.claim import elaborate_claim
from mai.compiler.elaborate.blocks.data_fields import Data, elaborate_data, explain_sizes
from mai.compiler.elaborate.blocks.export import elaborate_export
from mai.compiler.elaborate.blocks.train import only
from mai.compiler.elaborate.blocks.train_sequence import Modules, elaborate_trainings
from mai.compiler.elaborate.blocks.weights_block import elaborate_loading
from mai.compiler.elaborate.elaborator import Elaborator
from mai.compiler.elaborate.parameters.data_lets import elaborate_data_lets, share_data_lets
from mai.compiler.elaborate.parameters.second_sets import second_set
from mai.compiler.elaborate.repeating.store import keeping, templates
from mai.compiler.elaborate.standard_layers import StandardLayers
from mai.compiler.elaborate.uncalled import check_unused
from mai.compiler.ir.graph import Graph, Weight, turns_of
from mai.compiler.program import Claim, Program
from mai.compiler.weights.rules import named_by_rules
from mai.spec import STANDARD, ast, is_public, library, library_names
from mai.spec.ast_walk import nodes_of
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

    def load_prelude(self, training: bool) -> Module:
        """The standard layers; `training` is what they ask when they choose."""
        return StandardLayers(training=training).module

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


def elaborate(
    path: Path,
    report: Reporter,
    sets: Mapping[str, str] | None = None,
    texts: Mapping[str, Source] = MappingProxyType({}),
    data: Sequence[Path] = (),
) -> Program | None:
    """Read, parse and elaborate a file; None where it has errors, which `report` holds.

    `texts` are read in the place of files, of this one or of those that it imports, by path; `data` in the place of its data.
    """
    try:
        file = parse(texts.get(str(path)) or load_source(path, report), report)
        with keeping(templates()) as kept:
            kept.begin()
            return _program(file, path, report, sets or {}, texts, data)
    except MaiError:
        report.stopped = True
        return None


def _program(
    file: ast.File,
    path: Path,
    report: Reporter,
    sets: Mapping[str, str],
    texts: Mapping[str, Source],
    override: Sequence[Path],
) -> Program | None:
    _check_names(file, report)
    parsed: dict[Path, ast.File] = {}

    def read(report: Reporter) -> Modules:
        return _modules(file, path, report, sets, texts, parsed)

    def read_again() -> Modules:
        again = read(Reporter())
        share_data_lets(modules[False], again.main.values())
        return again

    modules = read(report).main
    written = only(file, ast.Data, "data", report)
    data = elaborate_data(written, modules[True], report, path.parent, override)
    weights: dict[str, Weight] = {}
    lets: dict[str, Graph] = {}
    if written is not None:
        lets = elaborate_data_lets(file, modules[False], data, report, weights)
        share_data_lets(modules[False], modules.values())
    exported = [d for d in file.declarations if isinstance(d, ast.Function) and d.kind == "export"]
    exports = _exports(exported, modules[False], data, report, weights)
    trainings = elaborate_trainings(file, read_again, modules, data, report, weights)
    exports = _with_waiting(exports, exported, modules[False], data, report, weights)
    claims = _claims(file, modules[False], data, report, weights)
    _check_unused(file, modules, report)
    if written is not None:
        explain_sizes(data, written, report)
    if report.failed:
        return None
    copies = _copies(weights)
    loading = elaborate_loading(file, modules[False], report, named_by_rules(copies))
    if report.failed:
        return None
    title, reads = _title(file.source), data.source if written is not None else None
    constants = _constants(modules[False])
    return Program(path.stem, title, file, constants, exports, trainings, copies, loading, claims, lets, reads)


def _modules(
    file: ast.File, path: Path, report: Reporter, sets: Mapping[str, str], texts: Mapping[str, Source],
    parsed: dict[Path, ast.File],
) -> Modules:  # fmt: skip
    """The file and what it imports, read twice: as exports compute with them, and as training does."""
    main, files = {}, {}
    for training in (False, True):
        loader = Loader(report, sets, texts, parsed)
        loader.loading.append(path.resolve())
        main[training] = loader.module(file, path, loader.load_prelude(training))
        loader.check_sets()
        files[training] = [main[training], *loader.loaded.values()]
    return Modules(main, files)


def _exports(
    written: Sequence[ast.Function], module: Module, data: Data, report: Reporter, weights: dict[str, Weight]
) -> dict[str, Graph | None]:
    """The exports of a file by name: None for one that has errors, or that waits for the train blocks."""
    exports: dict[str, Graph | None] = {}
    for declaration in written:
        _check_export_name(declaration, exports, report)
        aside, own = (Reporter(), dict(weights)) if _may_wait(declaration, module, weights) else (report, weights)
        graph = exports[declaration.name.id] = elaborate_export(declaration, module, aside, own, data.numbers)
        if graph is not None and aside is not report:
            weights.update(own)
            for diagnostic in aside.diagnostics:
                report.add(diagnostic)
    return exports


def _may_wait(declaration: ast.Function, module: Module, weights: Mapping[str, Weight]) -> bool:
    """Whether an export reads parameters of a net that has none yet: only training may call it."""
    nets = {field.path.partition(".")[0] for field in nodes_of(declaration, ast.Field) if field.path is not None}
    own = {weight.owner for weight in weights.values()}
    return any(isinstance(module.names.get(net), Function) and net not in own for net in nets)


def _with_waiting(
    exports: Mapping[str, Graph | None],
    written: Sequence[ast.Function],
    module: Module,
    data: Data,
    report: Reporter,
    weights: dict[str, Weight],
) -> dict[str, Graph]:
    """All exports that have no errors, those that waited for the train blocks among them."""
    waiting = [d for d in written if exports[d.name.id] is None] if not report.failed else []
    late = {d.name.id: elaborate_export(d, module, report, weights, data.numbers) for d in waiting}
    return {name: graph for name, now in exports.items() if (graph := late.get(name, now)) is not None}


def _constants(module: Module) -> dict[str, int | float]:
    return {n: v for n, v in module.names.items() if isinstance(v, (int, float)) and not isinstance(v, bool)}


def _claims(
    file: ast.File, module: Module, data: Data, report: Reporter, weights: dict[str, Weight]
) -> dict[str, Claim]:
    """The claims of a file by name, but for those that have errors."""
    exports = {d.name.id: d for d in file.declarations if isinstance(d, ast.Function) and d.kind == "export"}
    written = [d for d in file.declarations if isinstance(d, ast.Claim)]
    _check_distinct([d.name for d in written], report)
    claims = {d.name.id: elaborate_claim(d, module, exports, data, report, weights) for d in written}
    return {name: claim for name, claim in claims.items() if claim is not None}


def _check_names(file: ast.File, report: Reporter) -> None:
    """Parameters of one function, and params of one block, have names of their own."""
    for declaration in file.declarations:
        if isinstance(declaration, ast.Function):
            _check_distinct([p.name for p in declaration.parameters], report)
            _check_distinct([s.name for s in declaration.body if isinstance(s, ast.Param)], report)


def _check_distinct(names: Sequence[ast.Identifier], report: Reporter) -> None:
    first: dict[str, ast.Identifier] = {}
    for name in names:
        if first.setdefault(name.id, name) is not name:
            where = [Label(first[name.id].span, "first defined here")]
            report.error("duplicate-name", name.span, f"`{name.id}` is defined twice", where=where)


def _check_export_name(declaration: ast.Function, exports: Mapping[str, object], report: Reporter) -> None:
    if declaration.name.id in exports:
        report.error("duplicate-name", declaration.name.span, f"`{declaration.name.id}` is exported twice")


def _check_unused(file: ast.File, modules: Mapping[bool, Module], report: Reporter) -> None:
    """Nets and layers that nothing calls are looked at all the same."""
    for declaration in file.declarations:
        if not isinstance(declaration, ast.Function) or declaration.kind == "export":
            continue
        if declaration.name.id not in modules[False].called | modules[True].called:
            check_unused(declaration, modules[False], report)


def _copies(weights: Mapping[str, Weight]) -> dict[str, Weight]:
    """Every weight by its own name: those of a `repeat` once a turn."""
    return {copy.name: copy for weight in weights.values() for copy in turns_of(weight)}


def _title(source: Source) -> str:
    first = source.text.lstrip().split("\n", 1)[0]
    return first.lstrip("# ").strip() if first.startswith("#") else ""
