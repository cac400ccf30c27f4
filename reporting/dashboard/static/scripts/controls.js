// The site, the period and the zone: shown as they are, and changed by `change({...})`.

import { ask } from "./api.js";
import { byId, h } from "./dom.js";
import { dayName } from "./format.js";
import { setUpMenu } from "./menu.js";
import { PERIODS, dayIn, daysOf } from "./periods.js";

const SUGGESTED = 20;

export const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";

export function setUpControls(change) {
  const site = byId("site");
  const other = byId("other-site");
  const zone = byId("zone");
  const period = byId("period");
  const menu = setUpMenu(period);
  const form = period.querySelector("form");

  site.addEventListener("change", () => change({ site: site.value, filters: {} }));
  other.addEventListener("input", () => suggest(other));
  other.addEventListener("change", () => {
    if (other.value) change({ site: other.value, filters: {} });
    other.value = "";
  });
  zone.addEventListener("change", () => change({ tz: zone.value }));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const { from, to } = Object.fromEntries(new FormData(form));
    const problem = problemOf(from, to);
    form.querySelector(".problem").textContent = problem;
    if (problem) return;
    change({ period: "custom", from, to });
    menu.close();
  });

  function choose(name) {
    change({ period: name, from: null, to: null });
    menu.close();
  }

  return {
    // `hasMore`: not all there are; the others are found by the beginning of their names.
    showSites(sites, chosen, hasMore) {
      const shown = [...sites];
      if (chosen && !sites.some((one) => one.site_id === chosen)) shown.push({ site_id: chosen });
      const named = namesOf(shown);
      site.replaceChildren(
        ...shown.map(({ site_id: value }) =>
          h("option", { value, selected: value === chosen }, named(value)),
        ),
      );
      site.disabled = shown.length === 0;
      site.parentElement.hidden = site.disabled;
      other.hidden = !hasMore;
    },
    show(state, now) {
      site.value = state.site;
      showPeriod(period, state, now, choose);
      showZones(zone, state.tz);
    },
  };
}

// What people call a site, with its id where that does not tell it from another; or its id.
function namesOf(sites) {
  const times = new Map();
  for (const { name } of sites) times.set(name, (times.get(name) ?? 0) + 1);
  const names = new Map(sites.map((one) => [one.site_id, one.name]));
  return (id) => {
    const name = names.get(id);
    if (!name) return id;
    return times.get(name) > 1 ? `${name} (${id})` : name;
  };
}

// The names that come after what is typed begin with it, if any does.
async function suggest(input) {
  const typed = input.value;
  if (!typed) return;
  const found = await ask("sites", { cursor: typed, limit: SUGGESTED }).catch(() => null);
  if (!found || input.value !== typed) return;
  const names = found.sites.map((one) => one.site_id);
  input.list.replaceChildren(...names.map((name) => h("option", { value: name })));
}

function problemOf(from, to) {
  if (!from || !to) return "Choose the first and the last day.";
  return from > to ? "The first day is after the last one." : "";
}

function showPeriod(root, state, now, choose) {
  const today = dayIn(state.tz, now);
  const year = Number(today.slice(0, 4));
  const dates = (days) =>
    days.from === days.to
      ? dayName(days.from, year)
      : `${dayName(days.from, year)} – ${dayName(days.to, year)}`;
  const days = daysOf(state, now);
  root.querySelector("button strong").textContent = PERIODS[state.period];
  root.querySelector(".dates").textContent = dates(days);
  const choices = Object.keys(PERIODS).filter((name) => name !== "custom");
  root.querySelector(".choices").replaceChildren(
    ...choices.map((name) => {
      const pressed = String(name === state.period);
      const button = h(
        "button",
        { type: "button", "aria-pressed": pressed, onclick: () => choose(name) },
        PERIODS[name],
        h("span", {}, dates(daysOf({ ...state, period: name }, now))),
      );
      return h("li", {}, button);
    }),
  );
  const form = root.querySelector("form");
  form.elements.from.value = days.from;
  form.elements.to.value = days.to;
}

function showZones(select, chosen) {
  if (select.options.length === 0) {
    const own = ownZone();
    const others = Intl.supportedValuesOf("timeZone").filter(
      (name) => name !== own && name !== "UTC",
    );
    const first = own === "UTC" ? ["UTC"] : [own, "UTC"];
    select.append(
      ...[...first, ...others].map((name) =>
        h("option", { value: name }, name.replaceAll("_", " ")),
      ),
    );
  }
  if (![...select.options].some((option) => option.value === chosen)) {
    select.prepend(h("option", { value: chosen }, chosen));
  }
  select.value = chosen;
}
