// What the mode for CodeMirror says of texts: node codemirror.mjs MAI.mjs TEXTS.json; pieces, styles by a stream, indentations.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [module, texts] = process.argv.slice(2);
const { mode, pieces, COLOURS } = await import(pathToFileURL(module));

/** A line as CodeMirror hands it to a mode. */
class Stream {
  constructor(string) {
    Object.assign(this, { string, pos: 0 });
  }
  eatSpace() {
    const begin = this.pos;
    while (/\s/.test(this.string.charAt(this.pos))) this.pos++;
    return this.pos > begin;
  }
}

const answers = { colours: COLOURS, texts: {}, styles: {}, indents: {} };
for (const [name, text] of Object.entries(JSON.parse(readFileSync(texts, "utf8")))) {
  const state = mode.startState();
  answers.indents[name] = [];
  answers.styles[name] = [];
  answers.texts[name] = text.split("\n").map((line) => {
    answers.indents[name].push(mode.indent(state, line.trim(), { unit: 2 }));
    for (const stream = new Stream(line); stream.pos < line.length; ) {
      const begin = stream.pos;
      const style = mode.token(stream, state);
      if (style) answers.styles[name].push([line.slice(begin, stream.pos), style]);
    }
    return [...pieces(line)];
  });
}
process.stdout.write(JSON.stringify(answers));
