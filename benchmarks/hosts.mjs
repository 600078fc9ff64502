// Runs compiled files as it is asked to, line by line: {"file": ..., "values": {...}}. Each line is answered when it is done.
//     node hosts.mjs MAI.MJS FOLDER      with onnxruntime-web in the FOLDER's node_modules

import { createRequire } from "node:module";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [library, folder] = process.argv.slice(2);
const { load } = await import(pathToFileURL(library));
const ort = createRequire(`${folder}/`)("onnxruntime-web");
ort.env.wasm.numThreads = 1;

const opened = new Map();
for await (const line of createInterface({ input: process.stdin })) {
  const { file, values } = JSON.parse(line);
  if (!opened.has(file)) opened.set(file, await load(ort, file));
  await opened.get(file).run(values);
  console.log("done");
}
