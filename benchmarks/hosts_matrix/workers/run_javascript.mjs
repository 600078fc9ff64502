// Jobs in Node: node run_javascript.mjs PACKAGE FOLDER JOB ...      with onnxruntime-web or onnxruntime-node in the FOLDER's node_modules

import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

const [name, installed, ...folders] = process.argv.slice(2);
const ort = createRequire(`${installed}/`)(name);
if (name === "onnxruntime-web") ort.env.wasm.numThreads = 1;
const NAMES = { float32: "float32", int64: "int64", bool: "bool" };
const ARRAYS = { float32: Float32Array, int64: BigInt64Array, bool: Uint8Array };

for (const folder of folders) {
  try {
    await run(folder);
  } catch (error) {
    writeFileSync(`${folder}/refused.txt`, `${error.name ?? "error"}: ${error.message ?? error}`);
  }
}

async function run(folder) {
  const job = JSON.parse(readFileSync(`${folder}/job.json`));
  const bytes = new Uint8Array(readFileSync(`${folder}/${job.model}`));
  const executionProviders = [name === "onnxruntime-web" ? "wasm" : "cpu"];
  const session = await ort.InferenceSession.create(bytes, { logSeverityLevel: 4, executionProviders });
  for (const [number, inputs] of job.runs.entries()) {
    const feeds = Object.fromEntries(Object.entries(inputs).map(([key, port]) => [key, tensor(folder, port)]));
    const results = await session.run(feeds);
    const ports = {};
    for (const [i, key] of job.outputs.entries()) {
      const { data, type, dims } = results[key];
      const file = `out_${number}_${i}.bin`;
      writeFileSync(`${folder}/${file}`, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      ports[key] = { file, dtype: type, dims: [...dims] };
    }
    writeFileSync(`${folder}/out_${number}.json`, JSON.stringify(ports));
  }
}

function tensor(folder, { file, dtype, dims }) {
  const bytes = readFileSync(`${folder}/${file}`);
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
  return new ort.Tensor(NAMES[dtype], new ARRAYS[dtype](buffer), dims);
}
