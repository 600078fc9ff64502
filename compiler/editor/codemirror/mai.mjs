// The colours of mai for CodeMirror, written by `make docs` from compiler/editor/colours/rules.py: change the rules there.
//
// CodeMirror 6:
//   import { StreamLanguage } from "@codemirror/language";
//   import { mode } from "./mai.mjs";
//   new EditorView({ extensions: [basicSetup, StreamLanguage.define(mode)], ... });
//
// CodeMirror 5:
//   CodeMirror.defineMode("mai", () => mode);
//   CodeMirror.fromTextArea(area, { mode: "mai" });
//
// Without an editor: `pieces(line)` gives [begin, end, colour] of each piece of one line, where the colour is one of
// COLOURS.

const RULES = [
  ["comment", /#[^\n]*/uy],
  ["string", /"[^"\n]*"/uy],
  ["number", /(?<![\p{L}\p{N}_⁰¹²³⁴-⁹])[\p{Nd}]+(?:\.[\p{Nd}]+)?(?:[eE][+-]?[\p{Nd}]+)?/uy],
  ["declaration", /(?<![\p{L}\p{N}_.])(?<![^\s{}] )(?<![^\s{}])(?:weights|export|import|const|layer|train|claim|data|let|net)(?![\p{L}\p{N}_.])(?!\s*[-+*\/]?=)(?=\s*[\p{L}\p{N}_("]|\s*\{)/uy],
  ["control", /(?<![\p{L}\p{N}_.])(?:if|else|return)(?![\p{L}\p{N}_.])(?!\s*[-+*\/]?=)/uy],
  ["control", /(?<![\p{L}\p{N}_.])(?<![^\s{}] )(?<![^\s{}])(?:integrate|minimize|return|repeat|extend|append|report|record|ignore|param|state|noise|score|check|if)(?![\p{L}\p{N}_.])(?!\s*[-+*\/]?=)(?=\s*[\p{L}\p{N}_(\["-])/uy],
  ["control", /(?<=\s)(?:shared|using|until|every|from|keep|over|in|at|as|by)(?![\p{L}\p{N}_.])(?!\s*(?:[-+*\/]?=|\())(?!\s+(?:and|or)(?![\p{L}\p{N}_.]))(?=\s+[\p{L}\p{N}_(\["-]|\s*\{)/uy],
  ["constant", /(?<![\p{L}\p{N}_.])(?:false|true|None)(?![\p{L}\p{N}_.])/uy],
  ["word operator", /(?<![\p{L}\p{N}_.])(?:not|and|or)(?![\p{L}\p{N}_.])/uy],
  ["type", /(?:(?<=[:>] )|(?<=> \())(?:tokens|class|token|real|bool|int)(?![\p{L}\p{N}_.])/uy],
  ["type", /(?<=, )(?:real|int|bool)(?=[,)])/uy],
  ["draw", /(?<![\p{L}\p{N}_.])(?:multivariate_normal|truncated_normal|categorical|exponential|bernoulli|dirichlet|student_t|integers|logistic|uniform|poisson|laplace|mixture|normal|gumbel|gamma|beta)(?=\()/uy],
  ["function", /(?<![\p{L}\p{N}_.])(?![\p{Nd}⁰¹²³⁴-⁹¼-¾])(?:(?![⁰¹²³⁴-⁹])[\p{L}\p{N}_])+(?=\()/uy],
  ["name", /(?![\p{Nd}⁰¹²³⁴-⁹¼-¾])(?:(?![⁰¹²³⁴-⁹])[\p{L}\p{N}_])+/uy],
  ["operator", /->|\.\.\.?|\|>|\/\/|[-+*\/]=|[<>=!]=|[-+*\/@%^<>=~':.]/uy],
  ["bracket", /[()\[\]{},]/uy]
];

export const COLOURS = ["comment", "string", "number", "declaration", "control", "constant", "word operator", "type", "draw", "function", "name", "operator", "bracket"];

/** What CodeMirror calls each colour, in both of its versions. */
const STYLES = {
  "comment": "comment",
  "string": "string",
  "number": "number",
  "declaration": "keyword",
  "control": "keyword",
  "type": "type",
  "constant": "atom",
  "word operator": "keyword",
  "draw": "builtin",
  "function": "def",
  "name": "variable",
  "operator": "operator",
  "bracket": "bracket"
};

/** The piece that begins at a character of a line: where it ends, and its colour; one character without a colour where no rule fits. */
function pieceAt(line, begin) {
  for (const [colour, pattern] of RULES) {
    pattern.lastIndex = begin;
    const fits = pattern.exec(line);
    if (fits) return [begin + fits[0].length, colour];
  }
  return [begin + (line.codePointAt(begin) > 0xffff ? 2 : 1), null];
}

/** All coloured pieces of one line, from left to right. */
export function* pieces(line) {
  for (let begin = 0; begin < line.length; ) {
    const [end, colour] = pieceAt(line, begin);
    if (colour) yield [begin, end, colour];
    begin = end;
  }
}

/** A mode of CodeMirror, which counts brackets for the indentation of lines. */
export const mode = {
  name: "mai",
  startState: () => ({ depth: 0 }),
  copyState: ({ depth }) => ({ depth }),
  token(stream, state) {
    if (stream.eatSpace()) return null;
    const [end, colour] = pieceAt(stream.string, stream.pos);
    const piece = stream.string.slice(stream.pos, end);
    if (colour === "bracket") state.depth = Math.max(0, state.depth + ("([{".includes(piece) ? 1 : piece === "," ? 0 : -1));
    stream.pos = end;
    return STYLES[colour] ?? null;
  },
  indent(state, after, context) {
    const closes = /^\s*[)\]}]/.test(after) ? 1 : 0;
    return Math.max(0, state.depth - closes) * (context?.unit ?? 2);
  },
  lineComment: "#",
  electricInput: /^\s*[)\]}]$/,
  languageData: { commentTokens: { line: "#" }, indentOnInput: /^\s*[)\]}]$/, closeBrackets: { brackets: ["(", "[", "{", '"'] } },
};
