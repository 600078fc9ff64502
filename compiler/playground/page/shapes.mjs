// The shapes behind names, which are shown and are no part of the text.
import { StateEffect, StateField } from "@codemirror/state";
import { Decoration, EditorView, WidgetType } from "@codemirror/view";

class Shape extends WidgetType {
  constructor(text) {
    super();
    this.text = text;
  }
  eq(other) {
    return other.text === this.text;
  }
  toDOM() {
    return Object.assign(document.createElement("span"), { className: "shape", textContent: this.text });
  }
}

const put = StateEffect.define();

const field = StateField.define({
  create: () => Decoration.none,
  update(shapes, transaction) {
    const effect = transaction.effects.find((each) => each.is(put));
    return effect ? effect.value : shapes.map(transaction.changes);
  },
  provide: (shapes) => EditorView.decorations.from(shapes),
});

export const shapes = field;

/** Show these: `[{ at, text }]`. */
export function showShapes(view, each) {
  const marks = each.map(({ at, text }) => Decoration.widget({ widget: new Shape(text), side: 1 }).range(at));
  view.dispatch({ effects: put.of(Decoration.set(marks, true)) });
}
