// The editor: CodeMirror with mai's colours, and what the checker knows of the text in it.
import { snippet } from "@codemirror/autocomplete";
import { indentWithTab } from "@codemirror/commands";
import { HighlightStyle, StreamLanguage, indentUnit, syntaxHighlighting } from "@codemirror/language";
import { lintGutter, setDiagnostics } from "@codemirror/lint";
import { Compartment, EditorState, Prec, StateEffect, StateField } from "@codemirror/state";
import { EditorView, hoverTooltip, keymap, showTooltip } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { basicSetup } from "codemirror";
import { mode } from "mai-codemirror";
import { shapes } from "./shapes.mjs";
import { element, markdown } from "./words.mjs";

const KINDS = {
  const: "constant", let: "variable", field: "property", layer: "function", net: "class", export: "interface", parameter: "variable",
  size: "type", variable: "variable", param: "property", state: "property", word: "keyword", function: "function", argument: "property",
  setting: "function", source: "function", solver: "function", distribution: "function", file: "text",
};
const COLOURS = [
  [tags.comment, "comment"], [tags.string, "string"], [tags.number, "number"], [tags.keyword, "keyword"], [tags.typeName, "type"],
  [tags.atom, "constant"], [tags.standard(tags.variableName), "draw"], [tags.definition(tags.variableName), "function"],
];
const SEVERITIES = { error: "error", warning: "warning", note: "info" };
const WORD = /[\p{L}\p{N}_]*/u;

const darkness = new Compartment();
const dark = (is) => EditorView.theme({}, { dark: is });

/**
 * An editor in `parent`. `ask(question)` asks the checker of the text as it is; `changed()` hears of each change,
 * `commands` are functions by keys.
 */
export function makeEditor({ parent, ask, changed, commands }) {
  const style = HighlightStyle.define(COLOURS.map(([tag, name]) => ({ tag, color: `var(--${name})` })));
  const keys = Object.entries(commands).map(([key, run]) => ({ key, run: () => (run(), true), preventDefault: true }));
  const language = StreamLanguage.define(mode);
  return new EditorView({
    parent,
    extensions: [
      Prec.high(keymap.of(keys)), basicSetup, keymap.of([indentWithTab]), language, indentUnit.of("  "), syntaxHighlighting(style),
      language.data.of({ autocomplete: (context) => complete(ask, context) }),
      shapes, lintGutter(), hover(ask), signatures(ask), darkness.of(dark(false)), EditorState.tabSize.of(2),
      EditorView.contentAttributes.of({ "aria-label": "A text in mai", tabindex: "0" }),
      EditorView.updateListener.of((update) => update.docChanged && changed()),
      EditorView.domEventHandlers({ mousedown: (event, view) => defines(ask, event, view) }),
    ],
  });
}

export const setDark = (view, is) => view.dispatch({ effects: darkness.reconfigure(dark(is)) });

export const textOf = (view) => view.state.doc.toString();

/** Another text, of which the part that differs is replaced, so that the cursor stays. */
export function setText(view, text, whole = false) {
  const before = textOf(view);
  let start = 0;
  let [end, to] = [before.length, text.length];
  while (!whole && start < Math.min(end, to) && before[start] === text[start]) start++;
  while (!whole && end > start && to > start && before[end - 1] === text[to - 1]) end--, to--;
  if (before !== text) view.dispatch({ changes: { from: start, to: end, insert: text.slice(start, to) } });
  if (whole) view.dispatch({ selection: { anchor: 0 }, scrollIntoView: true });
}

/** Mark what is wrong; `mend(diagnostic)` makes its edit. */
export function showDiagnostics(view, diagnostics, mend) {
  const marks = diagnostics.map((each) => ({
    from: each.from, to: each.to, severity: SEVERITIES[each.severity], source: each.code, message: each.text,
    markClass: each.unnecessary ? "unnecessary" : "",
    actions: each.fix ? [{ name: each.fix.title, apply: () => mend(each) }] : [],
  }));
  view.dispatch(setDiagnostics(view.state, marks));
}

export function goTo(view, { from, to }) {
  view.dispatch({ selection: { anchor: from, head: to ?? from }, scrollIntoView: true });
  view.focus();
}

async function complete(ask, context) {
  const word = context.matchBefore(WORD);
  const before = context.state.sliceDoc(word.from - 1, word.from);
  if (!context.explicit && word.from === word.to && !/[(,~."]/.test(before)) return null;
  const items = await ask({ ask: "complete", at: context.pos });
  const option = ({ label, kind, detail, says, text }, place) => ({
    label, type: KINDS[kind] ?? "text", detail: detail === label ? "" : detail, boost: 99 - Math.min(place, 198),
    info: says ? () => markdown(says) : undefined, apply: text ? applied(text) : undefined,
  });
  return items.length ? { from: word.from, options: items.map(option), validFor: /^[\p{L}\p{N}_]*$/u } : null;
}

/** A text to be written; of a call, the cursor stands between its brackets. */
const applied = (text) => (text.endsWith("()") ? snippet(`${text.slice(0, -1)}\${})`) : text);

function hover(ask) {
  return hoverTooltip(async (view, at) => {
    const said = await ask({ ask: "hover", at }).catch(() => null);
    return said && { pos: said.from, end: said.to, above: true, create: () => ({ dom: markdown(said.text) }) };
  });
}

/** What the call around the cursor takes, while it is being written. */
function signatures(ask) {
  const put = StateEffect.define();
  const field = StateField.define({
    create: () => null,
    update(shown, transaction) {
      const effect = transaction.effects.find((each) => each.is(put));
      return effect ? effect.value : shown && { ...shown, pos: transaction.changes.mapPos(shown.pos) };
    },
    provide: (each) => showTooltip.from(each),
  });
  const tooltip = ({ arguments: names, active, says }, pos) => ({
    pos, above: true,
    create: () => {
      const parts = names.flatMap((name, place) => [place ? ", " : "", element(place === active ? "b" : "span", "", name)]);
      return { dom: element("div", "words signature", element("div", "", ...parts), markdown(says)) };
    },
  });
  let timer;
  const look = async (view) => {
    const at = view.state.selection.main.head;
    const call = view.hasFocus ? await ask({ ask: "signature", at }).catch(() => null) : null;
    if (at === view.state.selection.main.head) view.dispatch({ effects: put.of(call && tooltip(call, at)) });
  };
  const escape = { key: "Escape", run: (view) => !!view.state.field(field) && (view.dispatch({ effects: put.of(null) }), true) };
  return [
    field,
    Prec.low(keymap.of([escape])),
    EditorView.updateListener.of(({ docChanged, selectionSet, focusChanged, view, state }) => {
      const isShown = state.field(field) !== null;
      const typed = docChanged && /[(,=]\s?$/.test(state.sliceDoc(Math.max(0, state.selection.main.head - 2), state.selection.main.head));
      clearTimeout(docChanged || selectionSet || focusChanged ? timer : undefined);
      if (typed || (isShown && (docChanged || selectionSet || focusChanged))) timer = setTimeout(look, 150, view);
    }),
  ];
}

/** A click with Ctrl goes to the definition of a name. */
function defines(ask, event, view) {
  const at = event.ctrlKey || event.metaKey ? view.posAtCoords(event) : null;
  if (at === null) return false;
  define(ask, view, at);
  return true;
}

/** Another name for the one at the cursor, wherever it stands; `say` tells why there is none. */
export async function rename(ask, view, say) {
  const [at, text] = [view.state.selection.main.head, textOf(view)];
  const { name, refused } = await ask({ ask: "rename", at });
  if (refused) return say(refused, true);
  const other = prompt(`Another name for ${name}`, name)?.trim();
  if (!other || other === name) return view.focus();
  const answer = await ask({ ask: "rename", at, name: other });
  if (answer.refused) return say(answer.refused, true);
  if (text === textOf(view)) view.dispatch({ changes: answer.changes, userEvent: "input.rename" });
  view.focus();
}

export async function define(ask, view, at = view.state.selection.main.head) {
  const there = await ask({ ask: "define", at });
  if (there) goTo(view, there);
}
