// Compiles the modules in python.zip with Pyodide's own Python, so that a browser need not: node compile.mjs NODE_MODULES python.zip
import { readFileSync, writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [modules, path] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${modules}/pyodide/pyodide.mjs`));
const python = await loadPyodide();
python.unpackArchive(new Uint8Array(readFileSync(path)), "zip", { extractDir: "/" });
python.runPython(`
import compileall, pathlib, py_compile, shutil, sys

compileall.compile_dir("/app", quiet=2, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH)
sys.path.insert(0, "/app")
from mai.spec.parsing.grammar import lark_parser, tables

tables(), lark_parser()  # They leave themselves in the user's folder.
folder = pathlib.Path("/whole")
cache = pathlib.Path.home() / ".cache"
for name in ("app", "spec"):
    shutil.copytree(f"/{name}", folder / name)
shutil.copytree(cache, folder / cache.relative_to("/"))
shutil.make_archive("/python", "zip", folder)
`);
writeFileSync(path, python.FS.readFile("/python.zip"));
