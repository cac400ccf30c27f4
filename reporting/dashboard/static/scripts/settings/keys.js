// The keys of callers: all there are, a form for a new one, and each new one once.

import { ask } from "../api.js";
import { announce, h } from "../dom.js";
import { clockTime } from "../format.js";
import { change } from "./calls.js";
import { numberIn, wrong } from "./fields.js";
import { actions, fieldOf, onSubmit, submit } from "./form.js";
import { askFirst } from "./question.js";
import { card, hint, tableOf } from "./parts.js";

const DAY_MS = 86_400_000;
const MOST_DAYS = 36_500;
const FIELDS = [
  {
    name: "kind",
    label: "For what",
    kind: "choice",
    choices: [
      ["ingest", "ingest: posting events"],
      ["read", "read: asking for numbers"],
      ["admin", "admin: both, and changing what is set"],
    ],
  },
  { name: "name", label: "Name", kind: "text", hint: "To know it by." },
  {
    name: "sites",
    label: "Sites",
    kind: "list",
    hint: "For these only, one a line; empty: for all.",
  },
  {
    name: "expires_at",
    label: "Holds for, in days",
    kind: "number",
    least: 1,
    hint: "Empty: for ever.",
  },
  {
    name: "events_per_day",
    label: "Most events a day",
    kind: "number",
    least: 1,
    hint: "In UTC; empty: any number.",
  },
];

export async function showKeys(root, signal, made = null) {
  // First, for if the list does not come it is lost.
  if (made) root.replaceChildren(shown(made));
  const { keys } = await ask("admin/keys", {}, { signal });
  const open = !("asksKey" in document.documentElement.dataset);
  const good = keys.filter((key) => stateOf(key) === "");
  const gone = keys.filter((key) => stateOf(key) !== "");
  const form = h("form", {}, h("div", { class: "fields" }, ...FIELDS.map((one) => fieldOf(one))));
  form.append(actions(submit("Make a key")));
  onSubmit(form, async () => {
    await showKeys(root, signal, await change("POST", "admin/keys", givenIn(form)));
    return "Made.";
  });
  root.replaceChildren(
    ...(made ? [shown(made)] : []),
    card(
      "Keys",
      good.length
        ? tableOf(HEADS, good.map((key) => rowOf(key, (made) => showKeys(root, signal, made))))
        : hint(
            open
              ? "None. Nobody is asked for a key, since API_AUTH is empty."
              : "None but that of API_AUTH, which may do everything.",
          ),
    ),
    card("Make a key", form),
    ...(gone.length
      ? [
          card(
            "Keys that hold no more",
            tableOf(
              ["Key", "Kind", "Sites", "Last used", "Since"],
              gone.map((key) => [nameOf(key), key.kind, sitesOf(key), momentOf(key.last_used_at), stateOf(key)]),
            ),
          ),
        ]
      : []),
  );
}

const HEADS = ["Key", "Kind", "Sites", "Events a day", "Last used", "Until", ""];

// `again` draws all of it anew, with a key that was made.
function rowOf(key, again) {
  return [
    nameOf(key),
    key.kind,
    sitesOf(key),
    key.events_per_day === null ? "any number" : String(key.events_per_day),
    momentOf(key.last_used_at),
    key.expires_at ? momentOf(key.expires_at) : "no end",
    h(
      "span",
      {},
      key.successor
        ? null
        : h("button", { type: "button", class: "quiet", onclick: () => rotate(key, again) }, "Rotate"),
      h("button", { type: "button", class: "quiet", onclick: () => revoke(key, again) }, "Revoke"),
    ),
  ];
}

function rotate(key, again) {
  askFirst({
    title: `Rotate ${key.name || key.key_id}?`,
    parts: [hint("Another key like it is made. This one holds for one more day.")],
    button: "Rotate",
    answer: async () => {
      await again(await change("POST", `${pathOf(key)}/rotate`, {}));
    },
  });
}

function revoke(key, again) {
  askFirst({
    title: `Revoke ${key.name || key.key_id}?`,
    parts: [hint("Within five seconds nobody gets in with it any more. It cannot be brought back.")],
    button: "Revoke",
    answer: async () => {
      await change("DELETE", pathOf(key));
      announce("Revoked");
      await again(null);
    },
  });
}

// A key that was made just now. It is in no other answer, and gone with the next look.
function shown(made) {
  const copy = h("button", { type: "button", class: "button" }, "Copy");
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(made.key);
    copy.textContent = "Copied";
    announce("Copied");
  });
  const snippet = h("div", { class: "snippet" }, h("pre", {}, h("code", {}, made.key)), copy);
  const notes = ["Keep it now: nobody can look it up later.", ...made.warnings].map(hint);
  const section = card(`The new key ${made.about.name || made.about.key_id}`, snippet);
  section.classList.add("secret");
  section.querySelector(".body").append(...notes);
  return section;
}

function givenIn(form) {
  const { kind, name, sites, expires_at, events_per_day } = form.elements;
  const days = numberIn({ name: "expires_at" }, expires_at);
  const most = numberIn({ name: "events_per_day" }, events_per_day);
  const given = { kind: kind.value, name: name.value.trim(), sites: lines(sites.value) };
  if (days > MOST_DAYS) throw wrong("expires_at", `At most ${MOST_DAYS} days, or none for ever.`);
  if (days !== null) given.expires_at = new Date(Date.now() + days * DAY_MS).toISOString();
  if (most !== null) given.events_per_day = most;
  return given;
}

const lines = (text) =>
  text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);

function stateOf(key) {
  if (key.revoked_at) return `revoked ${momentOf(key.revoked_at)}`;
  if (key.expires_at && Date.parse(key.expires_at) <= Date.now()) {
    return `over since ${momentOf(key.expires_at)}`;
  }
  return "";
}

const pathOf = (key) => `admin/keys/${encodeURIComponent(key.key_id)}`;
const nameOf = (key) => (key.name ? `${key.name} (${key.key_id})` : key.key_id);
const sitesOf = (key) => key.sites.join(", ") || "all";
const momentOf = (text) => (text ? clockTime(new Date(text)) : "never");
