// The numbers of the range, each with its change against the range before.

import { byId, h } from "./dom.js";
import { compact, count, decimal, full, share } from "./format.js";

export const viewsName = (filters) =>
  filters.event_type && filters.event_type !== "page_view" ? "Events of this type" : "Views";

// `isPartOfDay`: today is held against the whole of yesterday, so less is no bad news.
export function showHeadline(stats, filters, before, isPartOfDay) {
  const previous = stats.previous;
  const perUser = (one) => (one.unique_users ? one.total_views / one.unique_users : 0);
  byId("headline").classList.toggle("neutral", isPartOfDay);
  byId("headline").replaceChildren(
    figure(
      viewsName(filters),
      count(stats.total_views),
      stats.total_views,
      previous.total_views,
      before,
    ),
    figure("Users", count(stats.unique_users), stats.unique_users, previous.unique_users, before),
    figure(
      "Views per user",
      data(perUser(stats)),
      perUser(stats),
      perUser(previous),
      before,
      decimal,
    ),
    figure("Events", count(stats.total_events), stats.total_events, previous.total_events, before),
  );
}

export function showNoHeadline() {
  for (const place of byId("headline").querySelectorAll("dd")) {
    place.replaceChildren(h("data", {}, "–"));
  }
}

const data = (number) => h("data", { value: number }, number ? decimal(number) : "–");

function figure(name, value, current, previous, before, format = full) {
  return h(
    "div",
    {},
    h("dt", {}, name),
    h(
      "dd",
      {},
      value,
      change(current, previous),
      h("small", {}, shown(previous, format), h("span", {}, ` ${before}`)),
    ),
  );
}

const shown = (previous, format) => (format === full ? compact(previous) : format(previous));

function change(current, previous) {
  if (!previous) return null;
  const difference = current - previous;
  const percent = share(Math.abs(difference), previous);
  // "1590%" says less than "17 times as much".
  if (current >= 10 * previous) {
    const times = compact(Math.round(current / previous));
    return arrow("up", `× ${times}`, `${times} times as much as`);
  }
  if (percent === "0%" || difference === 0) return arrow("", "±0%", "unchanged");
  return difference > 0
    ? arrow("up", `↑ ${percent}`, `up ${percent} from`)
    : arrow("down", `↓ ${percent}`, `down ${percent} from`);
}

function arrow(kind, text, spoken) {
  return h(
    "span",
    { class: `change ${kind}` },
    h("span", { "aria-hidden": "true" }, text),
    h("span", { class: "sr" }, ` ${spoken} `),
  );
}
