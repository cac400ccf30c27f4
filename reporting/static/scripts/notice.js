// What is wrong, in words, with what happens next.

import { byId, h } from "./dom.js";

const TITLES = {
  unreachable: ["Reporting does not answer", "The page keeps trying; it shows what it knew last."],
  database_unavailable: ["The database does not answer", "Events are still accepted and wait; they are counted once it is back."],
  not_migrated: ["The database has no tables yet", "Run make migrate, then try again."],
  queue_unavailable: ["Redis does not answer", "Ingestion refuses events until it is back, and clients are told to try again."],
};

export function showNotice(error, retry) {
  const [title, text] = TITLES[error.code] ?? ["These numbers cannot be shown", error.message];
  const root = byId("notice");
  if (!root.hidden && root.dataset.code === error.code) return;
  root.dataset.code = error.code;
  root.replaceChildren(
    h("div", {}, h("strong", {}, title), h("p", {}, text)),
    h("button", { type: "button", class: "button", onclick: retry }, "Try again"),
  );
  root.hidden = false;
}

export function hideNotice() {
  byId("notice").hidden = true;
}
