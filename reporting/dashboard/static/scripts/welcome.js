// What is shown while a site has no event yet: how to send the first one.

import { announce, byId, h } from "./dom.js";
import { EVENT, INGESTION, TRACKER, post } from "./test_event.js";

// `onSent` looks whether the event has arrived.
export function showWelcome(site, onSent) {
  const root = byId("welcome");
  if (!root.hidden && root.dataset.site === site) return;
  root.dataset.site = site;
  let name = site || "example.com";
  const snippets = h("div", { class: "steps" });
  const input = h("input", {
    value: name,
    maxlength: "255",
    autocomplete: "off",
    spellcheck: "false",
  });
  const draw = () => snippets.replaceChildren(...steps(name, onSent));
  input.addEventListener("input", () => {
    name = input.value.trim() || "example.com";
    draw();
  });
  root.replaceChildren(
    h("h2", { id: "welcome-title" }, site ? `No events of ${site} yet` : "No events yet"),
    h(
      "p",
      {},
      "Send the first one in any of these ways. This page turns into the dashboard as soon as it is counted.",
    ),
    h("label", { class: "name" }, "Site", input),
    snippets,
    h(
      "p",
      { class: "waiting" },
      h("i", { class: "pulse on", "aria-hidden": "true" }),
      "Waiting for the first event",
    ),
    h("div", { class: "trouble" }),
  );
  draw();
  root.hidden = false;
}

export function showTrouble(verdicts) {
  byId("welcome")
    .querySelector(".trouble")
    .replaceChildren(...verdicts);
}

export function hideWelcome() {
  byId("welcome").hidden = true;
}

function steps(site, onSent) {
  const attribute = site.replace(/&/g, "&amp;").replace(/"/g, "&quot;");
  const event = JSON.stringify({ site_id: site, event_type: "page_view", path: "/" });
  return [
    step(
      "From every page: put this into its head",
      snippet(`<script defer src="${TRACKER}" data-site="${attribute}"></script>`),
    ),
    step(
      "From a terminal",
      snippet(`curl ${EVENT} -d '${event.replaceAll("'", "'\\''")}'`),
    ),
    step("From here", tryIt(site, onSent)),
  ];
}

const step = (title, content) => h("div", { class: "card step" }, h("h3", {}, title), content);

function snippet(text) {
  const button = h("button", { type: "button", class: "button" }, "Copy");
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
    announce("Copied");
  });
  return h("div", { class: "snippet" }, h("pre", {}, h("code", {}, text)), button);
}

function tryIt(site, onSent) {
  const outcome = h("p", { class: "outcome", role: "status" });
  const send = async () => {
    try {
      await post({ site_id: site, event_type: "page_view", path: "/" });
      outcome.textContent = "Accepted. It is counted in a moment.";
      onSent();
    } catch (error) {
      outcome.className = "outcome bad";
      outcome.textContent = error.status
        ? error.message
        : `Ingestion did not answer at ${INGESTION}.`;
    }
  };
  return h(
    "div",
    { class: "stacked" },
    h(
      "div",
      {},
      h("button", { type: "button", class: "button primary", onclick: send }, "Send a page view"),
    ),
    outcome,
  );
}
