// The sites: those that are registered, those that only have events, and a form for one of them.

import { address, ask } from "../api.js";
import { announce, h } from "../dom.js";
import { change } from "./calls.js";
import { FIELDS, GROUPS, textOf, valueOf, wrong } from "./fields.js";
import { actions, fieldOf, onSubmit, submit } from "./form.js";
import { card, hint, tableOf } from "./parts.js";
import { askFirst } from "./question.js";

const AT_A_TIME = 500;

export async function showSites(root, signal) {
  const [registered, seen, erasures] = await Promise.all([
    every("admin/sites", "sites"),
    ask("sites", { limit: AT_A_TIME }).then((answer) => answer.sites),
    ask("admin/erasures").then((answer) => answer.erasures),
  ]);
  signal.throwIfAborted();
  const known = new Set(registered.flatMap((site) => [site.site_id, ...site.aliases]));
  const others = seen.filter((site) => !known.has(site.site_id));
  const going = erasures.filter((one) => one.done_at === null);
  root.replaceChildren(
    card(
      "Registered sites",
      registered.length
        ? tableOf(
            ["Site", "Name", "Hosts", ""],
            registered.map((site) => [
              link(site.site_id),
              site.name,
              site.hosts.join(", ") || "any",
              h("a", { class: "quiet", href: hrefOf(site.site_id) }, "Change"),
            ]),
          )
        : hint("None yet: all sites are taken as they come, with nothing set."),
      h("a", { class: "button", href: "#register" }, "Register a site"),
    ),
    ...(others.length
      ? [
          card(
            "Sites that nobody has registered",
            tableOf(
              ["Site", "Events", ""],
              others.map((site) => [
                site.site_id,
                String(site.total_events),
                h(
                  "a",
                  { class: "quiet", href: `#register/${encodeURIComponent(site.site_id)}` },
                  "Register",
                ),
              ]),
            ),
          ),
        ]
      : []),
    ...(going.length
      ? [
          card(
            "Being deleted",
            tableOf(
              ["Site", "Events", "Since"],
              going.map((one) => [one.site_id, String(one.events ?? "counting"), one.asked_at]),
            ),
          ),
        ]
      : []),
  );
}

export function showNewSite(root, siteId = "") {
  const id = {
    name: "site_id",
    label: "Site",
    kind: "text",
    hint: "The site_id that its events have, or will have. It stays as it is.",
  };
  const form = h("form", {}, h("div", { class: "fields" }, fieldOf(id, siteId)), ...groups(null));
  form.append(actions(submit("Register"), h("a", { class: "button", href: "#sites" }, "Cancel")));
  onSubmit(form, async () => {
    const given = { site_id: form.elements.site_id.value.trim(), ...changed(form, null) };
    const answer = await change("POST", "admin/sites", given);
    location.hash = hrefOf(answer.site.site_id);
    return said(answer, "Registered.");
  });
  root.replaceChildren(card("Register a site", form));
}

export async function showSite(root, siteId, signal) {
  let site = await ask(pathOf(siteId), {}, { signal });
  const form = h("form", {}, ...groups(site));
  const remove = h(
    "button",
    { type: "button", class: "button danger", onclick: () => askToDelete(siteId) },
    "Delete …",
  );
  form.append(actions(submit("Save"), remove));
  onSubmit(form, async () => {
    const changes = changed(form, site);
    if (Object.keys(changes).length === 0) return "Nothing has changed.";
    const answer = await change("PATCH", pathOf(siteId), { ...changes, revision: site.revision });
    site = answer.site;
    return said(answer, "Saved. Ingestion knows within five seconds.");
  });
  root.replaceChildren(card(site.name ? `${site.name} · ${siteId}` : siteId, form));
}

function askToDelete(siteId) {
  const typed = { name: "typed", label: `Type ${siteId} to go on`, kind: "text" };
  const whole = {
    name: "with_events",
    label: "Delete its events and all its numbers, too",
    kind: "check",
    hint:
      "For good. Without it only what is set here is forgotten, and its events stay for as long as " +
      "MAX_AGE says.",
  };
  askFirst({
    title: `Delete ${siteId}?`,
    parts: [fieldOf(whole), fieldOf(typed)],
    button: "Delete",
    answer: async (form) => {
      if (form.elements.typed.value !== siteId) {
        throw wrong("typed", `Type ${siteId}.`);
      }
      const with_events = String(form.elements.with_events.checked);
      await change("DELETE", address(pathOf(siteId), { with_events }));
      announce(`${siteId} is deleted`);
      location.hash = "#sites";
    },
  });
}

function groups(site) {
  return GROUPS.flatMap(({ title, fields }) => [
    h("h3", { class: "group" }, title),
    h(
      "div",
      { class: "fields" },
      ...fields.map((field) => {
        const value = site?.[field.name] ?? field.unset ?? (field.kind === "list" ? [] : "");
        return fieldOf(field, field.kind === "check" ? "" : textOf(field, value), value === true);
      }),
    ),
  ]);
}

// What of the form is not as the site is; of a new one, what is not empty.
function changed(form, site) {
  const given = FIELDS.map((field) => [field, valueOf(field, form.elements[field.name])]);
  const differs = ([field, value]) => {
    const before = site ? site[field.name] : (field.unset ?? emptyOf(field));
    return JSON.stringify(value) !== JSON.stringify(before);
  };
  return Object.fromEntries(given.filter(differs).map(([field, value]) => [field.name, value]));
}

const EMPTY = { list: [], number: null, check: false };
const emptyOf = (field) => (field.kind in EMPTY ? EMPTY[field.kind] : "");

async function every(path, member) {
  const found = [];
  let cursor = "";
  do {
    const answer = await ask(path, { limit: AT_A_TIME, cursor });
    found.push(...answer[member]);
    cursor = answer.next_cursor ?? "";
  } while (cursor);
  return found;
}

const said = ({ warnings }, otherwise) => [otherwise, ...warnings].join(" ");
const pathOf = (siteId) => `admin/sites/${encodeURIComponent(siteId)}`;
const hrefOf = (siteId) => `#sites/${encodeURIComponent(siteId)}`;
const link = (siteId) => h("a", { href: hrefOf(siteId) }, siteId);
