// Words of the checker as elements of the page: its Markdown is paragraphs, code, and blocks of mai.
import { pieces } from "mai-codemirror";

function element(name, className, ...children) {
  const node = document.createElement(name);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

/** Code of mai in its colours. */
export function coloured(text) {
  const code = element("code", "mai");
  for (const [number, line] of text.split("\n").entries()) {
    if (number) code.append("\n");
    let end = 0;
    for (const [from, to, colour] of pieces(line)) {
      code.append(line.slice(end, from), element("span", `colour-${colour.replace(" ", "-")}`, line.slice(from, to)));
      end = to;
    }
    code.append(line.slice(end));
  }
  return element("pre", "", code);
}

/** A paragraph in which `this` is code. */
function paragraph(text) {
  const parts = text.split("`").map((part, place) => (place % 2 ? element("code", "", part) : part));
  return element("p", "", ...parts);
}

export function markdown(text) {
  const parts = text.split(/^```(?:mai)?\n([^]*?)\n```$/m);
  return element("div", "words", ...parts.flatMap((part, place) => (place % 2 ? coloured(part) : part.split(/\n\n+/).filter((each) => each.trim()).map(paragraph))));
}

export { element };
