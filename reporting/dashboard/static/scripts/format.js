// Numbers, names and moments as people read them.

import { h } from "./dom.js";

const LANGUAGE = "en-GB";
const whole = new Intl.NumberFormat(LANGUAGE);
const short = new Intl.NumberFormat(LANGUAGE, { notation: "compact", maximumSignificantDigits: 3 });
const countries = new Intl.DisplayNames(["en"], { type: "region" });

export const full = (number) => whole.format(number);

export const compact = (number) =>
  number < 10_000 ? full(number) : short.format(number).replace("K", "k");

// The short form, with the whole number on hover and for whoever reads the page's code.
export function count(number) {
  return h("data", { value: number, title: full(number) }, compact(number));
}

export const plural = (number, word) => `${full(number)} ${word}${number === 1 ? "" : "s"}`;

export const decimal = (number) =>
  number.toLocaleString(LANGUAGE, { minimumFractionDigits: 1, maximumFractionDigits: 1 });

export function share(part, whole) {
  if (!whole) return "";
  const percent = (100 * part) / whole;
  if (percent > 0 && percent < 0.1) return "<0.1%";
  return `${percent < 10 ? Number(percent.toFixed(1)) : Math.round(percent)}%`;
}

export function nameOf(dimension, value) {
  if (dimension === "event_type" && value === "page_view") return "Page view";
  if (dimension === "device") return value.charAt(0).toUpperCase() + value.slice(1);
  if (dimension !== "country" || !/^[A-Z]{2}$/.test(value)) return value;
  return countries.of(value) ?? value;
}

// `2025-11-15` as `15 Nov`, with the year where it is not this one.
export function dayName(day, thisYear) {
  const year = day.slice(0, 4) === String(thisYear) ? undefined : "numeric";
  return new Date(`${day}T00:00:00Z`).toLocaleDateString(LANGUAGE, {
    timeZone: "UTC",
    day: "numeric",
    month: "short",
    year,
  });
}

const POINTS = {
  minute: { hour: "2-digit", minute: "2-digit" },
  hour: { hour: "2-digit", minute: "2-digit" },
  day: { day: "numeric", month: "short" },
  week: { day: "numeric", month: "short" },
  month: { month: "short", year: "numeric" },
};
const LONG_POINTS = {
  minute: { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
  hour: { weekday: "short", day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
  day: { weekday: "long", day: "numeric", month: "long", year: "numeric" },
  week: { day: "numeric", month: "long", year: "numeric" },
  month: { month: "long", year: "numeric" },
};

// Formatters of a point's start: one for the axis, one that says it in full.
export function pointNames(interval, timeZone) {
  const axis = new Intl.DateTimeFormat(LANGUAGE, { ...POINTS[interval], timeZone });
  const long = new Intl.DateTimeFormat(LANGUAGE, { ...LONG_POINTS[interval], timeZone });
  const week = interval === "week" ? "Week of " : "";
  return {
    axis: (start) => axis.format(start),
    long: (start) => week + long.format(start),
  };
}

export function duration(seconds) {
  if (seconds < 1) return "under a second";
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  return `${Math.round(seconds / 3600)} h`;
}

export const clockTime = (moment, timeZone, timeStyle = "short") =>
  moment.toLocaleString(LANGUAGE, { timeZone, dateStyle: "medium", timeStyle });
