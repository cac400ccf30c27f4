// What is wrong, in words. Each part of the page reports its own trouble, and that it is over.

import { byId, h } from "./dom.js";

const TITLES = {
  unreachable: ["Reporting does not answer", "The page keeps trying; it shows what it knew last."],
  database_unavailable: [
    "The database does not answer",
    "Events are still accepted and wait; they are counted once it is back.",
  ],
  not_migrated: ["The database is not up to date", "Run make migrate, then try again."],
  queue_unavailable: [
    "Redis does not answer",
    "Ingestion refuses events until it is back, and clients are told to try again.",
  ],
};
const troubles = new Map();

export const isInTrouble = (part) => troubles.has(part);

export function reportTrouble(part, error, retry) {
  troubles.set(part, { error, retry });
  show();
}

export function reportWell(part) {
  if (troubles.delete(part)) show();
}

function show() {
  const root = byId("notice");
  const [trouble] = troubles.values();
  root.hidden = !trouble;
  // Said again each time, it would be read out each time.
  const said = trouble ? trouble.error.code + trouble.error.message : "";
  if (root.dataset.said === said) return;
  root.dataset.said = said;
  if (trouble) root.replaceChildren(...partsOf(trouble));
}

function partsOf({ error, retry }) {
  const [title, text] = TITLES[error.code] ?? ["These numbers cannot be shown", error.message];
  return [
    h("div", {}, h("strong", {}, title), h("p", {}, text)),
    h("button", { type: "button", class: "button", onclick: retry }, "Try again"),
  ];
}
