// The scopes that VS Code's own engine gives to texts: node textmate.mjs INSTALLED GRAMMAR.json TEXTS.json
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const [installed, grammar, texts] = process.argv.slice(2);
const require = createRequire(`${installed}/package.json`);
const oniguruma = require("vscode-oniguruma");
const { Registry, parseRawGrammar, INITIAL } = require("vscode-textmate");

await oniguruma.loadWASM(readFileSync(require.resolve("vscode-oniguruma/release/onig.wasm")).buffer);
const registry = new Registry({
  onigLib: Promise.resolve({
    createOnigScanner: (patterns) => new oniguruma.OnigScanner(patterns),
    createOnigString: (text) => new oniguruma.OnigString(text),
  }),
  loadGrammar: async () => parseRawGrammar(readFileSync(grammar, "utf8"), "mai.json"),
});
const mai = await registry.loadGrammar("source.mai");
const answers = {};
for (const [name, text] of Object.entries(JSON.parse(readFileSync(texts, "utf8")))) {
  let state = INITIAL;
  answers[name] = text.split("\n").map((line) => {
    const { tokens, ruleStack } = mai.tokenizeLine(line, state);
    state = ruleStack;
    const shown = tokens.map((token) => [token.startIndex, token.scopes[1]]).filter(([, scope]) => scope !== undefined);
    return shown;
  });
}
process.stdout.write(JSON.stringify(answers));
