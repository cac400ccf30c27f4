// Which days a period names, and by what interval they are drawn. Days are texts: `2025-11-15`.

export const PERIODS = {
  today: "Today",
  yesterday: "Yesterday",
  "7d": "Last 7 days",
  "30d": "Last 30 days",
  "90d": "Last 90 days",
  month: "This month",
  custom: "Custom",
};
const PREVIOUS = {
  today: "yesterday, all day",
  yesterday: "the day before",
  "7d": "in the 7 days before",
  "30d": "in the 30 days before",
  "90d": "in the 90 days before",
};
export const INTERVALS = {
  minute: "Last hour",
  hour: "Hours",
  day: "Days",
  week: "Weeks",
  month: "Months",
};
const DAY_MS = 86_400_000;

export const isDay = (text) => /^\d{4}-\d\d-\d\d$/.test(text ?? "") && plusDays(text, 0) === text;

export function plusDays(day, days) {
  const moved = new Date(Date.parse(`${day}T00:00:00Z`) + days * DAY_MS);
  return Number.isNaN(moved.getTime()) ? "" : moved.toISOString().slice(0, 10);
}

// The day that `now` (a Date) falls on in a zone.
export function dayIn(timeZone, now) {
  const parts = new Intl.DateTimeFormat("en-CA", {
    timeZone,
    year: "numeric",
    month: "2-digit",
    day: "2-digit",
  }).formatToParts(now);
  const part = (type) => parts.find((one) => one.type === type).value;
  return `${part("year")}-${part("month")}-${part("day")}`;
}

// First and last day, both included.
export function daysOf(state, now) {
  const today = dayIn(state.tz, now);
  switch (state.period) {
    case "today":
      return { from: today, to: today };
    case "yesterday":
      return { from: plusDays(today, -1), to: plusDays(today, -1) };
    case "month":
      return { from: `${today.slice(0, 8)}01`, to: today };
    case "custom":
      return { from: state.from, to: state.to };
    default:
      return { from: plusDays(today, 1 - Number.parseInt(state.period, 10)), to: today };
  }
}

export const lengthOf = ({ from, to }) =>
  (Date.parse(`${to}T00:00:00Z`) - Date.parse(`${from}T00:00:00Z`)) / DAY_MS + 1;

export function includesToday(state, now) {
  const today = dayIn(state.tz, now);
  const { from, to } = daysOf(state, now);
  return from <= today && today <= to;
}

// The intervals that suit a range, the best one first.
export function intervalsFor(state, now) {
  const days = lengthOf(daysOf(state, now));
  if (days === 1) return includesToday(state, now) ? ["hour", "minute"] : ["hour"];
  if (days <= 7) return ["day", "hour"];
  if (days <= 92) return days >= 21 ? ["day", "week"] : ["day"];
  return days <= 731 ? ["week", "day", "month"] : ["month", "week"];
}

export function intervalOf(state, now) {
  const suiting = intervalsFor(state, now);
  return suiting.includes(state.interval) ? state.interval : suiting[0];
}

export function previousName(state, now) {
  const days = lengthOf(daysOf(state, now));
  return PREVIOUS[state.period] ?? (days === 1 ? "the day before" : `in the ${days} days before`);
}

export function isZone(name) {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return Boolean(name);
  } catch {
    return false;
  }
}
