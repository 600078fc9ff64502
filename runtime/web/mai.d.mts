/** Types of `mai.mjs`: files that mai compiled, in JavaScript. Shapes are those of one example; the batch is the first axis of a value. */

/** `onnxruntime-web` or `onnxruntime-node`, as a whole: `import * as ort from "onnxruntime-web"`. */
export interface Runtime {
  InferenceSession: { create(...parts: any[]): Promise<any> };
  Tensor: new (...parts: any[]) => any;
  [name: string]: any;
}

export type Bytes = Uint8Array | ArrayBuffer;
export type Numbers = Float32Array | Float64Array | Int32Array | Uint8Array | BigInt64Array;
export type Item = number | bigint | boolean | string | Date;
export type List = Item | readonly List[];

/** What a call is given for an input or a setting. Labels may be names, prompts texts, and dates texts or a `Date`, which is in UTC. */
export type Value = List | Numbers | { data: Numbers | readonly Item[]; dims: readonly number[] };
/** By name. A setting that is left out, `undefined` or `null` has its default. */
export type Values = Record<string, Value | null | undefined>;

/** How a call is ended early: `const controller = new AbortController()`, `{ signal: controller.signal }`, `controller.abort()`. */
export interface CallOptions {
  signal?: AbortSignal;
}

/** A result: real numbers in a `Float32Array`, whole ones in a list, beyond 2^53 as a BigInt each, truths in a `Uint8Array`; `dims` begins with the batch. */
export interface Result {
  data: Float32Array | (number | bigint)[] | Uint8Array;
  dims: readonly number[];
}

/** An input, a setting or an output. A size that a call decides is its text in the spec, as "P + count". */
export interface Port {
  name: string;
  kind: "input" | "setting" | "output";
  dtype: "float32" | "int64" | "bool";
  shape: (number | string)[];
  batch: boolean;
  default: number | boolean | null;
  minimum: number | null;
  maximum: number | null;
  classes: number | null;
  field: string | null;
  /** Of numbers that were dates in the data, how these are written; of an input in older files `dateFormOf` says it. */
  dates?: "day" | "time" | "utc" | null;
  path: number | null;
  /** Of numbers, whether one may be missing, `null`; of labels with names, whether the last is for what is not known. Older files do not say. */
  gaps?: boolean | null;
  /** Of a result of real numbers, whether its last axis has one for each token that a text may have; older files do not say. */
  tokens?: boolean | null;
}

/** What a file says of itself; `mai info --json` prints all of it. */
export interface Manifest {
  name: string;
  export: string;
  title: string;
  inputs: Port[];
  settings: Port[];
  outputs: Port[];
  labels: Record<string, string[]>;
  least: Record<string, number>;
  most: Record<string, number>;
  text: { prompt: string; count: number | string; usual: number; limit: number | null; context: number | null } | null;
  tokenizer: string | null;
  special_tokens: boolean;
  [name: string]: unknown;
}

export interface Difference {
  run: number;
  output: string;
  difference: number;
  allowed: number;
  real: boolean;
}

export interface LoadOptions {
  /** The `.step.onnx` beside the file, which streams texts and tells how far a sampler is: its address or its bytes. */
  step?: string | URL | Bytes;
  /** The weights beside a file that is given as bytes: their address or their bytes. */
  data?: string | URL | Bytes;
  stepData?: string | URL | Bytes;
  /** Options of onnxruntime's own. */
  session?: Record<string, unknown>;
  /** The class `Tokenizer` of `@huggingface/tokenizers`, where tokens are not bytes. */
  Tokenizer?: new (...parts: any[]) => any;
  /** The class `Template` of `@huggingface/jinja`, for conversations. */
  Template?: new (...parts: any[]) => any;
  specialTokens?: boolean;
  /** Whether a file is refused whose weights are not those that mai wrote: true unless it is false, for one that another program has quantized. */
  checkWeights?: boolean;
  /** Whether the self-test in the file is run first; by default on WebGPU, WebNN and WebGL alone. */
  verify?: boolean;
}

export interface ConversationOptions {
  system?: string;
  tools?: readonly object[];
  stops?: readonly string[];
  count?: number;
  variables?: Record<string, unknown>;
  values?: Values;
}

/** How many turns are taken, of how many, and what the results would be if these were all. */
export interface Progress {
  turns: number;
  total: number;
  results: Record<string, Result>;
}

export interface Message {
  role: string;
  content: string;
}

/** Messages and answers, one after the other. */
export interface Conversation {
  messages: Message[];
  reset(): void;
  /**
   * The answer to a message, in pieces; both join the messages. Of an answer that is ended early, what there was of it stays among
   * them; where there was nothing, the message does not stay either.
   */
  say(content: string, options?: CallOptions | null): AsyncGenerator<string, void, undefined>;
  /** The answer to the messages as they stand, in pieces. */
  answer(options?: CallOptions | null): AsyncGenerator<string, void, undefined>;
  prompt(): string;
}

/** What is wrong with a file or with what it is called with; the message is a sentence. */
export class ModelError extends Error {}

export class Model {
  private constructor();
  readonly manifest: Manifest;
  /** The text of the spec that the file was made from. */
  readonly spec: string;
  readonly inputs: Record<string, Port>;
  readonly settings: Record<string, Port>;
  readonly outputs: Record<string, Port>;
  /** The file of one turn, if one was loaded. */
  readonly turn: Model | null;
  /**
   * Run the file once: its results by name. Of a prompt that is a text, or a list of them, the result is one, too: `run<string>(...)`.
   * Throws a `ModelError` for a value that does not fit, and the reason of a `signal` that is aborted before the results are there.
   * One call of onnxruntime goes on to its end all the same: `terminate()` of its worker ends it.
   */
  run<Made = Result>(values?: Values, options?: CallOptions | null): Promise<Record<string, Made>>;
  /** A text, piece by piece; of a prompt of tokens, its tokens. Between two tokens a page draws, and a `signal` is heard. */
  stream(prompt: string, values?: Values, options?: CallOptions | null): AsyncGenerator<string, void, undefined>;
  stream(prompt: readonly number[], values?: Values, options?: CallOptions | null): AsyncGenerator<number, void, undefined>;
  /**
   * What `run` computes, `every` turns of its loops at a time, by the file of some turns that was loaded as `step`. Between two parts a
   * page draws, and a `signal` is heard.
   */
  progress(values?: Values, options?: (CallOptions & { every?: number }) | null): AsyncGenerator<Progress, void, undefined>;
  conversation(options?: ConversationOptions | null): Conversation;
  /** Run the self-test that travels in the file. Throws a `ModelError` where a result differs. */
  verify(options?: { tolerance?: number } | null): Promise<Difference[]>;
  /** Give back the memory that the file takes, and that of the file of turns. Whoever asks it after that gets a `ModelError`. */
  release(): Promise<void>;
}

/** Open a file: its address, in Node also its path, or its bytes. */
export function load(ort: Runtime, source: string | URL | Bytes, options?: LoadOptions | null): Promise<Model>;

/** Results [batch, ...] as an array of rows. */
export function rowsOf(result: Result): (Float32Array | (number | bigint)[] | Uint8Array)[];

/** The names of the labels of an input, a setting or an output, in the order of their numbers. */
export function labelsOf(manifest: Manifest, port: Port): string[];

/** The number of the label for what training never saw; null where there is none. */
export function spareLabel(manifest: Manifest, port: Port): number | null;

/** How an input's numbers are written as dates: whole days, days with a time, or times in UTC; null where they are numbers. */
export function dateFormOf(manifest: Manifest, port: Port): "day" | "time" | "utc" | null;

/** The number that a size's text comes to: `computedSize("P + 1", (name) => sizes[name])`. */
export function computedSize(text: string, sizeOf: (name: string) => number | undefined): number;

export function product(sizes: readonly number[]): number;
export function byName(ports: readonly Port[]): Record<string, Port>;
