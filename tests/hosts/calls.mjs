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

/** Hosts that are wrong in some way: their sessions compute on the CPU, whatever they are asked for. */
const HOSTS = {
  right: () => hostOf((value) => value),
  wrong: () => hostOf((value) => (typeof value === "bigint" ? value + 1n : value * 1.01)),
  shorter: () => hostOf((value) => value, 1),
  old: () => ({ ...hostOf((value) => value), env: { versions: { common: "1.23.2", web: "1.23.2" } } }),
};

function hostOf(change, less = 0) {
  const made = ({ type, data, dims }) => {
    const [first, ...rest] = dims;
    const size = data.length / first;
    const kept = [first - less, ...rest];
    return new ort.Tensor(type, data.map(change).slice(0, (first - less) * size), kept);
  };
  const create = async (bytes) => {
    const session = await ort.InferenceSession.create(bytes);
    const run = async (feeds) =>
      Object.fromEntries(Object.entries(await session.run(feeds)).map(([name, tensor]) => [name, made(tensor)]));
    return { run };
  };
  return { Tensor: ort.Tensor, InferenceSession: { create }, env: ort.env };
}

const answers = [];
const opened = new Map();
for (const { file, step, values, prompt, host, options, verify } of JSON.parse(await readFile(calls))) {
  try {
    const model = host
      ? await load(HOSTS[host](), file, { step, Tokenizer, ...options })
      : (opened.get(file) ?? (await load(ort, file, { step, Tokenizer })));
    if (!host) opened.set(file, model);
    if (verify) answers.push({ differences: await model.verify() });
    else if (prompt === undefined) answers.push({ results: plain(await model.run(values)) });
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
