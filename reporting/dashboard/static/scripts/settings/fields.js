// Every setting of a site: what it is called here, what it means, and how it is typed in.

const FROM_NOW_ON = "For events from now on.";
const AT_ONCE = "For everything, also what was counted.";

// `kind`: text, list (an entry a line), number (empty: none), choice, check.
export const GROUPS = [
  {
    title: "What it is",
    fields: [
      { name: "name", label: "Name", kind: "text", hint: `What people call it. ${AT_ONCE}` },
      {
        name: "aliases",
        label: "Other ids",
        kind: "list",
        hint: `Ids under which clients post its events as well. ${FROM_NOW_ON}`,
      },
      {
        name: "hosts",
        label: "Hosts",
        kind: "list",
        placeholder: "shop.example\n*.shop.example",
        hint: `Only pages of these may post; empty: any. ${FROM_NOW_ON}`,
      },
    ],
  },
  {
    title: "How it is told",
    fields: [
      {
        name: "time_zone",
        label: "Time zone",
        kind: "text",
        placeholder: "Europe/Berlin",
        hint: `Where its days begin; empty: UTC. ${AT_ONCE}`,
      },
      {
        name: "week_start",
        label: "Weeks begin on",
        kind: "choice",
        unset: "monday",
        choices: [
          ["monday", "Monday"],
          ["sunday", "Sunday"],
          ["saturday", "Saturday"],
        ],
        hint: AT_ONCE,
      },
      {
        name: "currency",
        label: "Currency",
        kind: "text",
        placeholder: "EUR",
        hint: `In which its amounts are; empty: none. ${AT_ONCE}`,
      },
      {
        name: "public",
        label: "Public",
        kind: "check",
        hint: `Everybody may see its numbers, without a key. ${AT_ONCE}`,
      },
    ],
  },
  {
    title: "What is counted",
    fields: [
      {
        name: "excluded_paths",
        label: "Pages left out",
        kind: "list",
        placeholder: "/admin/*",
        hint: `Nothing is kept of these. ${FROM_NOW_ON}`,
      },
      {
        name: "excluded_addresses",
        label: "Addresses left out",
        kind: "list",
        placeholder: "203.0.113.0/24",
        hint: `Nothing is kept of who posts from these. ${FROM_NOW_ON}`,
      },
      {
        name: "excluded_users",
        label: "Users left out",
        kind: "list",
        hint: `Each a user_id. ${FROM_NOW_ON}`,
      },
      {
        name: "kept_parameters",
        label: "Parameters that tell pages apart",
        kind: "list",
        placeholder: "p",
        hint: `Of a query, such as WordPress's ?p=12; all others are cut off. ${FROM_NOW_ON}`,
      },
      {
        name: "events_per_second",
        label: "Most events a second",
        kind: "number",
        least: 0,
        hint: `Empty: as SITE_EVENTS_PER_SECOND says; 0: any number. ${FROM_NOW_ON}`,
      },
    ],
  },
  {
    title: "For how long",
    fields: [
      {
        name: "visitor_period",
        label: "A visitor without a user_id is the same for",
        kind: "choice",
        unset: "day",
        choices: [
          ["day", "a day"],
          ["week", "a week"],
          ["month", "a month"],
        ],
        hint: `Of UTC. ${FROM_NOW_ON} Visitors of today count once more when it is changed.`,
      },
      {
        name: "raw_data_age",
        label: "Days after which its events are deleted",
        kind: "number",
        least: 0,
        hint: "Their counts stay. Empty: as MAX_AGE says; 0: never. Those that are older already go, too.",
      },
    ],
  },
];

export const FIELDS = GROUPS.flatMap((group) => group.fields);

// What is shown in the field, and what of it is sent.
export function textOf(field, value) {
  return field.kind === "list" ? value.join("\n") : String(value ?? "");
}

// Nothing is no number, and what cannot be read is not nothing: it would be taken for that.
export function numberIn(field, input) {
  if (input.validity.badInput) throw wrong(field.name, "This is no number.");
  return input.value === "" ? null : Number(input.value);
}

export const wrong = (field, message) =>
  Object.assign(new Error(message), { status: 400, field });

export function valueOf(field, input) {
  if (field.kind === "check") return input.checked;
  if (field.kind === "list") {
    return input.value
      .split("\n")
      .map((entry) => entry.trim())
      .filter(Boolean);
  }
  if (field.kind === "number") return numberIn(field, input);
  return input.value.trim();
}
