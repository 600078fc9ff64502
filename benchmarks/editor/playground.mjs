// How long the playground's Python takes: node playground.mjs NODE_MODULES SITE ROUNDS QUESTIONS.json; seconds of a processor, as JSON.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [modules, site, rounds, questions] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${modules}/pyodide/pyodide.mjs`));
const now = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

const began = now();
const python = await loadPyodide();
python.unpackArchive(new Uint8Array(readFileSync(`${site}/python.zip`)), "zip", { extractDir: "/" });
const answer = python.runPython(`
import sys
sys.path.insert(0, "/app")
from mai.compiler.playground.answers import answer
answer`);
const start = now() - began;

function timed(question) {
  const begin = now();
  answer(JSON.stringify(question));
  return now() - begin;
}

const asked = JSON.parse(readFileSync(questions, "utf8"));
const first = timed(asked[0]);
const times = asked.map((question) =>
  Array.from({ length: Number(rounds) }, (_, round) => timed({ ...question, text: `${question.text}# ${round}\n` })),
);
process.stdout.write(JSON.stringify({ start, first, times }));
