// What is looked at: it lives in the address, so that a link shows the same and Back goes back.

import { INTERVALS, PERIODS, isDay, isZone } from "./periods.js";

// What the service has dimensions for: their names, tabs, and the lists that show them.
export const LISTS = JSON.parse(document.documentElement.dataset.lists);
// What can be filtered by: the API's name, and ours.
export const DIMENSIONS = LISTS.dimensions;

export function stateFrom(search, ownZone) {
  const given = new URLSearchParams(search);
  const filters = Object.keys(DIMENSIONS)
    .filter((name) => given.get(name))
    .map((name) => [name, given.get(name)]);
  const state = {
    site: given.get("site") ?? "",
    period: Object.hasOwn(PERIODS, given.get("period") ?? "") ? given.get("period") : "today",
    from: given.get("from"),
    to: given.get("to"),
    tz: isZone(given.get("tz")) ? given.get("tz") : ownZone,
    interval: Object.hasOwn(INTERVALS, given.get("interval") ?? "") ? given.get("interval") : "",
    filters: Object.fromEntries(filters),
  };
  return checked(state);
}

export const namesZone = (search) => isZone(new URLSearchParams(search).get("tz"));

// A custom period needs two days in order; without them it is today.
function checked(state) {
  if (state.period !== "custom") return { ...state, from: null, to: null };
  const isRange = isDay(state.from) && isDay(state.to) && state.from <= state.to;
  return isRange ? state : { ...state, period: "today", from: null, to: null };
}

export function searchFrom(state) {
  const { filters, ...rest } = state;
  const given = Object.entries({ ...rest, ...filters }).filter(([, value]) => value);
  // Slashes stay readable; in a query they need no escape.
  return `?${new URLSearchParams(given)}`.replaceAll("%2F", "/");
}

export const withoutFilter = (filters, name) =>
  Object.fromEntries(Object.entries(filters).filter(([other]) => other !== name));
