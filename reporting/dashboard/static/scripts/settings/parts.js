// What the parts of the page are made of.

import { h } from "../dom.js";

export const hint = (text) => h("p", { class: "quiet-text" }, text);

export function card(title, content, ...more) {
  const head = h("header", {}, h("h2", {}, title), ...more);
  return h("section", { class: "card" }, head, h("div", { class: "body" }, content));
}

// A row begins with its name. The last column has what can be done, unless all of it is text.
export function tableOf(heads, rows, { isAllText = false } = {}) {
  const named = (text) => (text ? text : h("span", { class: "sr" }, "What to do"));
  return h(
    "div",
    { class: "scroll" },
    h(
      "table",
      { class: isAllText ? "list" : "list with-actions" },
      h("thead", {}, h("tr", {}, ...heads.map((text) => h("th", { scope: "col" }, named(text))))),
      h(
        "tbody",
        {},
        ...rows.map(([first, ...rest]) =>
          h(
            "tr",
            {},
            h("th", { scope: "row" }, first),
            ...rest.map((cell) => h("td", {}, cell ?? "")),
          ),
        ),
      ),
    ),
  );
}
