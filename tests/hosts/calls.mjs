// Makes the calls of a JSON file and prints what came of each: results, a stream's pieces, or an error.
//     node calls.mjs MAI.MJS CALLS.JSON FOLDER      with onnxruntime-web and @huggingface/tokenizers in the FOLDER's node_modules

import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const [library, calls, folder] = process.argv.slice(2);
const { load } = await import(pathToFileURL(library));
const installed = createRequire(`${folder}/`);
const ort = installed("onnxruntime-web");
const { Tokenizer } = installed("@huggingface/tokenizers");
ort.env.wasm.numThreads = 1;

const answers = [];
const opened = new Map();
for (const { file, step, values, prompt } of JSON.parse(await readFile(calls))) {
  try {
    if (!opened.has(file)) opened.set(file, await load(ort, file, { step, Tokenizer }));
    const model = opened.get(file);
    if (prompt === undefined) answers.push({ results: plain(await model.run(values)) });
    else {
      const pieces = [];
      for await (const piece of model.stream(prompt, values)) pieces.push(piece);
      answers.push({ pieces });
    }
  } catch (error) {
    answers.push({ error: error.message, known: error.constructor.name === "ModelError" });
  }
}
console.log(JSON.stringify(answers));

/** Results as JSON has them. */
function plain(results) {
  return Object.fromEntries(
    Object.entries(results).map(([name, made]) => [
      name,
      made.dims ? { dims: made.dims, data: Array.from(made.data, spoken) } : made,
    ]),
  );
}

function spoken(value) {
  return Number.isFinite(value) ? value : String(value);
}
