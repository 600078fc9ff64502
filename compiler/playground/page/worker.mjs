// The checker beside the page: Pyodide with mai's own files, which lie beside this one. A question has a number, and so has its answer.
import { loadPyodide } from "./pyodide/pyodide.mjs";

const here = (name) => new URL(name, import.meta.url).href;

async function start() {
  const files = fetch(here("python.zip")).then((response) => response.arrayBuffer());
  const python = await loadPyodide({ indexURL: here("pyodide/") });
  python.unpackArchive(await files, "zip", { extractDir: "/" });
  return python.runPython(`
import sys
sys.path.insert(0, "/app")
from mai.compiler.playground.answers import answer
answer`);
}

const ready = start();
ready.then(() => postMessage({ ready: true })).catch((error) => postMessage({ failed: String(error.message ?? error) }));

onmessage = async ({ data: { number, question } }) => {
  try {
    const answer = await ready;
    postMessage({ number, answer: JSON.parse(answer(JSON.stringify(question))) });
  } catch (error) {
    // A mistake in Python leaves the worker as it was; anything else, such as an overflow of the stack, ends it.
    postMessage({ number, error: error.message.trim().split("\n").at(-1), ends: error.constructor.name !== "PythonError" });
  }
};
